import type { Kind } from '../api/kind.ts'
import type { KubeObject } from '../machinery/object.ts'
import { notFound } from '../machinery/status.ts'
import type { Change, CommitResult, Store } from '../storage/store.ts'
import { AllocationGuard, AllocationRaceError } from './allocation-guard.ts'
import { CachedObject, encodeValue } from './cached-object.ts'
import { storageKey } from './kind-cache.ts'
import { QuotaRaceError } from './quota-race-error.ts'
import type { WatchCache } from './watch-cache.ts'

export const isService = (kind: Kind): boolean => kind.plural === 'services' && kind.group === ''

/** One object's place: which kind, where, what name. */
export interface Place {
  readonly kind: Kind
  readonly namespace: string | undefined
  readonly name: string
}

/** Objects in the store: read through the cache, written by compare-and-swap. */
export class Objects {
  readonly #store: Store
  readonly #cache: WatchCache
  readonly #allocations = new AllocationGuard()
  readonly #eventTtlSeconds: number

  constructor(store: Store, cache: WatchCache, options: { eventTtlSeconds: number }) {
    this.#store = store
    this.#cache = cache
    this.#eventTtlSeconds = options.eventTtlSeconds
  }

  /** As new as the newest write. Undefined: there is none. */
  async find({ kind, namespace, name }: Place): Promise<CachedObject | undefined> {
    await this.#cache.fresh()
    return this.#cache.kind(kind).get(namespace, name)
  }

  async read(place: Place): Promise<CachedObject> {
    const found = await this.find(place)
    if (!found) throw notFound(place.kind, place.name)
    return found
  }

  /** Undefined: there is one of that name already. A dry run only looks. `charges` go with it, or nothing does. */
  async insert(place: Place, object: KubeObject, dryRun: boolean, charges: readonly Change[] = []): Promise<CachedObject | undefined> {
    const key = storageKey(place.kind, place.namespace, place.name)
    const value = encodeValue(object)
    if (dryRun) return (await this.find(place)) ? undefined : stored(place, key, value, 0, object)
    const result = await this.#commit(place, { key, value, expect: 0, ...this.#life(place) }, charges)
    if (!result.ok) return undefined
    return stored(place, key, value, result.revision, object)
  }

  /** Undefined: it has changed since `current`. */
  async replace(
    place: Place,
    current: CachedObject,
    value: Uint8Array,
    dryRun: boolean,
    charges: readonly Change[] = [],
  ): Promise<CachedObject | undefined> {
    if (dryRun) return stored(place, current.key, value, current.revision)
    const result = await this.#commit(place, { key: current.key, value, expect: current.revision, ...this.#life(place) }, charges)
    return result.ok ? stored(place, current.key, value, result.revision) : undefined
  }

  /** False: it has changed since `current`. */
  async remove(current: CachedObject, dryRun: boolean): Promise<boolean> {
    if (dryRun) return true
    return (await this.#store.commit([{ key: current.key, value: undefined, expect: current.revision }])).ok
  }

  /**
   * Throws AllocationRaceError for a Service that may have been given what another server gave away, QuotaRaceError where
   * nothing but a quota has changed.
   */
  async #commit({ kind }: Place, change: Change, charges: readonly Change[]): Promise<CommitResult> {
    const claims = isService(kind) ? [this.#allocations.claim()] : []
    const result = await this.#store.commit([change, ...charges, ...claims])
    if (claims.length > 0) this.#allocations.settle(result)
    if (result.ok || result.conflicts.has(change.key)) return result
    const raced = charges.find(({ key }) => result.conflicts.has(key))
    if (!raced) return result
    // A Service looks for its addresses anew: they may be in conflict as well.
    throw claims.length > 0 ? new AllocationRaceError() : new QuotaRaceError(raced.key)
  }

  /** Begins anew with each write, as upstream. */
  #life({ kind }: Place): { ttlSeconds?: number } {
    return kind.expires ? { ttlSeconds: this.#eventTtlSeconds } : {}
  }
}

function stored(place: Place, key: string, value: Uint8Array, revision: number, object?: KubeObject): CachedObject {
  const item = new CachedObject(key, { namespace: place.namespace ?? '', name: place.name }, value, revision)
  // A dry run has no revision; nor has its answer.
  if (revision === 0 && object) delete (object.metadata as Partial<KubeObject['metadata']>).resourceVersion
  return item
}
