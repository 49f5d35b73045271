import type {
  Change,
  CommitResult,
  Entry,
  ListOptions,
  ListResult,
  Store,
  StoreEvent,
  StoreMetrics,
  WatchBatch,
  WatchOptions,
} from '../../storage/store.ts'
import { type Encryption, transformerFor } from './encryption-configuration.ts'
import { identity, TransformError, type Transformer } from './transformers.ts'
import { markStale, markUnreadable } from './unreadable.ts'

/**
 * A store whose values are encrypted on their way in and decrypted on their way out, kind by kind: behind it lies ciphertext
 * alone, in front of it nobody knows. A value that these keys do not open comes out as it is, marked as unreadable.
 */
export class EncryptedStore implements Store {
  readonly #store: Store
  readonly #encryption: Encryption
  /** By `/registry/group/plural/`. */
  readonly #byPrefix = new Map<string, Transformer>()

  constructor(store: Store, encryption: Encryption) {
    this.#store = store
    this.#encryption = encryption
  }

  revision(): Promise<number> {
    return this.#store.revision()
  }

  async get(key: string, options?: { revision?: number }): Promise<Entry | undefined> {
    const entry = await this.#store.get(key, options)
    return entry && this.#decrypted(entry)
  }

  async list(prefix: string, options?: ListOptions): Promise<ListResult> {
    const result = await this.#store.list(prefix, options)
    return { ...result, entries: result.entries.map((entry) => this.#decrypted(entry)) }
  }

  async commit(changes: readonly Change[]): Promise<CommitResult> {
    const result = await this.#store.commit(changes.map((change) => this.#encrypted(change)))
    if (result.ok) return result
    const conflicts = [...result.conflicts].map(([key, entry]): [string, Entry | undefined] => [key, entry && this.#decrypted(entry)])
    return { ...result, conflicts: new Map(conflicts) }
  }

  watch(prefix: string, options: WatchOptions): AsyncIterable<WatchBatch> {
    // At once: a watch begins with the call.
    return this.#watched(this.#store.watch(prefix, options))
  }

  async *#watched(batches: AsyncIterable<WatchBatch>): AsyncIterable<WatchBatch> {
    for await (const { events, revision } of batches) yield { revision, events: events.map((event) => this.#shown(event)) }
  }

  deadlines(): Promise<ReadonlyMap<string, number>> {
    return this.#store.deadlines()
  }

  compact(revision: number): Promise<void> {
    return this.#store.compact(revision)
  }

  healthy(): Promise<void> {
    return this.#store.healthy()
  }

  metrics(): StoreMetrics {
    return this.#store.metrics()
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  #transformerOf(key: string): Transformer | undefined {
    const prefix = /^\/registry\/([^/]+)\/([^/]+)\//.exec(key)
    if (!prefix) return undefined
    const known = this.#byPrefix.get(prefix[0])
    if (known) return known
    const [, group = '', plural = ''] = prefix
    const made = transformerFor(this.#encryption, { group: group === 'core' ? '' : group, plural }) ?? identity
    this.#byPrefix.set(prefix[0], made)
    return made
  }

  #encrypted(change: Change): Change {
    const transformer = change.value && this.#transformerOf(change.key)
    return change.value && transformer ? { ...change, value: transformer.toStorage(change.value, change.key) } : change
  }

  #decrypted(entry: Entry): Entry {
    const transformer = this.#transformerOf(entry.key)
    if (!transformer) return entry
    const { buffer, byteOffset, byteLength } = entry.value
    try {
      const { data, isStale } = transformer.fromStorage(Buffer.from(buffer, byteOffset, byteLength), entry.key)
      if (isStale) markStale(data)
      return { ...entry, value: data }
    } catch (error) {
      if (!(error instanceof TransformError)) throw error
      markUnreadable(entry.value, error.message)
      return entry
    }
  }

  #shown(event: StoreEvent): StoreEvent {
    const { entry, previous } = event
    return { ...event, entry: entry && this.#decrypted(entry), previous: previous && this.#decrypted(previous) }
  }
}
