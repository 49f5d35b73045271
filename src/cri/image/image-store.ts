import { randomUUID } from 'node:crypto'
import type { Clock } from '../../host/clock.ts'
import { bytes, encode, enumeration, int64, message, string, stringMap } from '../../machinery/protobuf.ts'
import { ContainerdChannel } from '../containerd-channel.ts'
import { RuntimeError } from '../runtime.ts'
import type { Blob, Descriptor, OciImage } from './oci-image.ts'

/** Field numbers: containerd's api/services/{content,images,leases}/v1/*.proto and api/types/descriptor.proto. */
const WriteContentRequest = {
  action: enumeration(1),
  ref: string(2),
  total: int64(3),
  expected: string(4),
  offset: int64(5),
  data: bytes(6),
  labels: stringMap(7),
}
const WriteAction = { write: 1, commit: 2 }
const ImageRecordRequest = {
  image: message(1, {
    name: string(1),
    labels: stringMap(2),
    target: message(3, { mediaType: string(1), digest: string(2), size: int64(3), annotations: stringMap(5) }),
  }),
}
const CreateLeaseRequest = { id: string(1), labels: stringMap(3) }
const DeleteLeaseRequest = { id: string(1) }

const namespace = 'k8s.io'
const chunkBytes = 2 ** 20
const leaseLifeMs = 3_600_000

/** containerd's content and image stores, for images that come from local bytes. */
export interface ImageStore {
  /** `pinned`: the runtime's garbage collection must leave it alone. */
  put(image: OciImage, options?: { pinned?: boolean }): Promise<void>
  /** Content by itself; `references` are what it leads to, kept as long as it is kept. */
  putBlob(blob: Blob, references?: readonly string[]): Promise<void>
  putName(name: string, target: Descriptor, options?: { pinned?: boolean }): Promise<void>
}

/** Runs `work` under a lease: what it stores isn't collected before it has a name. */
export async function withImageStore<T>(options: { socket: string; clock: Clock }, work: (store: ImageStore) => Promise<T>): Promise<T> {
  const channel = new ContainerdChannel(options)
  const lease = `ownkube-${process.pid}-${Math.floor(options.clock.now())}-${Math.floor(options.clock.monotonic() * 1000)}`
  const metadata = { 'containerd-namespace': namespace, 'containerd-lease': lease }
  const leases = '/containerd.services.leases.v1.Leases'
  const expiry = new Date(options.clock.now() + leaseLifeMs).toISOString()
  try {
    const labels = { 'containerd.io/gc.expire': expiry }
    const outside = { metadata: { 'containerd-namespace': namespace } }
    await channel.unary(`${leases}/Create`, encode(CreateLeaseRequest, { id: lease, labels }), outside)
    const result = await work(storeOver(channel, metadata))
    await channel.unary(`${leases}/Delete`, encode(DeleteLeaseRequest, { id: lease }), outside)
    return result
  } finally {
    channel.close()
  }
}

function storeOver(channel: ContainerdChannel, metadata: Readonly<Record<string, string>>): ImageStore {
  const store: ImageStore = {
    async put(image, options) {
      await Promise.all([image.config, ...image.layers].map((blob) => store.putBlob(blob)))
      await store.putBlob(image.manifestBlob, [image.config.digest, ...image.layers.map(({ digest }) => digest)])
      await store.putName(image.name, image.manifest, options)
    },

    async putBlob(blob, references = []) {
      const labels = Object.fromEntries(references.map((digest, i) => [`containerd.io/gc.ref.content.${i}`, digest]))
      try {
        await channel.upload('/containerd.services.content.v1.Content/Write', writes(blob, labels), { metadata })
      } catch (error) {
        if (!isAlreadyThere(error)) throw error
      }
    },

    async putName(name, target, { pinned = false } = {}) {
      const labels: Record<string, string> = { 'io.cri-containerd.image': 'managed' }
      if (pinned) labels['io.cri-containerd.pinned'] = 'pinned'
      const record = encode(ImageRecordRequest, { image: { name, labels, target } })
      const images = '/containerd.services.images.v1.Images'
      try {
        await channel.unary(`${images}/Create`, record, { metadata })
      } catch (error) {
        if (!isAlreadyThere(error)) throw error
        await channel.unary(`${images}/Update`, record, { metadata })
      }
    },
  }
  return store
}

const isAlreadyThere = (error: unknown): boolean => error instanceof RuntimeError && error.code === 'AlreadyExists'

/** The messages of one upload: data, the last of them with the commit, which checks digest and size. */
async function* writes(blob: Blob, labels: Record<string, string>): AsyncGenerator<Uint8Array> {
  // A digest that is known only at the end is told only then; the upload goes by a name of its own.
  const ref = `ownkube-${blob.digest || randomUUID()}`
  let offset = 0
  for await (const part of blob.read()) {
    for (let from = 0; from < part.length; from += chunkBytes) {
      const data = part.subarray(from, from + chunkBytes)
      const last = offset + data.length === blob.size
      yield encode(WriteContentRequest, {
        ref,
        total: blob.size,
        expected: blob.digest,
        action: last ? WriteAction.commit : WriteAction.write,
        offset,
        data,
        labels,
      })
      offset += data.length
    }
  }
  if (offset !== blob.size) throw new RuntimeError('DataLoss', `${blob.digest} has ${offset} bytes instead of ${blob.size}`)
}
