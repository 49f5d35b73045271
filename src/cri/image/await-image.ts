import type { Clock } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import { connectContainerd } from '../containerd.ts'
import { RuntimeError } from '../runtime.ts'

const visibleWithinMs = 10_000

/**
 * Runs `put` unless CRI knows the image already, then waits until it does: containerd tells its CRI part of new images by an event.
 * With `id` (the image's configuration's digest) only that very content counts: a name may have got new content.
 */
export async function awaitImage(
  deps: { socket: string; clock: Clock; log: Log },
  name: string,
  put: () => Promise<void>,
  id?: string,
): Promise<void> {
  const runtime = connectContainerd(deps)
  const isKnown = async (): Promise<boolean> => {
    const status = await runtime.imageStatus(name)
    return status !== undefined && (id === undefined || status.id === id)
  }
  try {
    if (await isKnown()) return
    await put()
    const deadline = deps.clock.monotonic() + visibleWithinMs
    while (!(await isKnown())) {
      if (deps.clock.monotonic() > deadline) {
        throw new RuntimeError('DeadlineExceeded', `${name} was stored, but the container runtime has not noticed it`)
      }
      await deps.clock.sleep(5)
    }
  } finally {
    runtime.close()
  }
}
