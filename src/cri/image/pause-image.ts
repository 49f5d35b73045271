import type { Clock } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import { connectContainerd } from '../containerd.ts'
import { awaitImage } from './await-image.ts'
import { writeLayer } from './image-layer.ts'
import { withImageStore } from './image-store.ts'
import { composeImage, goArchitecture, type OciImage } from './oci-image.ts'
import { pauseProgram } from './pause-program.ts'

/** A host name that no registry can have: it never leaves the machine. */
export const pauseImageName = 'ownkube.local/pause:1'

async function pauseImage(architecture = goArchitecture(process.arch)): Promise<OciImage> {
  const program = { type: 'file', path: '/pause', mode: 0o755, data: pauseProgram(architecture) } as const
  const layer = await writeLayer([program])
  return composeImage({ name: pauseImageName, architecture, config: { entrypoint: ['/pause'], user: '65535:65535' }, layers: [layer] })
}

/** Puts the pause image into containerd where it is missing, and returns once CRI knows it. */
export async function ensurePauseImage(deps: { socket: string; clock: Clock; log: Log }): Promise<void> {
  const runtime = connectContainerd(deps)
  try {
    if (await runtime.imageStatus(pauseImageName)) return
    const image = await pauseImage()
    await withImageStore(deps, (store) => store.put(image, { pinned: true }))
    await awaitImage(runtime, deps.clock, pauseImageName)
  } finally {
    runtime.close()
  }
}
