import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import type { ResourceName } from '../machinery/group-version.ts'
import { groupResource } from '../machinery/group-version.ts'
import { type KubeObject, objectKey } from '../machinery/object.ts'
import { isExpired } from '../machinery/status.ts'
import type { Client, ResourceClient, WatchEvent } from './client.ts'
import { type InformerHandler, ObjectCache } from './object-cache.ts'

export type { InformerHandler } from './object-cache.ts'

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

export interface InformerDeps<T extends KubeObject> {
  client: Client
  resource: ResourceName
  clock: Clock
  random: Random
  log: Log
  /** Ends the informer; what it holds stays readable. */
  signal: AbortSignal
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  indexes?: Record<string, (object: T) => string[]>
  /** What is kept of an object, for those who hold many and look at little of each. Name, uid and resourceVersion must stay. */
  trim?: (object: T) => T
}

/** For informers of components, which own no field by name: the account of who does is often the larger part of an object. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}

const pageSize = 500
/** First wait after a failure; doubles up to the longest. Each is stretched by up to half at random. */
const firstBackoffMs = 100
const longestBackoffMs = 10_000

export function startInformer<T extends KubeObject>(deps: InformerDeps<T>): Informer<T> {
  const log = deps.log
  const what = groupResource(deps.resource)
  const cache = new ObjectCache<T>(deps.indexes ?? {}, (error, event) =>
    log.error('a handler of an informer failed', { resource: what, event, error }),
  )
  let hasSynced = false
  const synced = Promise.withResolvers<void>()
  synced.promise.catch(() => undefined) // whoever waits for it is told; nobody needs to
  const fail = (): void => synced.reject(deps.signal.reason)
  if (deps.signal.aborted) fail()
  else deps.signal.addEventListener('abort', fail, { once: true })
  const markSynced = (): void => {
    if (hasSynced) return
    hasSynced = true
    deps.signal.removeEventListener('abort', fail)
    synced.resolve()
  }
  void follow(deps, cache, markSynced)
  return {
    get: (key) => cache.get(key),
    list: () => cache.list(),
    byIndex: (index, value) => cache.byIndex(index, value),
    on: (handler) => cache.on(handler),
    synced: () => synced.promise,
    get hasSynced() {
      return hasSynced
    },
  }
}

/** Lists and watches until the signal. `position` is the revision up to which everything has been told; undefined: list. */
async function follow<T extends KubeObject>(deps: InformerDeps<T>, cache: ObjectCache<T>, markSynced: () => void): Promise<void> {
  const { clock, random, signal } = deps
  const log = deps.log
  const what = groupResource(deps.resource)
  const collection = deps.client.resource<T>(deps.resource, deps.namespace)
  let position: string | undefined
  let failures = 0
  while (!signal.aborted) {
    try {
      if (position === undefined) {
        const listed = await listAll(collection, deps)
        if (signal.aborted) return
        cache.replace(listed.items)
        position = listed.resourceVersion
        markSynced()
      }
      const startedMs = clock.monotonic()
      const events = collection.watch({ ...selectors(deps), resourceVersion: position, allowWatchBookmarks: true, signal })
      for await (const event of events) {
        tell(cache, event, deps.trim)
        position = event.object.metadata.resourceVersion
        failures = 0
      }
      // The server ends watches now and then; one that it ends at once, again and again, is slowed down like a failure.
      if (clock.monotonic() - startedMs >= 1_000) failures = 0
      else failures++
    } catch (error) {
      if (signal.aborted) return
      failures++
      if (isExpired(error)) {
        log.info('the history of the watch is gone: listing anew', { resource: what, position })
        position = undefined
        if (failures === 1) continue
      } else log.warn('list and watch failed; trying again', { resource: what, error })
    }
    if (failures > 0) await pause(clock, backoffMs(failures, random), signal)
  }
}

/** Never rejects: the caller's loop looks at the signal. */
async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

export function backoffMs(failures: number, random: Random): number {
  return Math.min(longestBackoffMs, firstBackoffMs * 2 ** Math.min(failures - 1, 20)) * (1 + random.float() / 2)
}

function tell<T extends KubeObject>(cache: ObjectCache<T>, event: WatchEvent<T>, trim: (object: T) => T = (object) => object): void {
  if (event.type === 'BOOKMARK') return
  const object = trim(event.object)
  if (event.type === 'DELETED') cache.remove(objectKey(object), object)
  else cache.put(object)
}

const selectors = (deps: { labelSelector?: string; fieldSelector?: string }): { labelSelector?: string; fieldSelector?: string } => ({
  ...(deps.labelSelector ? { labelSelector: deps.labelSelector } : {}),
  ...(deps.fieldSelector ? { fieldSelector: deps.fieldSelector } : {}),
})

/** The whole collection at one revision, in pages; without pages if the history goes while they are turned. */
async function listAll<T extends KubeObject>(
  collection: ResourceClient<T>,
  deps: Pick<InformerDeps<T>, 'labelSelector' | 'fieldSelector' | 'trim'>,
): Promise<{ items: T[]; resourceVersion: string }> {
  const first = await collection.list({ ...selectors(deps), limit: pageSize })
  // Page by page, so that never more than one is held whole.
  const kept = ({ items }: { items: readonly T[] }): T[] => (deps.trim ? items.map(deps.trim) : [...items])
  let items = kept(first)
  let token = first.metadata.continue
  let resourceVersion = first.metadata.resourceVersion ?? ''
  while (token) {
    try {
      const page = await collection.list({ ...selectors(deps), limit: pageSize, continue: token })
      items.push(...kept(page))
      token = page.metadata.continue
    } catch (error) {
      if (!isExpired(error)) throw error
      const whole = await collection.list(selectors(deps))
      items = kept(whole)
      resourceVersion = whole.metadata.resourceVersion ?? ''
      token = undefined
    }
  }
  return { items, resourceVersion }
}
