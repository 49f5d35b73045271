import path from 'node:path'
import type { Disk } from './disk.ts'
import { encodeFrame, preamble, type SnapshotEntry } from './frames.ts'
import { fileName } from './recovery.ts'
import type { Entry } from './store.ts'
import type { Versions } from './versions.ts'

/** Small frames, so that values that stay in use after a load hold on to little else. */
const frameBytes = 64 << 10
/** Brought to the disk so often: a large flush at the end would hold up every commit behind it. */
const syncBytes = 1 << 20
/** For each millisecond of work, so many of rest. History cannot be forgotten meanwhile: much slower would cost memory. */
const restFactor = 1

/**
 * Writes the state at `revision`, which must stay readable meanwhile, while commits go on: each frame is its own step.
 * The file takes its name only once it is whole and safe. Answers its size in bytes.
 * `rest` leaves the disk to others for so many milliseconds; `monotonic` tells how long it was in use.
 */
export async function writeSnapshot(
  disk: Disk,
  directory: string,
  versions: Versions,
  revision: number,
  pace: { rest: (milliseconds: number) => Promise<void>; monotonic: () => number },
): Promise<{ path: string; bytes: number }> {
  const finalPath = path.join(directory, fileName('snapshot', revision))
  const temporary = temporarySnapshot(directory, revision)
  const file = await disk.create(temporary, { durable: false })
  let bytes = 0
  let synced = 0
  let begunMs = pace.monotonic()
  const put = async (part: Uint8Array): Promise<void> => {
    await file.write(part, bytes)
    bytes += part.byteLength
    if (bytes - synced < syncBytes) return
    await file.sync()
    synced = bytes
    await pace.rest((pace.monotonic() - begunMs) * restFactor)
    begunMs = pace.monotonic()
  }
  try {
    await put(preamble('snapshot', revision))
    let count = 0
    let entries = versions.entriesAt(revision, undefined, frameBytes)
    while (entries.length > 0) {
      await put(encodeFrame({ type: 'entries', entries: entries.map((entry) => datedEntry(entry, versions)) }))
      count += entries.length
      entries = versions.entriesAt(revision, entries.at(-1)!.key, frameBytes)
    }
    await put(encodeFrame({ type: 'end', count }))
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(temporary, finalPath)
  await disk.syncDirectory(directory)
  return { path: finalPath, bytes }
}

/** A key's deadline may have changed since the snapshot's revision: then the log, which is read after it, says so again. */
function datedEntry(entry: Entry, versions: Versions): SnapshotEntry {
  return { entry, expiresAtMs: versions.expiries.deadlineOf(entry.key) }
}

/** Where a snapshot stands until it is whole. */
export function temporarySnapshot(directory: string, revision: number): string {
  return path.join(directory, `${fileName('snapshot', revision)}.tmp`)
}
