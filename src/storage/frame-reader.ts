import fs from 'node:fs'
import { crc32 } from 'node:zlib'
import {
  decodePayload,
  type FileKind,
  type Frame,
  formatIn,
  frameHeaderBytes,
  magicBytes,
  preambleBytes,
  readHeader,
  readPreamble,
} from './frames.ts'

/** A file says what was never written. Nothing has been changed; the message tells the way back. */
export class DamagedStoreError extends Error {
  readonly file: string
  readonly reason: string
  constructor(file: string, reason: string) {
    super(
      `${file} is damaged: ${reason}. Nothing was changed. The way back is a backup: 'ownkube restore --overwrite FILE', then start again`,
    )
    this.name = 'DamagedStoreError'
    this.file = file
    this.reason = reason
  }
}

/** A file of another version of this program, whole as far as one can tell. */
export class OtherFormatError extends Error {
  constructor(file: string, found: string) {
    super(
      `${file} is in a format ('${found}') that this version does not read. Nothing was changed. The way here is a backup: 'ownkube backup FILE' with the version that wrote it, then 'ownkube restore --overwrite FILE' with this one`,
    )
    this.name = 'OtherFormatError'
  }
}

/** The system does not let us read a file: a failing disk, no permission. */
export class UnreadableStoreError extends Error {
  constructor(file: string, cause: Error) {
    super(
      `${file} cannot be read: ${cause.message}. Nothing was changed. Where the disk fails, the way back is a backup: 'ownkube restore --overwrite FILE' on one that works`,
      { cause },
    )
    this.name = 'UnreadableStoreError'
  }
}

export interface FileContents {
  /** From the preamble. */
  readonly revision: number
  /** Up to where the file is whole. */
  readonly goodBytes: number
  readonly bytes: number
  /** What follows is not just room for more, but the rest of a write that a crash cut short. */
  readonly isTorn: boolean
  /** The length that a log itself tells of, from its first frame on; 0 for a snapshot. */
  readonly declaredBytes: number
}

/**
 * Reads a file's frames in order. A write that a crash cut short can only be the last one of the newest log: there
 * (`mayBeTorn`) it is left out, and `goodBytes` says where it begins. Whatever else does not hold is a {@link DamagedStoreError}.
 */
export function readFrames(path: string, kind: FileKind, mayBeTorn: boolean, each: (frame: Frame) => void): FileContents {
  return reading(path, (fd) => {
    const bytes = fs.fstatSync(fd).size
    const head = readAt(fd, 0, Math.min(preambleBytes, bytes))
    const revision = readPreamble(kind, head)
    // A file takes its name only once its preamble is safe.
    if (revision === undefined) {
      const format = formatIn(head)
      if (format !== undefined) throw new OtherFormatError(path, format)
      throw new DamagedStoreError(path, `it does not begin as a ${kind} of this version does`)
    }
    let at = preambleBytes
    let declaredBytes = 0
    let isTorn = false
    while (at < bytes) {
      const next = readFrame(fd, at, bytes)
      if (next.payload) {
        const frame = decode(path, at, next.payload)
        if (frame.type === 'room') declaredBytes = frame.bytes
        else each(frame)
        at += frameHeaderBytes + next.payload.length
        continue
      }
      if (kind === 'log' && isRoom(fd, at, bytes)) break
      isTorn = mayBeTorn && next.looksTorn && !frameAfter(fd, at, bytes)
      if (isTorn) break
      throw new DamagedStoreError(path, `the record at byte ${at} of ${bytes} fails its checksum`)
    }
    if (kind === 'log' && declaredBytes === 0) throw new DamagedStoreError(path, `it was cut short: after ${bytes} bytes`)
    if (bytes < declaredBytes) throw new DamagedStoreError(path, `it was cut short: of ${declaredBytes} bytes it has ${bytes}`)
    return { revision, goodBytes: at, bytes, isTorn, declaredBytes }
  })
}

function reading<T>(path: string, read: (fd: number) => T): T {
  try {
    const fd = fs.openSync(path, 'r')
    try {
      return read(fd)
    } finally {
      fs.closeSync(fd)
    }
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException
    // A file that has gone is for the caller to judge: it may have been replaced.
    if (syscall === undefined || code === 'ENOENT') throw error
    throw new UnreadableStoreError(path, error as Error)
  }
}

/** Whether a log has anything but its beginning. */
export function holdsRecords(path: string): boolean {
  return reading(path, (fd) => {
    const bytes = fs.fstatSync(fd).size
    if (bytes < preambleBytes) return true // and its reader says that it is damaged
    let at = preambleBytes
    for (;;) {
      const next = readFrame(fd, at, bytes)
      if (!next.payload) return !isRoom(fd, at, bytes)
      if (decode(path, at, next.payload).type !== 'room') return true
      at += frameHeaderBytes + next.payload.length
    }
  })
}

/** Zeros up to the end: room made for writes to come. */
function isRoom(fd: number, at: number, end: number): boolean {
  for (let from = at; from < end; from += zeros.length) {
    const bytes = readAt(fd, from, Math.min(zeros.length, end - from))
    if (!bytes.equals(zeros.subarray(0, bytes.length))) return false
  }
  return true
}

const zeros = Buffer.alloc(64 << 10)

function decode(path: string, at: number, payload: Buffer): Frame {
  try {
    return decodePayload(payload)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new DamagedStoreError(path, `the record at byte ${at} makes no sense (${error.message})`)
  }
}

type FrameRead = { payload: Buffer } | { payload: undefined; looksTorn: boolean }

/**
 * A frame that a crash cut short ends in zeros, where it was to end in something else, or has sectors that never reached the
 * disk and read as zeros. One that is all there and still fails its checksum is bit rot: it may have been acknowledged.
 */
function readFrame(fd: number, at: number, end: number): FrameRead {
  const head = readAt(fd, at, Math.min(frameHeaderBytes, end - at))
  if (head.length < frameHeaderBytes) return { payload: undefined, looksTorn: true }
  const header = readHeader(head)
  if (!header) return { payload: undefined, looksTorn: hasZeroSector(head, at) || isRoom(fd, at + frameHeaderBytes, end) }
  if (at + frameHeaderBytes + header.length > end) return { payload: undefined, looksTorn: true }
  const payload = readAt(fd, at + frameHeaderBytes, header.length)
  if (crc32(payload) === header.checksum) return { payload }
  return { payload: undefined, looksTorn: payload.at(-1) === 0 || hasZeroSector(payload, at + frameHeaderBytes) }
}

const sectorBytes = 512

/** Whether what lies in some one sector of the disk is all zeros; `at` is where `bytes` stand in the file. */
function hasZeroSector(bytes: Buffer, at: number): boolean {
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + sectorBytes - ((at + from) % sectorBytes))
    if (bytes.subarray(from, to).every((byte) => byte === 0)) return true
    from = to
  }
  return false
}

/** Whether a whole frame stands anywhere after `at`: each is written only once the one before it is safe. */
function frameAfter(fd: number, at: number, end: number): boolean {
  const rest = readAt(fd, at + 1, end - at - 1)
  for (let found = rest.indexOf(magicBytes); found >= 0; found = rest.indexOf(magicBytes, found + 1)) {
    const header = readHeader(rest.subarray(found, found + frameHeaderBytes))
    if (!header) continue
    const payload = rest.subarray(found + frameHeaderBytes, found + frameHeaderBytes + header.length)
    if (payload.length === header.length && crc32(payload) === header.checksum) return true
  }
  return false
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  let done = 0
  while (done < length) {
    const count = fs.readSync(fd, bytes, done, length - done, position + done)
    if (count === 0) return bytes.subarray(0, done)
    done += count
  }
  return bytes
}
