import fs from 'node:fs'
import path from 'node:path'
import type { Log } from '../host/log.ts'
import { type Backup, holdsData } from './backup.ts'
import { systemDisk } from './disk.ts'
import { lockFolder } from './folder-lock.ts'
import { DamagedStoreError, OtherFormatError, UnreadableStoreError } from './frame-reader.ts'
import type { SnapshotEntry } from './frames.ts'
import { LogWriter } from './log-writer.ts'
import { fileName, recover } from './recovery.ts'
import { batchesOf, unhurried, writeSnapshot } from './snapshot-writer.ts'
import type { Change, Store } from './store.ts'
import { Versions } from './versions.ts'

/** There is something that a restore would replace, and nobody said that it may. */
export class WouldOverwriteError extends Error {
  constructor(what: string) {
    super(`${what} holds data, which a restore replaces: say --overwrite if that is what you want`)
    this.name = 'WouldOverwriteError'
  }
}

/**
 * Revisions after a restore begin so far ahead of all before it: what anybody learnt of the time that the restore takes back
 * is compacted history then, so that everyone who watches lists anew, and no revision ever means two things.
 */
const revisionLeap = 1_000_000_000

/**
 * Makes a backup the state of a file store's folder that no process has open. The new snapshot counts from the moment that it
 * takes its name; until then the folder is as it was. The next opening removes what was there before.
 */
export async function restoreFolder(
  directory: string,
  backup: Backup,
  options: { overwrite: boolean; nowMs: number; log: Log },
): Promise<{ revision: number }> {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  const lock = lockFolder(directory)
  try {
    if (holdsData(directory) && !options.overwrite) throw new WouldOverwriteError(directory)
    const revision = Math.max(backup.revision, newestRevisionIn(directory, options.log)) + revisionLeap
    const log = await LogWriter.create(systemDisk, directory, revision)
    await log.close()
    const batches = batchesOf(backup.entries.filter((entry) => isAlive(entry, options.nowMs)))
    await writeSnapshot(systemDisk, path.join(directory, fileName('snapshot', revision)), { revision, batches }, unhurried)
    await systemDisk.syncDirectory(path.dirname(path.resolve(directory)))
    return { revision }
  } finally {
    lock.release()
  }
}

/** Of a folder that is damaged its file names tell enough: no log grows by as much as the leap. */
function newestRevisionIn(directory: string, log: Log): number {
  const inNames = fs
    .readdirSync(directory)
    .map((name) => Number(/^(?:log|snapshot)-(\d{16})(?:\.tmp)?$/.exec(name)?.[1] ?? 0))
    .reduce((newest, each) => Math.max(newest, each), 0)
  const versions = new Versions()
  try {
    recover(directory, versions, { limits: { revisions: 0, bytes: 0, ageMs: 0 }, nowMs: 0, log })
  } catch (error) {
    const isWhatRestoreIsFor = [DamagedStoreError, OtherFormatError, UnreadableStoreError].some((kind) => error instanceof kind)
    if (!isWhatRestoreIsFor) throw error
  }
  return Math.max(versions.revision, inNames)
}

const isAlive = ({ expiresAtMs }: SnapshotEntry, nowMs: number): boolean => expiresAtMs === undefined || expiresAtMs > nowMs

/**
 * Makes a backup the state of an open store, commit by commit: if it breaks off, do it again. The store's own revisions go on,
 * so that all that anybody knew is of before, and is forgotten.
 */
export async function restoreInto(
  store: Store,
  backup: Backup,
  options: { overwrite: boolean; nowMs: number },
): Promise<{ revision: number }> {
  const present = await store.list('')
  if (present.entries.length > 0 && !options.overwrite) throw new WouldOverwriteError('the store')
  const alive = backup.entries.filter((entry) => isAlive(entry, options.nowMs))
  const kept = new Set(alive.map(({ entry }) => entry.key))
  const changes: Change[] = [
    ...present.entries.filter(({ key }) => !kept.has(key)).map(({ key }) => ({ key, value: undefined, expect: undefined })),
    ...alive.map(({ entry, expiresAtMs }) => ({
      key: entry.key,
      value: entry.value,
      expect: undefined,
      ...(expiresAtMs === undefined ? {} : { ttlSeconds: (expiresAtMs - options.nowMs) / 1000 }),
    })),
  ]
  for (let from = 0; from < changes.length; from += changesEach) await store.commit(changes.slice(from, from + changesEach))
  const revision = await store.revision()
  await store.compact(revision)
  return { revision }
}

/** As many as any back end takes in one commit: etcd's own limit is 128. */
const changesEach = 100
