import path from 'node:path'
import type { Disk } from './disk.ts'
import { encodeFrame, preamble, type SnapshotEntry } from './frames.ts'
import type { Versions } from './versions.ts'

/** Small frames, so that values that stay in use after a load hold on to little else. */
const frameBytes = 64 << 10
/** Brought to the disk so often: a large flush at the end would hold up every commit behind it. */
const syncBytes = 256 << 10
/** For each millisecond of work, so many of rest. History cannot be forgotten meanwhile: much slower would cost memory. */
const restFactor = 1

/** `rest` leaves the disk to others for so many milliseconds; `monotonic` tells how long it was in use. */
export interface Pace {
  readonly rest: (milliseconds: number) => Promise<void>
  readonly monotonic: () => number
}

/** For files that no commit waits behind. */
export const unhurried: Pace = { rest: async () => {}, monotonic: () => 0 }

/**
 * Writes entries, in the order of their keys, as the state at `revision`. They are asked for batch by batch, each written in
 * its own step. The file takes its name only once it is whole and safe. Answers its size in bytes.
 */
export async function writeSnapshot(
  disk: Disk,
  file: string,
  state: { revision: number; batches: Iterable<readonly SnapshotEntry[]> },
  pace: Pace,
): Promise<{ path: string; bytes: number }> {
  const temporary = temporarySnapshot(file)
  const opened = await disk.create(temporary, { durable: false })
  let bytes = 0
  let synced = 0
  let begunMs = pace.monotonic()
  const put = async (part: Uint8Array): Promise<void> => {
    await opened.write(part, bytes)
    bytes += part.byteLength
    if (bytes - synced < syncBytes) return
    await opened.sync()
    synced = bytes
    await pace.rest((pace.monotonic() - begunMs) * restFactor)
    begunMs = pace.monotonic()
  }
  try {
    await put(preamble('snapshot', state.revision))
    let count = 0
    for (const entries of state.batches) {
      await put(encodeFrame({ type: 'entries', entries }))
      count += entries.length
    }
    await put(encodeFrame({ type: 'end', count }))
    await opened.sync()
  } finally {
    await opened.close()
  }
  await disk.rename(temporary, file)
  await disk.syncDirectory(path.dirname(file))
  return { path: file, bytes }
}

/**
 * What a store held at a revision, which must stay readable meanwhile. A key's deadline may have changed since: then the log,
 * which is read after a snapshot, says so again.
 */
export function* batchesAt(versions: Versions, revision: number): Iterable<readonly SnapshotEntry[]> {
  let entries = versions.entriesAt(revision, undefined, frameBytes)
  while (entries.length > 0) {
    yield entries.map((entry) => ({ entry, expiresAtMs: versions.expiries.deadlineOf(entry.key) }))
    entries = versions.entriesAt(revision, entries.at(-1)!.key, frameBytes)
  }
}

/** The same of entries that are at hand. */
export function* batchesOf(entries: readonly SnapshotEntry[]): Iterable<readonly SnapshotEntry[]> {
  let batch: SnapshotEntry[] = []
  let bytes = 0
  for (const dated of entries) {
    batch.push(dated)
    bytes += dated.entry.key.length + dated.entry.value.byteLength
    if (bytes < frameBytes) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

/** Where a snapshot stands until it is whole. */
export function temporarySnapshot(file: string): string {
  return `${file}.tmp`
}
