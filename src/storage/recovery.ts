import fs from 'node:fs'
import path from 'node:path'
import type { Log } from '../host/log.ts'
import { DamagedStoreError, type FileContents, holdsRecords, readFrames } from './frame-reader.ts'
import type { FileKind, Frame } from './frames.ts'
import type { HistoryLimits, Versions } from './versions.ts'

/** `log-0000000000000042`: names sort by revision. */
export function fileName(kind: FileKind, revision: number): string {
  return `${kind}-${String(revision).padStart(16, '0')}`
}

export interface Recovered {
  /** The log to go on writing; undefined: there is none yet. */
  readonly log: (FileContents & { readonly path: string }) | undefined
  readonly snapshot: { readonly path: string; readonly bytes: number } | undefined
  /** Older logs that follow the snapshot: a snapshot begun later was never finished. */
  readonly olderLogs: readonly { readonly path: string; readonly bytes: number }[]
  /** Of no use any more: unfinished snapshots, and what a newer snapshot covers. */
  readonly leftovers: readonly string[]
}

interface Found {
  readonly path: string
  readonly revision: number
}

/** Brings `versions` to the state that the folder holds. Changes nothing on the disk. */
export function recover(directory: string, versions: Versions, options: { limits: HistoryLimits; nowMs: number; log: Log }): Recovered {
  const names = fs.readdirSync(directory)
  const snapshots = filesOf(directory, names, 'snapshot')
  const snapshot = snapshots.at(-1)
  const base = snapshot?.revision ?? 0
  const logs = filesOf(directory, names, 'log').filter((file) => file.revision >= base)
  const leftovers = [
    ...names.filter((name) => name.endsWith('.tmp')).map((name) => path.join(directory, name)),
    ...snapshots.slice(0, -1).map((file) => file.path),
    ...filesOf(directory, names, 'log')
      .filter((file) => file.revision < base)
      .map((file) => file.path),
  ]
  const snapshotBytes = snapshot ? readSnapshot(snapshot, versions) : 0
  if (snapshot && logs[0]?.revision !== base) {
    throw new DamagedStoreError(path.join(directory, fileName('log', base)), `it is missing, though ${snapshot.path} needs it`)
  }
  const contents = logs.flatMap((file, i) => {
    const isNewest = i === logs.length - 1
    // A log without a record that the one before it has gone past: its place in the folder failed to become safe.
    if (!holdsRecords(file.path) && !(isNewest && file.revision === versions.revision)) {
      leftovers.push(file.path)
      return []
    }
    const mayBeTorn = logs.slice(i + 1).every((later) => !holdsRecords(later.path))
    return [{ path: file.path, ...readLog(file, mayBeTorn, versions, options) }]
  })
  const newest = contents.at(-1)
  if (newest?.isTorn) {
    options.log.warn('the last write before a crash was not whole and had not been acknowledged: left out', {
      file: newest.path,
      after: newest.goodBytes,
    })
  }
  return {
    log: newest,
    snapshot: snapshot && { path: snapshot.path, bytes: snapshotBytes },
    olderLogs: contents.slice(0, -1).map(({ path, goodBytes }) => ({ path, bytes: goodBytes })),
    leftovers,
  }
}

function filesOf(directory: string, names: readonly string[], kind: FileKind): Found[] {
  return names
    .filter((name) => new RegExp(`^${kind}-\\d{16}$`).test(name))
    .sort()
    .map((name) => ({ path: path.join(directory, name), revision: Number(name.slice(-16)) }))
}

function readSnapshot(file: Found, versions: Versions): number {
  let count = 0
  let end: number | undefined
  const { revision, bytes } = readFrames(file.path, 'snapshot', false, (frame) => {
    if (frame.type === 'end') end = frame.count
    if (frame.type !== 'entries') return
    for (const { entry, expiresAtMs } of frame.entries) versions.restore(entry, expiresAtMs)
    count += frame.entries.length
  })
  if (revision !== file.revision) throw new DamagedStoreError(file.path, `it holds revision ${revision}, not the one in its name`)
  if (end !== count) throw new DamagedStoreError(file.path, `it ends early, after ${count} entries`)
  versions.restored(revision)
  return bytes
}

function readLog(
  file: Found,
  mayBeTorn: boolean,
  versions: Versions,
  { limits, nowMs }: { limits: HistoryLimits; nowMs: number },
): FileContents {
  const follows = (revision: number): void => {
    if (revision !== versions.revision)
      throw new DamagedStoreError(file.path, `it goes on after revision ${revision}, but what comes before it ends at ${versions.revision}`)
  }
  follows(file.revision)
  const apply = (frame: Frame): void => {
    if (frame.type === 'compacted') versions.compact(frame.revision)
    if (frame.type !== 'commits') return
    follows(frame.firstRevision - 1)
    for (const changes of frame.commits) versions.apply(changes, nowMs)
    versions.compact(versions.surplus(limits, nowMs))
  }
  const contents = readFrames(file.path, 'log', mayBeTorn, apply)
  if (contents.revision !== file.revision)
    throw new DamagedStoreError(file.path, `it begins at revision ${contents.revision}, not the one in its name`)
  return contents
}
