import type { KubeObject } from '../machinery/object.ts'

/**
 * A local copy of a collection, kept up by one list and a watch: the way every component reads. Lists anew when the
 * history is gone, reconnects with back-off, and never loses an event: what a relist finds changed is told as change.
 */
export interface Informer<T extends KubeObject> {
  /** By `ns/name` (or `name`). */
  get(key: string): T | undefined
  list(): readonly T[]
  /** Objects under a key of an index given when the informer was made, such as pods by node. */
  byIndex(index: string, value: string): readonly T[]
  /** Handlers added later are told of what is already there as `added`. The answer removes them. */
  on(handler: InformerHandler<T>): () => void
  /** Resolves once the first list is in and told. */
  synced(): Promise<void>
  readonly hasSynced: boolean
}

export interface InformerHandler<T> {
  added?(object: T): void
  updated?(object: T, previous: T): void
  /** With the last known state. */
  deleted?(object: T): void
}
