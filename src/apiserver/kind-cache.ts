import type { Kind } from '../api/kind.ts'
import { internalError } from '../machinery/status.ts'
import type { StoreEvent } from '../storage/store.ts'
import { CachedObject } from './cached-object.ts'
import { Change, ChangeHistory, type Scope } from './change-history.ts'
import { unreadableKey, unreadableReason } from './encryption/unreadable.ts'

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

const byKey = (a: CachedObject, b: CachedObject): number => (a.key < b.key ? -1 : 1)

/** Objects in the order of the store, which is made when they are next read: of the last one, as long as little has changed. */
class KeySet {
  readonly items = new Map<string, CachedObject>()
  /** Handed out to readers, who go on with it: never changed. */
  #sorted: readonly CachedObject[] | undefined
  /** Keys that have come, gone or got another object since. */
  readonly #changed = new Set<string>()

  put(item: CachedObject): void {
    this.items.set(item.key, item)
    this.#note(item.key)
  }
  delete(key: string): void {
    this.items.delete(key)
    this.#note(key)
  }
  sorted(): readonly CachedObject[] {
    if (!this.#sorted) this.#sorted = [...this.items.values()].sort(byKey)
    else if (this.#changed.size > 0) this.#sorted = this.#merged(this.#sorted)
    this.#changed.clear()
    return this.#sorted
  }

  #note(key: string): void {
    if (!this.#sorted) return
    this.#changed.add(key)
    // From there on sorting anew costs no more.
    if (this.#changed.size * 8 <= this.items.size) return
    this.#sorted = undefined
    this.#changed.clear()
  }

  #merged(before: readonly CachedObject[]): CachedObject[] {
    const news = [...this.#changed].flatMap((key) => this.items.get(key) ?? []).sort(byKey)
    const merged: CachedObject[] = []
    let next = 0
    for (const item of before) {
      if (this.#changed.has(item.key)) continue
      for (let first = news[next]; first && first.key < item.key; first = news[++next]) merged.push(first)
      merged.push(item)
    }
    for (; next < news.length; next++) merged.push(news[next] as CachedObject)
    return merged
  }
}

const historyLimits = { changes: 2048, bytes: 8 << 20 }
const nothing = new KeySet()

/** All objects of one kind as of the cache's revision, and their last changes. */
export class KindCache {
  readonly kind: Kind
  readonly prefix: string
  readonly history: ChangeHistory
  readonly #all = new KeySet()
  #bytes = 0
  readonly #byNamespace = new Map<string, KeySet>()
  /** By selectable field and its value: of fields that have been asked for once. */
  readonly #byField = new Map<string, Map<string, KeySet>>()
  readonly #listeners: ((change: Change) => void)[] = []
  /** What is stored and cannot be decrypted, by its key: why. Nearly always empty. */
  readonly #unreadable = new Map<string, string>()

  constructor(kind: Kind, startRevision: number, limits = historyLimits) {
    this.kind = kind
    this.prefix = kindPrefix(kind)
    this.history = new ChangeHistory(startRevision, limits, (by, item) => this.#valueOf(by, item))
  }

  get size(): number {
    return this.#all.items.size
  }

  /** Of all objects as they are stored. */
  get bytes(): number {
    return this.#bytes
  }

  /** Throws InternalError for one that cannot be decrypted, and {@link list} for all among which there is one. */
  get(namespace: string | undefined, name: string): CachedObject | undefined {
    const key = storageKey(this.kind, namespace, name)
    const reason = this.#unreadable.size > 0 ? this.#unreadable.get(key) : undefined
    if (reason !== undefined) throw internalError(reason)
    return this.#all.items.get(key)
  }

  /** All that can be read. */
  readable(): Iterable<CachedObject> {
    return this.#all.items.values()
  }

  byKey(key: string): CachedObject | undefined {
    return this.#all.items.get(key)
  }

  /** In the order of their keys: of one namespace or of all, and of one scope or of all. */
  list(namespace: string | undefined, scope?: Scope): readonly CachedObject[] {
    if (this.#unreadable.size > 0) this.#refuseUnreadable(namespace)
    if (scope) return this.#within(scope, namespace)
    if (namespace === undefined) return this.#all.sorted()
    return this.#byNamespace.get(namespace)?.sorted() ?? []
  }

  /** Whether objects can be looked up so: the fields of another version are not indexed. */
  knows(scope: Scope, { selectableFields }: Pick<Kind, 'selectableFields'>): boolean {
    return scope.by === 'name' || scope.by === 'namespace' || selectableFields[scope.by] === this.kind.selectableFields[scope.by]
  }

  #refuseUnreadable(namespace: string | undefined): void {
    const prefix = namespace === undefined ? this.prefix : `${this.prefix}${namespace}/`
    for (const [key, reason] of this.#unreadable) if (key.startsWith(prefix)) throw unreadableKey(key, reason)
  }

  #within(scope: Scope, namespace: string | undefined): readonly CachedObject[] {
    if (scope.by === 'namespace') return this.list(namespace ?? scope.value)
    if (scope.by === 'name') {
      if (this.kind.namespaced && namespace === undefined) return this.list(undefined).filter((item) => item.name === scope.value)
      const found = this.get(namespace, scope.value)
      return found ? [found] : []
    }
    const found = (this.#indexOf(scope.by).get(scope.value) ?? nothing).sorted()
    return namespace === undefined ? found : found.filter((item) => item.namespace === namespace)
  }

  #valueOf(by: string, item: CachedObject): string {
    if (by === 'namespace') return item.namespace
    return by === 'name' ? item.name : (item.facts(this.kind).fields[by] ?? '')
  }

  /** Made when first asked for, which decodes every object once; kept up to date from then on. */
  #indexOf(field: string): Map<string, KeySet> {
    const known = this.#byField.get(field)
    if (known) return known
    const index = new Map<string, KeySet>()
    for (const item of this.#all.items.values()) intoIndex(index, this.#valueOf(field, item), item)
    this.#byField.set(field, index)
    return index
  }

  /** Told of every change from now on, before watchers are. */
  onChange(listener: (change: Change) => void): void {
    this.#listeners.push(listener)
  }

  /** First fill: no history. */
  load(key: string, value: Uint8Array, revision: number): void {
    const reason = unreadableReason(value)
    if (reason !== undefined) this.#unreadable.set(key, reason)
    else this.#put(new CachedObject(key, this.#placeOf(key), value, revision), undefined)
  }

  apply(event: Pick<StoreEvent, 'key' | 'entry' | 'revision'>): void {
    const previous = this.#all.items.get(event.key)
    this.#unreadable.delete(event.key)
    const reason = event.entry && unreadableReason(event.entry.value)
    if (reason !== undefined) {
      this.#lose(event.key, reason)
      return
    }
    const item = event.entry ? new CachedObject(event.key, this.#placeOf(event.key), event.entry.value, event.entry.modRevision) : undefined
    if (item) this.#put(item, previous)
    else if (previous) this.#remove(previous)
    else return
    const change = new Change(item, previous, event.revision)
    for (const listener of this.#listeners) listener(change)
    this.history.append(change)
  }

  /** Whoever watches is let go: what has changed cannot be told to them. */
  #lose(key: string, reason: string): void {
    const previous = this.#all.items.get(key)
    if (previous) this.#remove(previous)
    this.#unreadable.set(key, reason)
    for (const follower of [...this.history.followers]) follower.end()
  }

  #placeOf(key: string): { namespace: string; name: string } {
    const rest = key.slice(this.prefix.length)
    const slash = this.kind.namespaced ? rest.indexOf('/') : -1
    return { namespace: slash < 0 ? '' : rest.slice(0, slash), name: rest.slice(slash + 1) }
  }

  #put(item: CachedObject, previous: CachedObject | undefined): void {
    this.#all.put(item)
    this.#bytes += item.value.byteLength - (previous?.value.byteLength ?? 0)
    if (this.kind.namespaced) intoIndex(this.#byNamespace, item.namespace, item)
    for (const [field, index] of this.#byField) {
      const value = this.#valueOf(field, item)
      const before = previous && this.#valueOf(field, previous)
      if (before !== undefined && before !== value) outOfIndex(index, before, item.key)
      intoIndex(index, value, item)
    }
  }

  #remove(item: CachedObject): void {
    this.#all.delete(item.key)
    this.#bytes -= item.value.byteLength
    outOfIndex(this.#byNamespace, item.namespace, item.key)
    for (const [field, index] of this.#byField) outOfIndex(index, this.#valueOf(field, item), item.key)
  }
}

function intoIndex(index: Map<string, KeySet>, value: string, item: CachedObject): void {
  let together = index.get(value)
  if (!together) {
    together = new KeySet()
    index.set(value, together)
  }
  together.put(item)
}

function outOfIndex(index: Map<string, KeySet>, value: string, key: string): void {
  const together = index.get(value)
  together?.delete(key)
  if (together?.items.size === 0) index.delete(value)
}
