import path from 'node:path'
import type { Disk, DiskFile } from './disk.ts'
import type { FileContents } from './frame-reader.ts'
import { encodeFrame, preamble } from './frames.ts'
import { fileName } from './recovery.ts'

/** Room is made ahead in steps that double from the least to the most. */
const leastRoom = 64 << 10
const mostRoom = 4 << 20
const pieceBytes = 256 << 10
const zeros = Buffer.alloc(pieceBytes)

/** A log to be: zeros that are safe, under a name that counts for nothing. */
export interface Room {
  readonly disk: Disk
  readonly file: DiskFile
  readonly path: string
  readonly bytes: number
}

/** Where room stands until a log begins in it. */
export function roomPath(directory: string): string {
  return path.join(directory, 'log-next.tmp')
}

export async function makeRoom(disk: Disk, directory: string, bytes: number): Promise<Room> {
  const temporary = roomPath(directory)
  const file = await disk.create(temporary, { durable: true })
  try {
    await writeZeros(file, 0, bytes)
  } catch (error) {
    await file.close()
    throw error
  }
  return { disk, file, path: temporary, bytes }
}

async function writeZeros(file: DiskFile, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += pieceBytes) await file.write(zeros.subarray(0, Math.min(pieceBytes, to - at)), at)
}

/**
 * The newest log. It is written into room made beforehand, zeros that are safe already: a write then changes no metadata of
 * the file system, which makes it faster and independent of what else is being written, and a file that somebody cut short is
 * told from one that ends there, for the log says in itself how long the file is.
 *
 * What could not be written whole is made zeros again before anything else is written, so that a rejected commit is never
 * followed by another: while even that fails, every write does.
 */
export class LogWriter {
  readonly path: string
  readonly #file: DiskFile
  #length: number
  /** Up to here the file is there, zeros after #length. */
  #size: number
  /** The size that the log itself tells of. */
  #declared: number
  #growing: Promise<void> | undefined
  /** The piece of room that is being made. */
  #piece: Promise<void> | undefined
  /** Up to where a failed write may have left something. */
  #soiled: number
  #failure: Error | undefined

  private constructor(file: DiskFile, log: { path: string; length: number; size: number; declared: number }) {
    this.#file = file
    this.path = log.path
    this.#length = log.length
    this.#size = log.size
    this.#declared = log.declared
    this.#soiled = log.length
  }

  /** A new log for commits after `revision`, its place in the folder safe. */
  static async create(disk: Disk, directory: string, revision: number): Promise<LogWriter> {
    return LogWriter.begin(await makeRoom(disk, directory, leastRoom), revision)
  }

  /** The same in room made before. It takes its name only once its beginning is safe. */
  static async begin({ disk, file, path: temporary, bytes }: Room, revision: number): Promise<LogWriter> {
    const directory = path.dirname(temporary)
    const logPath = path.join(directory, fileName('log', revision))
    const beginning = Buffer.concat([preamble('log', revision), encodeFrame({ type: 'room', bytes })])
    try {
      await file.write(beginning, 0)
      await disk.rename(temporary, logPath)
      await disk.syncDirectory(directory)
    } catch (error) {
      await file.close()
      throw error
    }
    return new LogWriter(file, { path: logPath, length: beginning.length, size: bytes, declared: bytes })
  }

  /** Goes on with a log after `goodBytes`; what a crash left of a write is made zeros. */
  static async resume(disk: Disk, log: FileContents & { path: string }): Promise<LogWriter> {
    const file = await disk.open(log.path)
    const writer = new LogWriter(file, { path: log.path, length: log.goodBytes, size: log.bytes, declared: log.declaredBytes })
    if (log.isTorn) await writeZeros(file, log.goodBytes, log.bytes)
    return writer
  }

  get length(): number {
    return this.#length
  }

  /** Bytes that the file takes, room included. */
  get size(): number {
    return this.#size
  }

  /** Room that the log which follows this one should have from the beginning. */
  get roomForNext(): number {
    return this.#step()
  }

  /** Why the last write failed; undefined: it did not. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Resolves once `frame` is safe. */
  async append(frame: Uint8Array): Promise<void> {
    try {
      if (this.#soiled > this.#length) await writeZeros(this.#file, this.#length, this.#soiled)
      this.#soiled = this.#length
      const [bytes, declared] = await this.#inRoom(frame)
      this.#soiled = this.#length + bytes.byteLength
      await this.#file.write(bytes, this.#length)
      this.#length = this.#soiled
      this.#declared = declared
      this.#failure = undefined
      if (this.#size - this.#length < this.#step() / 2) this.#growing ??= this.#growAhead()
    } catch (error) {
      this.#failure = error as Error
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#growing
    await this.#file.close()
  }

  /**
   * The frame, and before it, where there is new room, how long the file is now. There is always room left for that: so a
   * file cut at any earlier end of its room tells of more than it has.
   */
  async #inRoom(frame: Uint8Array): Promise<[Uint8Array, number]> {
    const room = encodeFrame({ type: 'room', bytes: this.#size })
    const needed = this.#length + room.length + frame.byteLength + room.length
    while (this.#size < needed) await this.#grow()
    if (this.#size === this.#declared) return [frame, this.#declared]
    return [Buffer.concat([encodeFrame({ type: 'room', bytes: this.#size }), frame]), this.#size]
  }

  #step(): number {
    return Math.min(mostRoom, Math.max(leastRoom, this.#size))
  }

  /** While commits go on. If it fails, the write that needs the room tries again, and says why. */
  async #growAhead(): Promise<void> {
    const until = this.#size + this.#step()
    try {
      while (this.#size < until) await this.#grow()
    } catch {
      // A write into the room that is left does not depend on this one.
    } finally {
      this.#growing = undefined
    }
  }

  /** By one piece: a write that has to wait for room waits for no more than it needs. */
  #grow(): Promise<void> {
    this.#piece ??= this.#makePiece().finally(() => {
      this.#piece = undefined
    })
    return this.#piece
  }

  async #makePiece(): Promise<void> {
    const to = this.#size + Math.min(pieceBytes, this.#step())
    await writeZeros(this.#file, this.#size, to)
    this.#size = to
  }
}
