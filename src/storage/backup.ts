import fs from 'node:fs'
import path from 'node:path'
import type { Log } from '../host/log.ts'
import { systemDisk } from './disk.ts'
import { DamagedStoreError, readFrames } from './frame-reader.ts'
import type { SnapshotEntry } from './frames.ts'
import { recover } from './recovery.ts'
import { batchesAt, batchesOf, unhurried, writeSnapshot } from './snapshot-writer.ts'
import type { Store } from './store.ts'
import { Versions } from './versions.ts'

/** A file that is no backup, or no whole one. Nothing has been changed. */
export class DamagedBackupError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'DamagedBackupError'
  }
}

export interface Backup {
  readonly revision: number
  /** In the order of their keys. */
  readonly entries: readonly SnapshotEntry[]
}

/** All that a store has now, at one revision, as a file: a snapshot, as the file store writes them. Answers what is in it. */
export async function backUpStore(store: Store, file: string): Promise<{ revision: number; keys: number; bytes: number }> {
  const { entries, revision } = await store.list('')
  const deadlines = await store.deadlines()
  const dated = entries.map((entry) => ({ entry, expiresAtMs: deadlines.get(entry.key) }))
  return write(file, revision, batchesOf(dated), entries.length)
}

/**
 * The same of a file store's folder, whether a process has it open or not: nothing in it is changed or locked. Every commit
 * that was acknowledged before the call is in it.
 */
export async function backUpFolder(
  directory: string,
  file: string,
  deps: { log: Log },
): Promise<{ revision: number; keys: number; bytes: number }> {
  const versions = await readWhileInUse(directory, deps.log)
  const { revision, keys } = versions
  return write(file, revision, batchesAt(versions, revision), keys)
}

async function write(
  file: string,
  revision: number,
  batches: Iterable<readonly SnapshotEntry[]>,
  keys: number,
): Promise<{ revision: number; keys: number; bytes: number }> {
  const { bytes } = await writeSnapshot(systemDisk, path.resolve(file), { revision, batches }, unhurried)
  const read = readBackup(file)
  if (read.entries.length !== keys || read.revision !== revision) throw new DamagedBackupError(`${file} does not read as it was written`)
  return { revision, keys, bytes }
}

/** Files come and go under a reader, and a write may be half done: what is damaged stays so. */
async function readWhileInUse(directory: string, log: Log): Promise<Versions> {
  const attempts = 5
  for (let attempt = 1; ; attempt++) {
    const versions = new Versions()
    try {
      recover(directory, versions, { limits: { revisions: 0, bytes: 0, ageMs: 0 }, nowMs: 0, log })
      return versions
    } catch (error) {
      const mayBeInUse = error instanceof DamagedStoreError || (error as NodeJS.ErrnoException).code === 'ENOENT'
      if (!mayBeInUse || attempt === attempts) throw error
    }
  }
}

/** Reads all of a backup and checks all of it. */
export function readBackup(file: string): Backup {
  const entries: SnapshotEntry[] = []
  let end: number | undefined
  try {
    const { revision } = readFrames(file, 'snapshot', false, (frame) => {
      if (frame.type === 'end') end = frame.count
      if (frame.type === 'entries') for (const entry of frame.entries) entries.push(entry)
    })
    if (end === entries.length) return { revision, entries }
  } catch (cause) {
    if (!(cause instanceof DamagedStoreError)) throw cause
    throw new DamagedBackupError(`${file} is no backup that can be relied on: ${cause.reason}. Nothing was changed: use another one`, {
      cause,
    })
  }
  throw new DamagedBackupError(`${file} is no whole backup: it ends after ${entries.length} entries. Nothing was changed: use another one`)
}

/** Whether there is anything in a file store's folder that a restore would replace. */
export function holdsData(directory: string): boolean {
  return fs.existsSync(directory) && fs.readdirSync(directory).some((name) => /^(log|snapshot)-\d{16}$/.test(name))
}
