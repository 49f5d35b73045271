import type { Clock } from '../../host/clock.ts'
import { GrpcError } from '../../host/grpc.ts'
import type { Log } from '../../host/log.ts'
import { decode, encode } from '../../machinery/protobuf.ts'
import { CompactedError, StoreClosedError, type StoreEvent, UnavailableError, type WatchBatch } from '../store.ts'
import { onlyWithLeader } from './etcd-calls.ts'
import type { EtcdEndpoints } from './etcd-endpoints.ts'
import { type Event, EventType, watch } from './etcd-messages.ts'
import type { KeyLayout } from './key-layout.ts'

export interface FeedDeps {
  readonly endpoints: EtcdEndpoints
  readonly layout: KeyLayout
  readonly clock: Clock
  readonly log: Log
}

/** `previous`: etcd tells what each key held before as well. */
export interface FeedOptions {
  readonly previous: boolean
  readonly signal: AbortSignal
}

const retryAfterMs = 100
const connectPatienceMs = 10_000

/**
 * Every revision after `after` in which something of ours changed, in order, each once, whatever becomes of members and connections: a
 * stream that breaks is taken up at another member where it broke off. Ends with the signal. Throws {@link CompactedError} when what
 * follows has been forgotten meanwhile.
 */
export async function* changesAfter(after: number, deps: FeedDeps, options: FeedOptions): AsyncGenerator<WatchBatch> {
  const { endpoints, clock, log } = deps
  const { signal } = options
  for (let seen = after; !signal.aborted; ) {
    let member: Awaited<ReturnType<EtcdEndpoints['current']>> | undefined
    try {
      member = await endpoints.current(clock.monotonic() + connectPatienceMs)
      for await (const batch of streamAfter(seen, member, deps, options)) {
        seen = batch.revision
        yield batch
      }
    } catch (error) {
      if (signal.aborted || error instanceof StoreClosedError) return
      if (error instanceof CompactedError) throw error
      if (!(error instanceof GrpcError || error instanceof UnavailableError)) throw error
      log.warn('the watch of etcd broke off; taking it up again', { after: seen, error })
      if (member) endpoints.leave(member, error)
      await clock.sleep(retryAfterMs, signal).catch(() => {}) // aborted: the loop ends
    }
  }
}

/** One stream at one member. Ends quietly when calls have begun to go to another. */
async function* streamAfter(
  after: number,
  { channel, left }: { channel: Awaited<ReturnType<EtcdEndpoints['current']>>['channel']; left: AbortSignal },
  { layout }: FeedDeps,
  { previous, signal }: FeedOptions,
): AsyncGenerator<WatchBatch> {
  // From `after` itself, which is left out below: so etcd refuses just when that revision is gone, as the contract wants it.
  const create = { ...layout.everything, startRevision: Math.max(1, after), prevKv: previous }
  const stop = AbortSignal.any([signal, left])
  const stream = channel.stream(watch.path, keptOpen(encode(watch.question, { create }), stop), { signal: stop, metadata: onlyWithLeader })
  for await (const message of stream) {
    const { canceled, compactRevision, cancelReason, events } = decode(watch.answer, message)
    if (compactRevision > 0) throw new CompactedError(after, compactRevision)
    if (canceled) throw new GrpcError('Unavailable', `the watch was cancelled: ${cancelReason || 'no reason given'}`)
    for (let i = 0; i < events.length; ) {
      const revision = revisionOf(events[i] as Event)
      const begin = i
      while (i < events.length && revisionOf(events[i] as Event) === revision) i++
      if (revision > after) yield { revision, events: storeEvents(events.slice(begin, i), layout, previous) }
    }
  }
}

/** etcd ends a watch whose request side has ended. */
async function* keptOpen(message: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield message
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

const revisionOf = (event: Event): number => event.kv?.modRevision ?? 0

function storeEvents(events: readonly Event[], layout: KeyLayout, withPrevious: boolean): StoreEvent[] {
  const own: StoreEvent[] = []
  for (const { type, kv, previous } of events) {
    const key = kv && layout.nameOf(kv.key)
    if (!kv || key === undefined) continue
    const revision = kv.modRevision
    const isDelete = type === EventType.delete
    // etcd leaves out a previous value that was compacted before it was sent.
    if (withPrevious && !previous && (isDelete || kv.createRevision !== revision)) throw new CompactedError(revision - 1, revision)
    own.push({
      type: isDelete ? 'delete' : 'put',
      key,
      entry: isDelete ? undefined : layout.entryOf(kv),
      previous: previous && layout.entryOf(previous),
      revision,
    })
  }
  return own
}
