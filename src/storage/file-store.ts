import fs from 'node:fs'
import path from 'node:path'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import { type Disk, systemDisk } from './disk.ts'
import { ExpiryTimer } from './expiries.ts'
import { lockFolder } from './folder-lock.ts'
import { encodeFrame } from './frames.ts'
import { type Group, planGroup, type Request } from './group-commit.ts'
import { StoreLatency } from './latency.ts'
import { LogWriter, makeRoom, type Room, roomPath } from './log-writer.ts'
import { failing, watchVersions } from './memory-store.ts'
import { fileName, type Recovered, recover } from './recovery.ts'
import { batchesAt, temporarySnapshot, writeSnapshot } from './snapshot-writer.ts'
import {
  type Change,
  type CommitResult,
  type Entry,
  type ListOptions,
  type ListResult,
  type Store,
  StoreClosedError,
  type StoreMetrics,
  UnavailableError,
  type WatchBatch,
  type WatchOptions,
} from './store.ts'
import { checkChanges, type HistoryLimits, Versions } from './versions.ts'
import { WatchHub } from './watch-hub.ts'

export interface FileStoreDeps {
  readonly clock: Clock
  readonly log: Log
  readonly disk?: Disk
}

export interface FileStoreOptions {
  readonly history?: HistoryLimits
  /** Events that may wait for one watcher. */
  readonly watchBacklog?: number
  /** A snapshot replaces the log once that is this long, and as long as the last snapshot. */
  readonly snapshotAfterBytes?: number
}

/** Watch caches need little: what happened while a watch reconnects, and lists that are read page by page. */
const defaultHistory: HistoryLimits = { revisions: 10_000, bytes: 32 << 20, ageMs: 5 * 60_000 }

/**
 * Opens the store in a folder, or begins one there. Rejects when another process has it open, and with a
 * DamagedStoreError when its files cannot be trusted.
 */
export async function openFileStore(directory: string, deps: FileStoreDeps, options: FileStoreOptions = {}): Promise<Store> {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  const lock = lockFolder(directory)
  const settings: Settings = {
    directory: path.resolve(directory),
    clock: deps.clock,
    log: deps.log.named('storage'),
    disk: deps.disk ?? systemDisk,
    history: options.history ?? defaultHistory,
    watchBacklog: options.watchBacklog ?? 10_000,
    snapshotAfterBytes: options.snapshotAfterBytes ?? 16 << 20,
  }
  try {
    const versions = new Versions()
    const recovered = recover(settings.directory, versions, {
      limits: settings.history,
      nowMs: deps.clock.monotonic(),
      log: settings.log,
    })
    for (const leftover of recovered.leftovers) await settings.disk.remove(leftover)
    const { disk } = settings
    const log = recovered.log
      ? await LogWriter.resume(disk, recovered.log)
      : await LogWriter.create(disk, settings.directory, versions.revision)
    if (versions.revision === 0) await disk.syncDirectory(path.dirname(settings.directory))
    return new FileStore(settings, versions, log, recovered, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

interface Settings extends Required<FileStoreDeps> {
  readonly directory: string
  readonly history: HistoryLimits
  readonly watchBacklog: number
  readonly snapshotAfterBytes: number
}

interface OnDisk {
  readonly path: string
  readonly bytes: number
}

/**
 * All versions in memory, every commit in a log on disk first. Requests that come while a write is under way wait and go
 * out together as the next one; readers see a commit once it is safe, never earlier.
 */
class FileStore implements Store {
  readonly #settings: Settings
  readonly #versions: Versions
  readonly #hub: WatchHub
  readonly #lock: { release(): void }
  readonly #timer: ExpiryTimer
  readonly #latency = new StoreLatency()
  #log: LogWriter
  #snapshot: OnDisk | undefined
  #olderLogs: OnDisk[]
  #queue: Request[] = []
  #turns: (() => Promise<void>)[] = []
  #flushing: Promise<void> | undefined
  #snapshotting: Promise<void> | undefined
  /** History must not be forgotten past this while a snapshot reads it. */
  #pinned = Number.POSITIVE_INFINITY
  /** Log length at which a snapshot is tried again after one has failed. */
  #retryAt = 0
  #closing: Promise<void> | undefined
  /** Aborted when somebody waits for the snapshot that is being written. */
  #hurry = new AbortController()
  #commits = 0
  #fsyncs = 0

  constructor(settings: Settings, versions: Versions, log: LogWriter, recovered: Recovered, lock: { release(): void }) {
    this.#settings = settings
    this.#versions = versions
    this.#hub = new WatchHub({
      backlogLimit: settings.watchBacklog,
      monotonic: () => settings.clock.monotonic(),
      delivery: this.#latency.watchDelivery,
    })
    this.#timer = new ExpiryTimer(versions.expiries, settings.clock, () => this.#expire())
    this.#lock = lock
    this.#log = log
    this.#snapshot = recovered.snapshot
    this.#olderLogs = [...recovered.olderLogs]
    this.#timer.arm()
  }

  async revision(): Promise<number> {
    this.#mustBeOpen()
    return this.#versions.revision
  }

  async get(key: string, options: { revision?: number } = {}): Promise<Entry | undefined> {
    this.#mustBeOpen()
    return this.#versions.get(key, options.revision)
  }

  async list(prefix: string, options?: ListOptions): Promise<ListResult> {
    this.#mustBeOpen()
    const begun = this.#settings.clock.monotonic()
    const found = this.#versions.list(prefix, options)
    this.#latency.list.observe(this.#settings.clock.monotonic() - begun)
    return found
  }

  async commit(changes: readonly Change[]): Promise<CommitResult> {
    this.#mustBeOpen()
    checkChanges(changes)
    const { clock } = this.#settings
    const begun = clock.monotonic()
    try {
      return await this.#enqueue<CommitResult>((resolve, reject) => ({ type: 'commit', changes, resolve, reject }))
    } finally {
      this.#latency.commit.observe(clock.monotonic() - begun)
    }
  }

  #expire(): void {
    const expired = this.#enqueue<void>((resolve, reject) => ({ type: 'expire', resolve, reject }))
    // The timer asks again; that the disk takes no writes has been logged.
    expired.catch(() => undefined)
  }

  watch(prefix: string, options: WatchOptions): AsyncIterable<WatchBatch> {
    if (this.#closing) return failing(new StoreClosedError())
    return watchVersions(this.#versions, this.#hub, prefix, options)
  }

  async deadlines(): Promise<ReadonlyMap<string, number>> {
    this.#mustBeOpen()
    return this.#versions.expiries.all()
  }

  async compact(revision: number): Promise<void> {
    this.#mustBeOpen()
    // A snapshot that begins in between holds history back: then once more after it.
    do {
      await this.#snapshotEnded()
      await this.#enqueue<void>((resolve, reject) => ({ type: 'compact', revision, resolve, reject }))
    } while (this.#versions.compactedRevision < revision && !this.#closing)
  }

  async healthy(): Promise<void> {
    this.#mustBeOpen()
    if (this.#log.failure) await this.#enqueue<void>((resolve, reject) => ({ type: 'probe', resolve, reject }))
  }

  metrics(): StoreMetrics {
    const { keys, bytes, revision, compactedRevision } = this.#versions
    const older = this.#olderLogs.reduce((sum, file) => sum + file.bytes, 0)
    const bytesOnDisk = older + (this.#snapshot?.bytes ?? 0) + this.#log.size
    const counted = { commits: this.#commits, fsyncs: this.#fsyncs, latency: this.#latency.reading() }
    return { keys, bytesInMemory: bytes, bytesOnDisk, revision, compactedRevision, ...counted }
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#timer.stop()
      await this.#flushing
      await this.#snapshotEnded()
      this.#hub.close()
      await this.#log.close()
      this.#lock.release()
    })()
    return this.#closing
  }

  /** A snapshot goes on in small steps, with rests between them, unless it is waited for. */
  readonly #pace = {
    monotonic: () => this.#settings.clock.monotonic(),
    rest: async (milliseconds: number): Promise<void> => {
      const { signal } = this.#hurry
      await this.#settings.clock.sleep(milliseconds, signal).catch((error) => {
        if (!signal.aborted) throw error
      })
    },
  }

  async #snapshotEnded(): Promise<void> {
    this.#hurry.abort()
    await this.#snapshotting
    this.#hurry = new AbortController()
  }

  #mustBeOpen(): void {
    if (this.#closing) throw new StoreClosedError()
  }

  #enqueue<T>(request: (resolve: (value: T) => void, reject: (error: Error) => void) => Request): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push(request(resolve, reject))
      this.#flushing ??= this.#flush()
    })
  }

  /** Runs between two groups of commits: those that come meanwhile wait. */
  #between<T>(turn: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#turns.push(() => turn().then(resolve, reject))
      this.#flushing ??= this.#flush()
    })
  }

  /** Writes group after group until nothing waits. Never rejects: each request has its own answer. */
  async #flush(): Promise<void> {
    await null // what is asked for in the same turn goes into the first group
    while (this.#queue.length > 0 || this.#turns.length > 0) {
      for (const turn of this.#turns.splice(0)) await turn()
      const group = planGroup(this.#queue, this.#versions, this.#settings.clock.now())
      if (await this.#write(group)) this.#publish(group)
      if (this.#wantsSnapshot()) this.#snapshotting = this.#takeSnapshot()
    }
    this.#flushing = undefined
  }

  async #write(group: Group): Promise<boolean> {
    if (!group.frame) return true
    const { log } = this.#settings
    const wasFailing = this.#log.failure !== undefined
    try {
      await this.#log.append(encodeFrame(group.frame))
      this.#fsyncs++
      if (wasFailing) log.info('writes are taken again', { file: this.#log.path })
      return true
    } catch (cause) {
      if (!wasFailing) log.error('a write failed; nothing of it is kept', { file: this.#log.path, error: cause })
      const error = new UnavailableError(`the store cannot write to ${this.#log.path}: ${(cause as Error).message}`, { cause })
      group.fail(error)
      return false
    }
  }

  #publish(group: Group): void {
    const nowMs = this.#settings.clock.monotonic()
    const batches = group.commits.map((changes) => this.#versions.apply(changes, nowMs))
    this.#commits += batches.length
    this.#hub.publish(batches)
    const surplus = this.#versions.surplus(this.#settings.history, nowMs, this.#pinned)
    this.#versions.compact(Math.max(surplus, Math.min(group.compactTo, this.#pinned)))
    group.succeed()
    this.#timer.arm()
  }

  #wantsSnapshot(): boolean {
    if (this.#snapshotting || this.#log.failure) return false
    const logged = this.#logged
    return logged > Math.max(this.#settings.snapshotAfterBytes, this.#snapshot?.bytes ?? 0) && logged > this.#retryAt
  }

  /** Bytes that a snapshot would do without. */
  get #logged(): number {
    return this.#log.length + this.#olderLogs.reduce((sum, file) => sum + file.bytes, 0)
  }

  /** In the background: room for a new log, then commits go on in that, and what came before is written down as a snapshot. */
  async #takeSnapshot(): Promise<void> {
    const { disk, directory, log } = this.#settings
    this.#retryAt = this.#logged + this.#settings.snapshotAfterBytes
    try {
      const room = await makeRoom(disk, directory, this.#log.roomForNext)
      const previous = await this.#between(() => this.#beginLog(room))
      await previous.close().catch((error) => log.warn('a log that is done with could not be closed', { file: previous.path, error }))
      await this.#writeSnapshot([...this.#olderLogs])
    } catch (error) {
      log.warn('no new log could be begun', { error, goesOnIn: this.#log.path })
      await removeAll(disk, [roomPath(directory)], log) // what a full disk needs least
    } finally {
      this.#pinned = Number.POSITIVE_INFINITY
      this.#snapshotting = undefined
    }
  }

  /** Answers the log that is done with. */
  async #beginLog(room: Room): Promise<LogWriter> {
    const previous = this.#log
    const { revision } = this.#versions
    this.#log = await LogWriter.begin(room, revision)
    this.#olderLogs.push({ path: previous.path, bytes: previous.length })
    this.#pinned = revision
    return previous
  }

  /** Never rejects: without it the logs before stay. */
  async #writeSnapshot(covered: OnDisk[]): Promise<void> {
    const { disk, directory, log, clock } = this.#settings
    const begun = clock.monotonic()
    const revision = this.#pinned
    const file = path.join(directory, fileName('snapshot', revision))
    try {
      const snapshot = await writeSnapshot(disk, file, { revision, batches: batchesAt(this.#versions, revision) }, this.#pace)
      const obsolete = [...covered.map((file) => file.path), ...(this.#snapshot ? [this.#snapshot.path] : [])]
      this.#snapshot = snapshot
      this.#olderLogs = this.#olderLogs.filter((file) => !covered.includes(file))
      this.#retryAt = 0
      log.debug('snapshot written', { revision, bytes: snapshot.bytes, milliseconds: Math.round(clock.monotonic() - begun) })
      await removeAll(disk, obsolete, log)
    } catch (error) {
      log.warn('no snapshot could be written; the log grows on', { error })
      await removeAll(disk, [temporarySnapshot(file)], log) // what a full disk needs least
    }
  }
}

/** What cannot be removed now is removed when the folder is next opened. */
async function removeAll(disk: Disk, files: readonly string[], log: Log): Promise<void> {
  for (const file of files)
    try {
      await disk.remove(file)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.warn('a file of no more use could not be removed', { file, error })
    }
}
