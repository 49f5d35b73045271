import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import tar from 'tar-stream'
import type { Exec } from '../../host/exec.ts'
import { busyboxEntries } from './busybox-image.ts'
import { folderEntries, type LayerEntry, writeLayer } from './image-layer.ts'
import { type Blob, composeImage, goArchitecture, type ImageConfig, jsonBlob, mediaTypes, type OciImage } from './oci-image.ts'
import { normaliseImageName } from './reference.ts'

/** The file in a folder that says what image the folder's other files make; its fields are those of {@link BuildFile}. */
const buildFileName = 'image.json'

/** `image.json`: how to run the image, and two things about its making. Unknown fields are refused. */
export interface BuildFile extends ImageConfig {
  /** `busybox`: on top of this machine's static busybox; left out: the folder is all there is. */
  base?: 'busybox'
  /** Where in the image the folder's files go; default `/`. */
  to?: string
}

const fieldTypes: Record<keyof BuildFile, 'string' | 'strings' | 'map' | 'list'> = {
  ...{ base: 'string', to: 'string', user: 'string', workingDir: 'string' },
  ...{ entrypoint: 'strings', cmd: 'strings', env: 'map', labels: 'map', exposedPorts: 'list' },
} as Record<keyof BuildFile, 'string' | 'strings' | 'map' | 'list'>

/** Reads image.json; throws with the field's name on anything it doesn't know. */
export function parseBuildFile(text: string): BuildFile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`${buildFileName} is no JSON: ${(error as Error).message}`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${buildFileName} must be a JSON object`)
  for (const [name, field] of Object.entries(value)) {
    const type = Object.hasOwn(fieldTypes, name) ? fieldTypes[name as keyof BuildFile] : undefined
    if (!type) throw new Error(`${buildFileName}: unknown field ${name}; there are ${Object.keys(fieldTypes).join(', ')}`)
    if (!hasType(field, type)) throw new Error(`${buildFileName}: ${name} must be ${typeTexts[type]}`)
  }
  const file = value as BuildFile
  if (file.base !== undefined && file.base !== 'busybox') throw new Error(`${buildFileName}: base must be "busybox" or left out`)
  return file
}

const typeTexts = { string: 'a string', strings: 'a list of strings', map: 'an object of strings', list: 'a list of ports' }
const isString = (value: unknown): value is string => typeof value === 'string'

function hasType(value: unknown, type: keyof typeof typeTexts): boolean {
  if (type === 'string') return isString(value)
  if (type === 'strings') return Array.isArray(value) && value.every(isString)
  if (type === 'list') return Array.isArray(value) && value.every((port) => /^\d+(\/(tcp|udp|sctp))?$/.test(String(port)))
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isString)
}

export interface BuildOptions {
  /** Holds image.json and the image's files. */
  folder: string
  /** `web` or `web:1` or a full name. */
  name: string
  /** The tar archive to write: an OCI layout that `docker load` reads too. */
  output: string
}

/** Builds an image from a folder into a tar archive. The same files give the same bytes. */
export async function buildImage(
  options: BuildOptions,
  deps: { exec: Exec },
): Promise<{ name: string; digest: string; sizeBytes: number }> {
  const file = parseBuildFile(await buildFileText(options.folder))
  const scratch = await mkdtemp(join(tmpdir(), 'ownkube-image-'))
  try {
    const parts: LayerEntry[][] = file.base === 'busybox' ? [await busyboxEntries(deps.exec)] : []
    parts.push(await folderEntries(options.folder, file.to ?? '/', (path) => path === buildFileName))
    const layers: Blob[] = []
    for (const entries of parts) layers.push(await writeLayer(entries, join(scratch, `layer-${layers.length}.tar`)))
    const { base: _, to: __, ...config } = file
    const image = composeImage({
      ...{ name: normaliseImageName(options.name), config, layers },
      architecture: goArchitecture(process.arch),
    })
    await writeImageArchive(image, options.output)
    return { name: image.name, digest: image.manifest.digest, sizeBytes: (await stat(options.output)).size }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function buildFileText(folder: string): Promise<string> {
  try {
    return await readFile(join(folder, buildFileName), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error(`${folder} has no ${buildFileName}, which says how to run the image, such as {"entrypoint": ["/server"]}`, {
      cause: error,
    })
  }
}

/** An OCI image layout in a tar (image-layout.md of the OCI specification), with the manifest.json that `docker load` reads. */
export async function writeImageArchive(image: OciImage, output: string): Promise<void> {
  const blobPath = ({ digest }: { digest: string }): string => `blobs/${digest.replace(':', '/')}`
  const annotations = {
    'io.containerd.image.name': image.name,
    'org.opencontainers.image.ref.name': image.name.slice(image.name.lastIndexOf(':') + 1),
  }
  const index = jsonBlob({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [{ ...image.manifest, annotations }] })
  const docker = jsonBlob([{ Config: blobPath(image.config), RepoTags: [image.name], Layers: image.layers.map(blobPath) }])
  const blobs = new Map([image.config, image.manifestBlob, ...image.layers].map((blob) => [blobPath(blob), blob]))
  const files: [string, Blob][] = [
    ['oci-layout', jsonBlob({ imageLayoutVersion: '1.0.0' })],
    ['index.json', index],
    ['manifest.json', docker],
    ...[...blobs].sort(([a], [b]) => (a < b ? -1 : 1)),
  ]
  const pack = tar.pack()
  const written = pipeline(pack, createWriteStream(output))
  const packed = (async () => {
    for (const [name, blob] of files) {
      const head = { name, size: blob.size, mode: 0o644, mtime: new Date(0), type: 'file' } as const
      await pipeline(blob.read(), pack.entry(head))
    }
    pack.finalize()
  })().catch((error: unknown) => {
    pack.destroy(error as Error)
    throw error
  })
  await Promise.all([packed, written])
}
