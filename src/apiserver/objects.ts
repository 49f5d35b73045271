import type { Kind } from '../api/kind.ts'
import type { KubeObject } from '../machinery/object.ts'
import { notFound } from '../machinery/status.ts'
import type { Change, CommitResult, Store } from '../storage/store.ts'
import { CachedObject, encodeValue } from './cached-object.ts'
import { storageKey } from './kind-cache.ts'
import { QuotaRaceError } from './quota-race-error.ts'
import { AllocationGuard, AllocationRaceError } from './services/allocation-guard.ts'
import type { WatchCache } from './watch-cache.ts'

export const isService = (kind: Kind): boolean => kind.plural === 'services' && kind.group === ''

/** What is written in the same commit as an object, or not at all. */
export interface WithCommit {
  readonly changes: readonly Change[]
  /** Node ports are taken, which only those may do who have seen all that others took. */
  readonly takesPorts: boolean
}

const nothingElse: WithCommit = { changes: [], takesPorts: false }

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

  /** Undefined: there is one of that name already. A dry run only looks. */
  async insert(place: Place, object: KubeObject, dryRun: boolean, along = nothingElse): Promise<CachedObject | undefined> {
    const key = storageKey(place.kind, place.namespace, place.name)
    const value = encodeValue(object)
    if (dryRun) return (await this.find(place)) ? undefined : stored(place, key, value, 0, object)
    const result = await this.#commit(place, { key, value, expect: 0, ...this.#life(place) }, along)
    if (!result.ok) return undefined
    return stored(place, key, value, result.revision, object)
  }

  /** Undefined: it has changed since `current`. */
  async replace(
    place: Place,
    current: CachedObject,
    value: Uint8Array,
    dryRun: boolean,
    along = nothingElse,
  ): Promise<CachedObject | undefined> {
    if (dryRun) return stored(place, current.key, value, current.revision)
    const result = await this.#commit(place, { key: current.key, value, expect: current.revision, ...this.#life(place) }, along)
    return result.ok ? stored(place, current.key, value, result.revision) : undefined
  }

  /** False: it has changed since `current`. */
  async remove(current: CachedObject, dryRun: boolean, along = nothingElse): Promise<boolean> {
    if (dryRun) return true
    return (await this.#store.commit([{ key: current.key, value: undefined, expect: current.revision }, ...along.changes])).ok
  }

  /**
   * Throws AllocationRaceError for a Service that may have been given what another was given meanwhile, QuotaRaceError where
   * nothing but a quota has changed.
   */
  async #commit({ kind }: Place, change: Change, { changes, takesPorts }: WithCommit): Promise<CommitResult> {
    const claims = takesPorts ? [this.#allocations.claim()] : []
    const result = await this.#store.commit([change, ...changes, ...claims])
    if (takesPorts) this.#allocations.settle(result)
    if (result.ok || result.conflicts.has(change.key)) return result
    // A Service looks for its addresses anew, whatever has changed: they may be in conflict as well.
    if (isService(kind)) throw new AllocationRaceError()
    const raced = changes.find(({ key }) => result.conflicts.has(key))
    if (!raced) return result
    throw new QuotaRaceError(raced.key)
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
