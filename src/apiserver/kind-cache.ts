import type { Kind } from '../api/kind.ts'
import type { StoreEvent } from '../storage/store.ts'
import { CachedObject } from './cached-object.ts'
import { ChangeHistory, type HistoryEvent } from './change-history.ts'

/** `/registry/core/pods/` or `/registry/apps/deployments/`. */
export function kindPrefix(kind: { group: string; plural: string }): string {
  return `/registry/${kind.group || 'core'}/${kind.plural}/`
}

export function storageKey(
  kind: { group: string; plural: string; namespaced: boolean },
  namespace: string | undefined,
  name: string,
): string {
  return kind.namespaced ? `${kindPrefix(kind)}${namespace}/${name}` : kindPrefix(kind) + name
}

/** Keys in the order of the store, sorted when next read after one came or went. */
class KeySet {
  readonly items = new Map<string, CachedObject>()
  #sorted: readonly CachedObject[] | undefined

  put(item: CachedObject): void {
    this.items.set(item.key, item)
    this.#sorted = undefined
  }
  delete(key: string): void {
    this.items.delete(key)
    this.#sorted = undefined
  }
  sorted(): readonly CachedObject[] {
    this.#sorted ??= [...this.items.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
    return this.#sorted
  }
}

const historyLimits = { events: 2048, bytes: 8 << 20 }

/** All objects of one kind as of the cache's revision, and their last changes. */
export class KindCache {
  readonly kind: Kind
  readonly prefix: string
  readonly history: ChangeHistory
  readonly #all = new KeySet()
  readonly #byNamespace = new Map<string, KeySet>()
  readonly #listeners: ((event: HistoryEvent) => void)[] = []

  constructor(kind: Kind, startRevision: number, limits = historyLimits) {
    this.kind = kind
    this.prefix = kindPrefix(kind)
    this.history = new ChangeHistory(startRevision, limits)
  }

  get size(): number {
    return this.#all.items.size
  }

  get(namespace: string | undefined, name: string): CachedObject | undefined {
    return this.#all.items.get(storageKey(this.kind, namespace, name))
  }

  byKey(key: string): CachedObject | undefined {
    return this.#all.items.get(key)
  }

  /** In the order of their keys; of one namespace or of all. */
  list(namespace: string | undefined): readonly CachedObject[] {
    if (namespace === undefined) return this.#all.sorted()
    return this.#byNamespace.get(namespace)?.sorted() ?? []
  }

  /** Told of every change from now on, before watchers are. */
  onChange(listener: (event: HistoryEvent) => void): void {
    this.#listeners.push(listener)
  }

  /** First fill: no history. */
  load(key: string, value: Uint8Array, revision: number): void {
    this.#put(new CachedObject(key, this.#placeOf(key), value, revision))
  }

  apply(event: Pick<StoreEvent, 'key' | 'entry' | 'revision'>): void {
    const previous = this.#all.items.get(event.key)
    const item = event.entry ? new CachedObject(event.key, this.#placeOf(event.key), event.entry.value, event.entry.modRevision) : undefined
    if (item) this.#put(item)
    else if (previous) this.#remove(previous)
    else return
    const change = { item, previous, revision: event.revision }
    for (const listener of this.#listeners) listener(change)
    this.history.append(change)
  }

  #placeOf(key: string): { namespace: string; name: string } {
    const rest = key.slice(this.prefix.length)
    const slash = this.kind.namespaced ? rest.indexOf('/') : -1
    return { namespace: slash < 0 ? '' : rest.slice(0, slash), name: rest.slice(slash + 1) }
  }

  #put(item: CachedObject): void {
    this.#all.put(item)
    if (!this.kind.namespaced) return
    let inNamespace = this.#byNamespace.get(item.namespace)
    if (!inNamespace) {
      inNamespace = new KeySet()
      this.#byNamespace.set(item.namespace, inNamespace)
    }
    inNamespace.put(item)
  }

  #remove(item: CachedObject): void {
    this.#all.delete(item.key)
    const inNamespace = this.#byNamespace.get(item.namespace)
    inNamespace?.delete(item.key)
    if (inNamespace?.items.size === 0) this.#byNamespace.delete(item.namespace)
  }
}
