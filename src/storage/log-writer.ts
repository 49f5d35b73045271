import path from 'node:path'
import type { Disk, DiskFile } from './disk.ts'
import { preamble, preambleBytes } from './frames.ts'
import { fileName } from './recovery.ts'

/**
 * The newest log. What could not be written whole is cut off again before anything else is written, so that a rejected
 * commit is never followed by another: while even that fails, every write does.
 */
export class LogWriter {
  readonly path: string
  readonly #file: DiskFile
  #length: number
  #failure: Error | undefined

  private constructor(file: DiskFile, logPath: string, length: number) {
    this.#file = file
    this.path = logPath
    this.#length = length
  }

  /** A new log for commits after `revision`, its place in the folder safe. It takes its name only once its preamble is. */
  static async create(disk: Disk, directory: string, revision: number): Promise<LogWriter> {
    const logPath = path.join(directory, fileName('log', revision))
    const temporary = `${logPath}.tmp`
    const file = await disk.create(temporary, { durable: true })
    try {
      await file.write(preamble('log', revision), 0)
      await disk.rename(temporary, logPath)
      await disk.syncDirectory(directory)
    } catch (error) {
      await file.close()
      throw error
    }
    return new LogWriter(file, logPath, preambleBytes)
  }

  /** Goes on with a log, cut off after `goodBytes`. */
  static async resume(disk: Disk, log: { path: string; goodBytes: number; bytes: number }): Promise<LogWriter> {
    const file = await disk.open(log.path)
    if (log.goodBytes < log.bytes) await file.truncate(log.goodBytes)
    return new LogWriter(file, log.path, log.goodBytes)
  }

  get length(): number {
    return this.#length
  }

  /** Why the last write failed; undefined: it did not. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Resolves once `frame` is safe. */
  async append(frame: Uint8Array): Promise<void> {
    try {
      if (this.#failure) await this.#file.truncate(this.#length)
      await this.#file.write(frame, this.#length)
      this.#length += frame.byteLength
      this.#failure = undefined
    } catch (error) {
      this.#failure = error as Error
      throw error
    }
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
