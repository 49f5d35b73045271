import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectContainerd } from '../cri/containerd.ts'
import { buildImage } from '../cri/image/build-image.ts'
import { importImage } from '../cri/image/import-image.ts'
import type { Image } from '../cri/runtime.ts'
import { containerdSocket } from './agent.ts'
import type { ClusterConfig } from './config.ts'
import type { OperatorDeps } from './steps.ts'

/** Writes the archive of an image built from a folder; answers its full name. */
export async function buildImageArchive(options: { folder: string; name: string; output: string }, deps: OperatorDeps): Promise<string> {
  return (await buildImage(options, deps)).name
}

/** Answers the names of the images that the archive held. */
export async function importImageArchive(config: ClusterConfig, archive: string, deps: OperatorDeps): Promise<string[]> {
  return await importImage(archive, { socket: containerdSocket(config), clock: deps.clock, log: deps.log })
}

export async function buildAndImport(
  config: ClusterConfig,
  options: { folder: string; name: string },
  deps: OperatorDeps,
): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), 'ownkube-image-'))
  try {
    const output = join(scratch, 'image.tar')
    const name = await buildImageArchive({ ...options, output }, deps)
    await importImageArchive(config, output, deps)
    return name
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

export async function listNodeImages(config: ClusterConfig, deps: OperatorDeps): Promise<Image[]> {
  const runtime = connectContainerd({ socket: containerdSocket(config), clock: deps.clock, log: deps.log })
  try {
    return await runtime.listImages()
  } finally {
    runtime.close()
  }
}
