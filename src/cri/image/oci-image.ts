import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'

/** What an image says about how to run it: the part of the OCI image configuration that matters here. */
export interface ImageConfig {
  entrypoint?: string[]
  cmd?: string[]
  env?: Record<string, string>
  /** `1000`, `1000:1000` or a name. */
  user?: string
  workingDir?: string
  /** `8080` or `53/udp`. */
  exposedPorts?: (string | number)[]
  labels?: Record<string, string>
}

/** A piece of content with its address. */
export interface Blob {
  /** `sha256:...` of the bytes; '' while it isn't known yet. */
  readonly digest: string
  readonly size: number
  read(): AsyncIterable<Uint8Array>
}

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
  annotations?: Record<string, string>
}

export interface Manifest {
  schemaVersion: 2
  mediaType: string
  config: Descriptor
  layers: Descriptor[]
}

/** An image as the OCI image specification has it (https://github.com/opencontainers/image-spec): one platform, any number of layers. */
export interface OciImage {
  /** With registry and tag: docker.io/library/web:latest. */
  readonly name: string
  readonly manifest: Descriptor
  readonly config: Blob
  readonly layers: readonly Blob[]
  /** The manifest's bytes. */
  readonly manifestBlob: Blob
}

export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  gzipLayer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const

export function memoryBlob(data: Uint8Array): Blob {
  return {
    digest: `sha256:${createHash('sha256').update(data).digest('hex')}`,
    size: data.length,
    async *read() {
      yield data
    },
  }
}

export const jsonBlob = (value: unknown): Blob => memoryBlob(Buffer.from(JSON.stringify(value)))

/** A file that has been hashed while it was written. */
export function fileBlob(path: string, digest: string, size: number): Blob {
  return { digest, size, read: () => createReadStream(path, { highWaterMark: 2 ** 20 }) as AsyncIterable<Uint8Array> }
}

export const descriptorOf = (mediaType: string, { digest, size }: Blob): Descriptor => ({ mediaType, digest, size })

/** Go's names for architectures, which images use. */
export function goArchitecture(architecture: string): 'amd64' | 'arm64' {
  if (architecture === 'x64') return 'amd64'
  if (architecture === 'arm64') return 'arm64'
  throw new Error(`there are no images for the architecture ${architecture}`)
}

/** Made of the layers' bytes and nothing else: no time, no place, so that the same content has the same digest. */
export function composeImage(options: {
  name: string
  architecture: 'amd64' | 'arm64'
  config: ImageConfig
  /** Uncompressed tar archives, the lowest first. */
  layers: readonly Blob[]
}): OciImage {
  const { name, architecture, config, layers } = options
  const configBlob = jsonBlob({
    architecture,
    os: 'linux',
    config: runtimeConfig(config),
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    history: layers.map(() => ({ created_by: 'ownkube image build' })),
  })
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: descriptorOf(mediaTypes.config, configBlob),
    layers: layers.map((layer) => descriptorOf(mediaTypes.layer, layer)),
  }
  const manifestBlob = jsonBlob(manifest)
  return { name, manifest: descriptorOf(mediaTypes.manifest, manifestBlob), config: configBlob, layers, manifestBlob }
}

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

function runtimeConfig(config: ImageConfig): Record<string, unknown> {
  const env = { PATH: defaultPath, ...config.env }
  const ports = (config.exposedPorts ?? []).map((port) => (/\//.test(`${port}`) ? `${port}` : `${port}/tcp`))
  return {
    ...(config.user === undefined ? {} : { User: config.user }),
    ...(ports.length === 0 ? {} : { ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])) }),
    Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
    ...(config.entrypoint ? { Entrypoint: config.entrypoint } : {}),
    ...(config.cmd ? { Cmd: config.cmd } : {}),
    WorkingDir: config.workingDir ?? '/',
    ...(config.labels ? { Labels: config.labels } : {}),
  }
}
