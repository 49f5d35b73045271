import type { Clock } from '../../host/clock.ts'
import type { ContainerRuntime } from '../runtime.ts'
import { RuntimeError } from '../runtime.ts'

const visibleWithinMs = 10_000

/**
 * Waits until CRI knows an image that was just stored: containerd tells its CRI part of new images by an event.
 * With `id` (the image's configuration's digest) only that very content counts: a name may have got new content.
 */
export async function awaitImage(runtime: ContainerRuntime, clock: Clock, name: string, id?: string): Promise<void> {
  const deadline = clock.monotonic() + visibleWithinMs
  for (;;) {
    const status = await runtime.imageStatus(name)
    if (status && (id === undefined || status.id === id)) return
    if (clock.monotonic() > deadline) {
      throw new RuntimeError('DeadlineExceeded', `${name} was stored, but the container runtime has not noticed it`)
    }
    await clock.sleep(5)
  }
}
