import { crc32 } from 'node:zlib'
import type { Entry } from './store.ts'
import type { DatedChange } from './versions.ts'

/**
 * The file format, little-endian. A file is a preamble and frames; README.md describes it in full.
 *
 *     preamble  "ownkube log 2   " or "ownkube snap 1  " (16 bytes), f64 revision, u32 CRC-32 of these 24 bytes
 *     frame     u32 magic, u32 length of the payload, u32 CRC-32 of the payload, u32 CRC-32 of the 12 bytes before it, payload
 *
 * One frame is one durable write: all commits of a group are in it, so a torn write loses a group whole, none of which
 * had been acknowledged.
 */
export const preambleBytes = 28
export const frameHeaderBytes = 16
const magic = 0x6b6e776f
export const magicBytes = Buffer.from('ownk')
/** Ends every payload: where it is missing, among zeros, the frame was not written whole. */
const lastByte = 0x0a
const deleted = 0xffffffff
/** In the length of a value: when it expires follows it. */
const dated = 0x80000000

export type FileKind = 'log' | 'snapshot'
const titles: Record<FileKind, string> = { log: 'ownkube log 2   ', snapshot: 'ownkube snap 1  ' }

/** `revision`: for a log, the one that its first commit follows; for a snapshot, the one it holds. */
export function preamble(kind: FileKind, revision: number): Buffer {
  const bytes = Buffer.alloc(preambleBytes)
  bytes.write(titles[kind], 'latin1')
  bytes.writeDoubleLE(revision, 16)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 24)), 24)
  return bytes
}

/** The revision in a preamble; undefined if it is not whole. */
export function readPreamble(kind: FileKind, bytes: Buffer): number | undefined {
  if (bytes.length < preambleBytes || bytes.toString('latin1', 0, 16) !== titles[kind]) return undefined
  return bytes.readUInt32LE(24) === crc32(bytes.subarray(0, 24)) ? bytes.readDoubleLE(16) : undefined
}

/** What format a whole preamble tells of, ours or another: `log 1`; undefined if it is none. */
export function formatIn(bytes: Buffer): string | undefined {
  if (bytes.length < preambleBytes || bytes.readUInt32LE(24) !== crc32(bytes.subarray(0, 24))) return undefined
  return /^ownkube ((?:log|snap) \d+) *$/.exec(bytes.toString('latin1', 0, 16))?.[1]
}

/** An entry with the time at which it goes by itself. */
export interface SnapshotEntry {
  readonly entry: Entry
  readonly expiresAtMs: number | undefined
}

/** Payloads: what a frame says. */
export type Frame =
  | { readonly type: 'commits'; readonly firstRevision: number; readonly commits: readonly (readonly DatedChange[])[] }
  | { readonly type: 'compacted'; readonly revision: number }
  /** Written to see whether the disk takes writes. */
  | { readonly type: 'probe' }
  | { readonly type: 'entries'; readonly entries: readonly SnapshotEntry[] }
  /** From here on the file has at least so many bytes: zeros, up to where it is written. */
  | { readonly type: 'room'; readonly bytes: number }
  /** The last frame of a snapshot. */
  | { readonly type: 'end'; readonly count: number }

const codes: Record<Frame['type'], number> = { commits: 1, compacted: 2, probe: 3, entries: 4, end: 5, room: 6 }

/** A frame with its header. */
export function encodeFrame(frame: Frame): Buffer {
  const writer = new Writer(frameHeaderBytes + payloadSize(frame))
  writer.at = frameHeaderBytes
  writer.byte(codes[frame.type])
  if (frame.type === 'commits') {
    writer.number(frame.firstRevision)
    writer.count(frame.commits.length)
    for (const changes of frame.commits) {
      writer.count(changes.length)
      for (const { key, value, expiresAtMs } of changes) {
        writer.text(key)
        writer.value(value, expiresAtMs)
      }
    }
  } else if (frame.type === 'compacted') writer.number(frame.revision)
  else if (frame.type === 'end') writer.number(frame.count)
  else if (frame.type === 'room') writer.number(frame.bytes)
  else if (frame.type === 'entries') {
    writer.count(frame.entries.length)
    for (const { entry, expiresAtMs } of frame.entries) {
      writer.number(entry.createRevision)
      writer.number(entry.modRevision)
      writer.text(entry.key)
      writer.value(entry.value, expiresAtMs)
    }
  }
  writer.byte(lastByte)
  return sealed(writer.bytes.subarray(0, writer.at))
}

function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(magic, 0)
  bytes.writeUInt32LE(bytes.length - frameHeaderBytes, 4)
  bytes.writeUInt32LE(crc32(bytes.subarray(frameHeaderBytes)), 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 12)), 12)
  return bytes
}

/** No less than the payload needs: three bytes a UTF-16 unit is the most that UTF-8 takes. */
function payloadSize(frame: Frame): number {
  let size = 16
  if (frame.type === 'commits')
    for (const changes of frame.commits) {
      size += 4
      for (const { key, value } of changes) size += 16 + key.length * 3 + (value?.byteLength ?? 0)
    }
  if (frame.type === 'entries') for (const { entry } of frame.entries) size += 32 + entry.key.length * 3 + entry.value.byteLength
  return size
}

/** The lengths in a header; undefined if it is not whole. */
export function readHeader(bytes: Buffer): { length: number; checksum: number } | undefined {
  if (bytes.length < frameHeaderBytes || bytes.readUInt32LE(0) !== magic) return undefined
  if (bytes.readUInt32LE(12) !== crc32(bytes.subarray(0, 12))) return undefined
  return { length: bytes.readUInt32LE(4), checksum: bytes.readUInt32LE(8) }
}

/** Decodes a payload whose checksum holds; keys are copied, values stay views of `payload`. Throws RangeError on nonsense. */
export function decodePayload(payload: Buffer): Frame {
  const reader = new Reader(payload)
  const code = reader.byte()
  if (code === codes.commits) {
    const firstRevision = reader.number()
    const commits = reader.many(() => reader.many(() => ({ key: reader.text(), ...reader.value() })))
    return { type: 'commits', firstRevision, commits }
  }
  if (code === codes.compacted) return { type: 'compacted', revision: reader.number() }
  if (code === codes.probe) return { type: 'probe' }
  if (code === codes.room) return { type: 'room', bytes: reader.number() }
  if (code === codes.end) return { type: 'end', count: reader.number() }
  if (code === codes.entries) return { type: 'entries', entries: reader.many(() => readEntry(reader)) }
  throw new RangeError(`a frame of unknown type ${code}: written by a newer version?`)
}

function readEntry(reader: Reader): SnapshotEntry {
  const createRevision = reader.number()
  const modRevision = reader.number()
  const key = reader.text()
  const { value, expiresAtMs } = reader.value()
  if (!value) throw new RangeError('a snapshot holds a deleted key')
  return { entry: { key, value, createRevision, modRevision }, expiresAtMs }
}

class Writer {
  readonly bytes: Buffer
  at = 0
  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size)
  }
  byte(value: number): void {
    this.at = this.bytes.writeUInt8(value, this.at)
  }
  count(value: number): void {
    this.at = this.bytes.writeUInt32LE(value, this.at)
  }
  number(value: number): void {
    this.at = this.bytes.writeDoubleLE(value, this.at)
  }
  text(value: string): void {
    const length = this.bytes.write(value, this.at + 4)
    this.count(length)
    this.at += length
  }
  value(value: Uint8Array | undefined, expiresAtMs: number | undefined): void {
    if (!value) {
      this.count(deleted)
      return
    }
    this.count(expiresAtMs === undefined ? value.byteLength : value.byteLength + dated)
    this.bytes.set(value, this.at)
    this.at += value.byteLength
    if (expiresAtMs !== undefined) this.number(expiresAtMs)
  }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }
  byte(): number {
    return this.#bytes.readUInt8(this.#at++)
  }
  count(): number {
    this.#at += 4
    return this.#bytes.readUInt32LE(this.#at - 4)
  }
  number(): number {
    this.#at += 8
    return this.#bytes.readDoubleLE(this.#at - 8)
  }
  text(): string {
    return this.#take(this.count()).toString()
  }
  value(): { value: Buffer | undefined; expiresAtMs?: number } {
    const length = this.count()
    if (length === deleted) return { value: undefined }
    if (length < dated) return { value: this.#take(length) }
    return { value: this.#take(length - dated), expiresAtMs: this.number() }
  }
  many<T>(read: () => T): T[] {
    const items: T[] = []
    for (let left = this.count(); left > 0; left--) items.push(read())
    return items
  }
  #take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError('a frame ends early')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}
