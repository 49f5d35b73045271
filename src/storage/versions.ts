import { Expiries } from './expiries.ts'
import { compareKeys, OrderedRecords } from './ordered-records.ts'
import {
  type Change,
  CompactedError,
  type Entry,
  FutureRevisionError,
  type ListOptions,
  type ListResult,
  type StoreEvent,
  type WatchBatch,
} from './store.ts'

/** What a key held at one time. A deletion is a version without an entry. */
interface Version {
  readonly revision: number
  readonly entry: Entry | undefined
}

interface KeyRecord extends Version {
  readonly key: string
  revision: number
  entry: Entry | undefined
  /** Superseded versions that history still needs, oldest first. */
  older: Version[] | undefined
}

/** A change whose time to live has become a time: what is logged and applied. */
export interface DatedChange {
  readonly key: string
  readonly value: Uint8Array | undefined
  /** Milliseconds since the epoch at which the value goes by itself; undefined: it stays. */
  readonly expiresAtMs?: number
}

/** How much history is kept by itself; the newest values always stay. */
export interface HistoryLimits {
  readonly revisions: number
  /** Keys and values of the events in history. */
  readonly bytes: number
  readonly ageMs: number
}

/**
 * Every version of every key since the last compaction, in memory, and the changes in the order they were made.
 * Knows nothing of durability or of watchers: a back end decides when a commit takes place, then applies it here.
 */
export class Versions {
  readonly #records = new Map<string, KeyRecord>()
  readonly #ordered = new OrderedRecords<KeyRecord>()
  readonly expiries = new Expiries()
  /** The commits after #compacted: the one with revision r is at #first + r - #compacted - 1. */
  #history: Commit[] = []
  #first = 0
  #revision = 0
  #compacted = 0
  #live = 0
  #liveBytes = 0
  #historyBytes = 0

  get revision(): number {
    return this.#revision
  }
  /** The oldest revision that can be read; watches may begin after it. */
  get compactedRevision(): number {
    return this.#compacted
  }
  get keys(): number {
    return this.#live
  }
  /** Bytes of keys and values, history included; the index's own share is not counted. */
  get bytes(): number {
    return this.#liveBytes + this.#historyBytes
  }
  /** Bytes of the newest values and their keys. */
  get liveBytes(): number {
    return this.#liveBytes
  }

  current(key: string): Entry | undefined {
    return this.#records.get(key)?.entry
  }

  get(key: string, revision = this.#revision): Entry | undefined {
    this.#mustBeReadable(revision)
    const record = this.#records.get(key)
    return record && versionAt(record, revision)
  }

  list(prefix: string, options: ListOptions = {}): ListResult {
    const revision = options.revision ?? this.#revision
    this.#mustBeReadable(revision)
    const { after, limit = Number.POSITIVE_INFINITY } = options
    const entries: Entry[] = []
    let remaining = 0
    this.#ordered.visitFrom(after !== undefined && compareKeys(after, prefix) > 0 ? after : prefix, (record) => {
      if (!record.key.startsWith(prefix)) return false
      if (record.key === after) return true
      const entry = versionAt(record, revision)
      if (!entry) return true
      if (entries.length < limit) entries.push(entry)
      else remaining++
      return true
    })
    return { entries, revision, more: remaining > 0, remaining }
  }

  /** Entries at a revision in order, those after `after`, up to about `maxBytes`; at least one if there is any. */
  entriesAt(revision: number, after: string | undefined, maxBytes: number): Entry[] {
    this.#mustBeReadable(revision)
    const entries: Entry[] = []
    let bytes = 0
    this.#ordered.visitFrom(after ?? '', (record) => {
      const entry = record.key === after ? undefined : versionAt(record, revision)
      if (!entry) return true
      entries.push(entry)
      bytes += sizeOf(entry)
      return bytes < maxBytes
    })
    return entries
  }

  /** Puts a key that a snapshot held, before any commit is applied. */
  restore(entry: Entry, expiresAtMs: number | undefined): void {
    this.expiries.set(entry.key, expiresAtMs)
    this.#add({ key: entry.key, revision: entry.modRevision, entry, older: undefined })
    this.#live++
    this.#liveBytes += sizeOf(entry)
  }

  /** History begins at `revision`: what {@link restore} put is the state at it. */
  restored(revision: number): void {
    this.#revision = revision
    this.#compacted = revision
  }

  /** Applies a commit as the next revision. Its expectations have been checked; `changes` must change something. */
  apply(changes: readonly DatedChange[], atMs: number): WatchBatch {
    const revision = ++this.#revision
    const events: StoreEvent[] = []
    let bytes = 0
    for (const change of changes) {
      const event = this.#put(change, revision)
      if (!event) continue
      events.push(event)
      bytes += event.previous ? sizeOf(event.previous) : event.key.length
    }
    this.#historyBytes += bytes
    const batch = { events, revision }
    this.#history.push({ batch, bytes, atMs })
    return batch
  }

  #put(change: DatedChange, revision: number): StoreEvent | undefined {
    const { key, value } = change
    this.expiries.set(key, change.expiresAtMs)
    const record = this.#records.get(key)
    const previous = record?.entry
    if (!value && !previous) return undefined
    const entry = value && { key, value, createRevision: previous?.createRevision ?? revision, modRevision: revision }
    if (!record) this.#add({ key, revision, entry, older: undefined })
    else {
      record.older ??= []
      record.older.push({ revision: record.revision, entry: record.entry })
      record.revision = revision
      record.entry = entry
    }
    this.#live += (entry ? 1 : 0) - (previous ? 1 : 0)
    this.#liveBytes += (entry ? sizeOf(entry) : 0) - (previous ? sizeOf(previous) : 0)
    return { type: entry ? 'put' : 'delete', key, entry, previous, revision }
  }

  #add(record: KeyRecord): void {
    this.#records.set(record.key, record)
    this.#ordered.insert(record)
  }

  /** The batches under `prefix` after a revision, oldest first. */
  changesAfter(prefix: string, after: number): WatchBatch[] {
    if (after < this.#compacted) throw new CompactedError(after, this.#compacted)
    const found: WatchBatch[] = []
    for (let i = this.#first + after - this.#compacted; i < this.#history.length; i++) {
      const batch = under(prefix, this.#history[i]!.batch)
      if (batch) found.push(batch)
    }
    return found
  }

  /** Forgets history up to and including `revision`; costs as much as there are changes to forget. */
  compact(revision: number): void {
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision)
    while (this.#compacted < revision) {
      const commit = this.#history[this.#first]!
      this.#history[this.#first++] = emptyCommit
      this.#compacted++
      this.#historyBytes -= commit.bytes
      for (const event of commit.batch.events) this.#forget(event.key, this.#compacted)
    }
    if (this.#first > 1024 && this.#first * 2 > this.#history.length) {
      this.#history = this.#history.slice(this.#first)
      this.#first = 0
    }
  }

  #forget(key: string, revision: number): void {
    const record = this.#records.get(key)
    if (!record) return
    if (record.revision <= revision) {
      record.older = undefined
      if (record.entry) return
      this.#records.delete(key)
      this.#ordered.remove(key)
      return
    }
    // Reads at `revision` itself still need the newest version that is not after it.
    const older = record.older ?? []
    let kept = 0
    while (kept + 1 < older.length && older[kept + 1]!.revision <= revision) kept++
    if (kept > 0) older.splice(0, kept)
    if (older[0] && older[0].revision <= revision && !older[0].entry) older.shift()
  }

  /** The revision up to which history is more than `limits` allow; `keptFrom` and what follows it is needed in any case. */
  surplus(limits: HistoryLimits, nowMs: number, keptFrom = Number.POSITIVE_INFINITY): number {
    let revision = this.#compacted
    let bytes = this.#historyBytes
    const newest = Math.min(this.#revision, keptFrom)
    while (revision < newest) {
      const oldest = this.#history[this.#first + revision - this.#compacted]!
      const withinLimits = this.#revision - revision <= limits.revisions && bytes <= limits.bytes && nowMs - oldest.atMs <= limits.ageMs
      if (withinLimits) break
      bytes -= oldest.bytes
      revision++
    }
    return revision
  }

  #mustBeReadable(revision: number): void {
    if (revision < this.#compacted) throw new CompactedError(revision, this.#compacted)
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision)
  }
}

interface Commit {
  readonly batch: WatchBatch
  readonly bytes: number
  readonly atMs: number
}
const emptyCommit: Commit = { batch: { events: [], revision: 0 }, bytes: 0, atMs: 0 }

function versionAt(record: KeyRecord, revision: number): Entry | undefined {
  if (record.revision <= revision) return record.entry
  const older = record.older ?? []
  for (let i = older.length - 1; i >= 0; i--) if (older[i]!.revision <= revision) return older[i]!.entry
  return undefined
}

function sizeOf(entry: Entry): number {
  return entry.key.length + entry.value.byteLength
}

/** The part of a batch under a prefix; the batch itself where all of it is. */
export function under(prefix: string, batch: WatchBatch): WatchBatch | undefined {
  const events = batch.events.filter((event) => event.key.startsWith(prefix))
  if (events.length === 0) return undefined
  return events.length === batch.events.length ? batch : { events, revision: batch.revision }
}

/** The changes of a commit whose expectation does not hold, with what is there instead; undefined: all hold. */
export function conflictsOf(
  changes: readonly Change[],
  current: (key: string) => Entry | undefined,
): Map<string, Entry | undefined> | undefined {
  let conflicts: Map<string, Entry | undefined> | undefined
  for (const { key, expect } of changes) {
    if (expect === undefined) continue
    const entry = current(key)
    if ((entry?.modRevision ?? 0) === expect) continue
    conflicts ??= new Map()
    conflicts.set(key, entry)
  }
  return conflicts
}

/** Whether a commit would change anything: deleting what isn't there does not. */
export function changesAnything(changes: readonly Change[], current: (key: string) => Entry | undefined): boolean {
  return changes.some(({ key, value }) => value !== undefined || current(key) !== undefined)
}

/** A commit names each key once, a key is not empty, and only a value can have a time to live. */
export function checkChanges(changes: readonly Change[]): void {
  const seen = new Set<string>()
  for (const { key, value, ttlSeconds } of changes) {
    if (key === '') throw new RangeError('a key is empty')
    if (seen.has(key)) throw new RangeError(`key ${key} is named twice in one commit`)
    seen.add(key)
    if (ttlSeconds === undefined) continue
    if (!value) throw new RangeError(`the deletion of ${key} has a time to live`)
    if (!(ttlSeconds > 0 && ttlSeconds < Number.POSITIVE_INFINITY)) throw new RangeError(`${ttlSeconds} s is no time to live for ${key}`)
  }
}

/** Changes with their deadlines; themselves where none has one. */
export function datedChanges(changes: readonly Change[], nowMs: number): readonly DatedChange[] {
  if (changes.every(({ ttlSeconds }) => ttlSeconds === undefined)) return changes
  return changes.map(({ key, value, ttlSeconds }) =>
    ttlSeconds === undefined ? { key, value } : { key, value, expiresAtMs: nowMs + ttlSeconds * 1000 },
  )
}

/** Deletions of keys whose time is over; `skip` says which are being changed already. */
export function expiryOf(versions: Versions, nowMs: number, skip: (key: string) => boolean): readonly DatedChange[] {
  const changes: DatedChange[] = []
  for (const key of versions.expiries.due(nowMs, maxExpiredAtOnce)) if (!skip(key)) changes.push({ key, value: undefined })
  return changes
}

const maxExpiredAtOnce = 1000
