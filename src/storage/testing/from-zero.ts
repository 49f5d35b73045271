import {
  CompactedError,
  type Entry,
  FutureRevisionError,
  type ListResult,
  type Store,
  type StoreMetrics,
  type WatchBatch,
} from '../store.ts'

/** A store as if it had been at revision 0 when it was empty: what the contract suite counts from. */
export async function fromZero(store: Store): Promise<Store> {
  const base = await store.revision()
  const outer = (revision: number): number => revision - base
  const inner = (revision: number): number => revision + base
  const entryOf = (entry: Entry): Entry => ({
    ...entry,
    createRevision: outer(entry.createRevision),
    modRevision: outer(entry.modRevision),
  })
  const optional = (entry: Entry | undefined): Entry | undefined => entry && entryOf(entry)
  const at = <O extends { revision?: number }>(options: O | undefined): O | undefined =>
    options?.revision === undefined ? options : { ...options, revision: inner(options.revision) }
  const rethrow = (error: unknown): never => {
    if (error instanceof CompactedError) throw new CompactedError(0, outer(error.oldest))
    if (error instanceof FutureRevisionError) throw new FutureRevisionError(0, outer(error.newest))
    throw error
  }
  const batchOf = ({ events, revision }: WatchBatch): WatchBatch => ({
    revision: outer(revision),
    events: events.map((event) => ({
      ...event,
      entry: optional(event.entry),
      previous: optional(event.previous),
      revision: outer(event.revision),
    })),
  })
  return {
    revision: async () => outer(await store.revision()),
    get: (key, options) => store.get(key, at(options)).then(optional, rethrow),
    list: (prefix, options) => {
      const mapped = (result: ListResult) => ({ ...result, entries: result.entries.map(entryOf), revision: outer(result.revision) })
      return store.list(prefix, at(options)).then(mapped, rethrow)
    },
    commit: async (changes) => {
      const result = await store.commit(changes.map((change) => (change.expect ? { ...change, expect: inner(change.expect) } : change)))
      if (result.ok) return { ok: true, revision: outer(result.revision) }
      return {
        ok: false,
        revision: outer(result.revision),
        conflicts: new Map([...result.conflicts].map(([key, entry]) => [key, optional(entry)])),
      }
    },
    watch(prefix, options) {
      const reader = store.watch(prefix, { ...options, after: inner(options.after) })[Symbol.asyncIterator]()
      const next = () =>
        reader.next().then((result) => (result.done ? result : { done: false as const, value: batchOf(result.value) }), rethrow)
      const leave = async () => {
        await reader.return?.()
        return { done: true as const, value: undefined }
      }
      return { [Symbol.asyncIterator]: () => ({ next, return: leave }) }
    },
    deadlines: () => store.deadlines(),
    compact: (revision) => store.compact(inner(revision)).catch(rethrow),
    healthy: () => store.healthy(),
    metrics: (): StoreMetrics => {
      const metrics = store.metrics()
      return { ...metrics, revision: outer(metrics.revision), compactedRevision: Math.max(0, outer(metrics.compactedRevision)) }
    },
    close: () => store.close(),
  }
}
