import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, posix } from 'node:path'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import tar from 'tar-stream'
import type { Clock } from '../../host/clock.ts'
import type { Log } from '../../host/log.ts'
import { connectContainerd } from '../containerd.ts'
import { awaitImage } from './await-image.ts'
import { type ImageStore, withImageStore } from './image-store.ts'
import { type Blob, type Descriptor, descriptorOf, goArchitecture, jsonBlob, type Manifest, mediaTypes, memoryBlob } from './oci-image.ts'
import { normaliseImageName } from './reference.ts'

export class ImageArchiveError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'ImageArchiveError'
  }
}

/** JSON files up to this size are read; larger ones are content like any other. */
const jsonLimitBytes = 4 * 2 ** 20

/** What an archive holds: files by their path, JSON with its bytes, the rest already in containerd's content store. */
interface Archive {
  files: Map<string, { digest: string; size: number; gzip: boolean; json?: Buffer }>
  byDigest: Map<string, Buffer>
}

/**
 * Imports a tar archive (also gzipped) in OCI layout or of `docker save`, and returns its images' names once CRI knows them.
 * `name` names an image whose archive doesn't. Throws {@link ImageArchiveError} where the file is no such archive.
 */
export async function importImage(
  path: string,
  deps: { socket: string; clock: Clock; log: Log },
  options: { name?: string } = {},
): Promise<string[]> {
  return await withImageStore(deps, async (store) => {
    const archive = await readArchive(path, store)
    const images = await findImages(archive, store, options.name ?? basename(path).replace(/\.(tar|tgz|tar\.gz)$/, ''))
    if (images.size === 0) throw new ImageArchiveError(`${path} holds no image`)
    for (const [name, { target }] of images) await store.putName(name, target)
    const runtime = connectContainerd(deps)
    try {
      for (const [name, { id }] of images) await awaitImage(runtime, deps.clock, name, id)
    } finally {
      runtime.close()
    }
    return [...images.keys()]
  })
}

async function readArchive(path: string, store: ImageStore): Promise<Archive> {
  const archive: Archive = { files: new Map(), byDigest: new Map() }
  const links: [string, string][] = []
  const extract = tar.extract()
  const source = createReadStream(path, { highWaterMark: 2 ** 20 })
  const failed = (error: Error | null): void => void (error && extract.destroy(error))
  if (await isGzip(path)) pipeline(source, createGunzip(), extract, failed)
  else pipeline(source, extract, failed)
  try {
    for await (const entry of extract) {
      const { type, linkname } = entry.header
      const name = posix.normalize(entry.header.name)
      if (type === 'symlink' || type === 'link') links.push([name, posix.join(type === 'link' ? '' : posix.dirname(name), linkname ?? '')])
      if (type === 'file') await takeFile(archive, store, name, entry.header.size ?? 0, entry as unknown as AsyncIterable<Buffer>)
      else entry.resume()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== undefined || !/tar|header|unexpected end/i.test((error as Error).message)) throw error
    throw new ImageArchiveError(`${path} is no tar archive: ${(error as Error).message}`, { cause: error })
  }
  for (const [name, target] of links) {
    const file = archive.files.get(target)
    if (file) archive.files.set(name, file)
  }
  return archive
}

async function takeFile(archive: Archive, store: ImageStore, name: string, size: number, content: AsyncIterable<Buffer>): Promise<void> {
  if (size === 0) {
    for await (const _ of content);
    return
  }
  const reader = content[Symbol.asyncIterator]()
  const first = (await reader.next()).value as Buffer
  const rest = async function* (): AsyncGenerator<Buffer> {
    yield first
    for (let part = await reader.next(); !part.done; part = await reader.next()) yield part.value
  }
  if ((first[0] === 0x7b || first[0] === 0x5b) && size <= jsonLimitBytes) {
    const parts: Buffer[] = []
    for await (const part of rest()) parts.push(part)
    const json = Buffer.concat(parts)
    const { digest } = memoryBlob(json)
    archive.files.set(name, { digest, size, gzip: false, json })
    archive.byDigest.set(digest, json)
    return
  }
  const gzip = first[0] === 0x1f && first[1] === 0x8b
  archive.files.set(name, { digest: await storeStream(store, size, rest(), name), size, gzip })
  // What the store has already isn't taken to its end, but the archive goes on only behind it.
  for (let part = await reader.next(); !part.done; part = await reader.next());
}

/** Content whose digest is known only at its end, unless its name in the layout says it. */
async function storeStream(store: ImageStore, size: number, content: AsyncIterable<Buffer>, name: string): Promise<string> {
  const hash = createHash('sha256')
  let digest = /(?:^|\/)blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1]
  const blob: Blob = {
    get digest() {
      return digest === undefined ? '' : `sha256:${digest}`
    },
    size,
    async *read() {
      for await (const part of content) {
        hash.update(part)
        yield part
      }
    },
  }
  await store.putBlob(blob)
  for await (const _ of content); // what the store had already is not asked for to its end
  digest ??= hash.digest('hex')
  return `sha256:${digest}`
}

interface FoundImage {
  target: Descriptor
  /** The configuration's digest, which is CRI's id of the image. */
  id: string
}

async function findImages(archive: Archive, store: ImageStore, fallbackName: string): Promise<Map<string, FoundImage>> {
  const index = jsonOf<{ manifests?: Descriptor[] }>(archive, 'index.json')
  if (index) return await imagesOfLayout(archive, store, index.manifests ?? [], fallbackName)
  const docker = jsonOf<DockerImage[]>(archive, 'manifest.json')
  if (docker) return await imagesOfDocker(archive, store, docker, fallbackName)
  throw new ImageArchiveError('the archive has neither an index.json (OCI layout) nor a manifest.json (docker save)')
}

function jsonOf<T>(archive: Archive, name: string): T | undefined {
  const json = archive.files.get(name)?.json
  if (!json) return undefined
  try {
    return JSON.parse(json.toString('utf8')) as T
  } catch (error) {
    throw new ImageArchiveError(`${name} in the archive is no JSON`, { cause: error })
  }
}

async function imagesOfLayout(
  archive: Archive,
  store: ImageStore,
  manifests: readonly Descriptor[],
  fallbackName: string,
): Promise<Map<string, FoundImage>> {
  const images = new Map<string, FoundImage>()
  for (const { annotations = {}, ...target } of manifests) {
    await storeTree(archive, store, target)
    images.set(normaliseImageName(nameFrom(annotations, fallbackName)), { target, id: imageId(archive, target) })
  }
  return images
}

/** The configuration's digest, of this machine's platform where there are several. Throws when there is none for it. */
function imageId(archive: Archive, { digest }: Descriptor): string {
  const inner = parsed<Tree>(archive, digest)
  if (inner.config) {
    checkPlatform(archive, inner.config.digest)
    return inner.config.digest
  }
  const platforms = (inner.manifests ?? []).map(({ platform }) => `${platform?.os}/${platform?.architecture}`)
  const own = inner.manifests?.[platforms.indexOf(thisPlatform())]
  if (!own) throw new ImageArchiveError(`the image is for ${platforms.join(', ')}; this machine is ${thisPlatform()}`)
  return imageId(archive, own)
}

const thisPlatform = (): string => `linux/${goArchitecture(process.arch)}`

function checkPlatform(archive: Archive, configDigest: string): void {
  const { os, architecture } = parsed<{ os?: string; architecture?: string }>(archive, configDigest)
  if (`${os}/${architecture}` === thisPlatform()) return
  throw new ImageArchiveError(`the image is for ${os}/${architecture}; this machine is ${thisPlatform()}`)
}

function parsed<T>(archive: Archive, digest: string): T {
  const json = archive.byDigest.get(digest)
  if (!json) throw new ImageArchiveError(`the archive lacks ${digest}`)
  return JSON.parse(json.toString('utf8')) as T
}

/** Tools differ: the full name, or only the tag of one. */
function nameFrom(annotations: Record<string, string>, fallbackName: string): string {
  const full = annotations['io.containerd.image.name']
  if (full) return full
  const reference = annotations['org.opencontainers.image.ref.name']
  if (reference === undefined) return fallbackName
  return /[/:]/.test(reference) ? reference : `${fallbackName.replace(/:[^/:]*$/, '')}:${reference}`
}

interface Tree {
  config?: Descriptor
  layers?: Descriptor[]
  manifests?: (Descriptor & { platform?: { os: string; architecture: string } })[]
}

/** Stores a manifest or index after what it leads to; platforms that the archive leaves out stay out. */
async function storeTree(archive: Archive, store: ImageStore, { digest, mediaType }: Descriptor): Promise<boolean> {
  const json = archive.byDigest.get(digest)
  if (!json) return [...archive.files.values()].some((file) => file.digest === digest)
  const inner: Tree = /manifest|index/.test(mediaType) ? (JSON.parse(json.toString('utf8')) as Tree) : {}
  const children = [...(inner.config ? [inner.config] : []), ...(inner.layers ?? []), ...(inner.manifests ?? [])]
  const present: string[] = []
  for (const child of children) {
    if (await storeTree(archive, store, child)) present.push(child.digest)
    else if (!inner.manifests) throw new ImageArchiveError(`the archive lacks ${child.digest}, which its manifest ${digest} names`)
  }
  await store.putBlob(memoryBlob(json), present)
  return true
}

interface DockerImage {
  Config: string
  RepoTags?: string[] | null
  Layers: string[]
}

async function imagesOfDocker(
  archive: Archive,
  store: ImageStore,
  docker: readonly DockerImage[],
  fallbackName: string,
): Promise<Map<string, FoundImage>> {
  const images = new Map<string, FoundImage>()
  for (const { Config, RepoTags, Layers } of docker) {
    const config = archive.files.get(Config)?.json
    if (!config) throw new ImageArchiveError(`the archive lacks ${Config}, which its manifest.json names`)
    const configBlob = memoryBlob(config)
    checkPlatform(archive, configBlob.digest)
    const layers = Layers.map((name): Descriptor => {
      const file = archive.files.get(name)
      if (!file) throw new ImageArchiveError(`the archive lacks ${name}, which its manifest.json names`)
      return { mediaType: file.gzip ? mediaTypes.gzipLayer : mediaTypes.layer, digest: file.digest, size: file.size }
    })
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: descriptorOf(mediaTypes.config, configBlob),
      layers,
    }
    const manifestBlob = jsonBlob(manifest)
    await store.putBlob(configBlob)
    await store.putBlob(manifestBlob, [configBlob.digest, ...layers.map(({ digest }) => digest)])
    for (const tag of RepoTags?.length ? RepoTags : [fallbackName])
      images.set(normaliseImageName(tag), { target: descriptorOf(mediaTypes.manifest, manifestBlob), id: configBlob.digest })
  }
  return images
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer } = await file.read({ buffer: Buffer.alloc(2), position: 0 })
    return buffer.readUInt16BE(0) === 0x1f8b
  } finally {
    await file.close()
  }
}
