import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Clock } from '../../host/clock.ts'

export interface RotationLimits {
  /** A file that would become larger gives way to a new one. */
  readonly maxBytes: number
  /** Of older files; 0: none is too old. */
  readonly maxAgeDays: number
  /** How many older files are kept; 0: all. */
  readonly maxBackups: number
}

/** Where lines go, in the order in which they are given; one call at a time. */
export interface LineSink {
  write(lines: string): Promise<void>
  close(): Promise<void>
}

const dayMs = 86_400_000

/** `audit.log`, and beside it older ones with the time at which they were set aside, such as `audit-2026-01-02T03-04-05.678.log`. */
export class RotatingFile implements LineSink {
  readonly #path: string
  readonly #limits: RotationLimits
  readonly #clock: Clock
  #handle: FileHandle
  #bytes: number

  static async open(path: string, limits: RotationLimits, clock: Clock): Promise<RotatingFile> {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 })
    const { handle, bytes } = await openForAppending(path)
    const file = new RotatingFile(path, limits, clock, { handle, bytes })
    await file.#prune()
    return file
  }

  private constructor(path: string, limits: RotationLimits, clock: Clock, { handle, bytes }: { handle: FileHandle; bytes: number }) {
    this.#path = path
    this.#limits = limits
    this.#clock = clock
    this.#handle = handle
    this.#bytes = bytes
  }

  /** Whole lines: a file never ends within one. */
  async write(lines: string): Promise<void> {
    const bytes = Buffer.from(lines)
    if (this.#bytes > 0 && this.#bytes + bytes.byteLength > this.#limits.maxBytes) await this.#rotate()
    await this.#handle.appendFile(bytes)
    this.#bytes += bytes.byteLength
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  async #rotate(): Promise<void> {
    const aside = await this.#freeName()
    await rename(this.#path, aside)
    const before = this.#handle
    const { handle, bytes } = await openForAppending(this.#path)
    this.#handle = handle
    this.#bytes = bytes
    await before.close()
    await this.#prune()
  }

  /** Two files may be set aside in one millisecond. */
  async #freeName(): Promise<string> {
    const taken = new Set((await this.#backups()).map(({ timeMs }) => timeMs))
    let timeMs = this.#clock.now()
    while (taken.has(timeMs)) timeMs++
    const { directory, stem, extension } = partsOf(this.#path)
    return join(directory, `${stem}-${new Date(timeMs).toISOString().replaceAll(':', '-').slice(0, -1)}${extension}`)
  }

  /** Newest first. */
  async #backups(): Promise<{ path: string; timeMs: number }[]> {
    const { directory, stem, extension } = partsOf(this.#path)
    const found = (await readdir(directory)).flatMap((name) => {
      if (!name.startsWith(`${stem}-`) || !name.endsWith(extension)) return []
      const time = /^(\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d\.\d{3})$/.exec(name.slice(stem.length + 1, name.length - extension.length))
      return time ? [{ path: join(directory, name), timeMs: Date.parse(`${time[1]}:${time[2]}:${time[3]}Z`) }] : []
    })
    return found.sort((a, b) => b.timeMs - a.timeMs)
  }

  async #prune(): Promise<void> {
    const { maxAgeDays, maxBackups } = this.#limits
    const oldest = this.#clock.now() - maxAgeDays * dayMs
    for (const [index, { path, timeMs }] of (await this.#backups()).entries()) {
      if ((maxBackups > 0 && index >= maxBackups) || (maxAgeDays > 0 && timeMs < oldest)) await rm(path, { force: true })
    }
  }
}

function partsOf(path: string): { directory: string; stem: string; extension: string } {
  const extension = extname(path)
  return { directory: dirname(path), stem: basename(path, extension), extension }
}

async function openForAppending(path: string): Promise<{ handle: FileHandle; bytes: number }> {
  const handle = await open(path, 'a', 0o600)
  return { handle, bytes: (await handle.stat()).size }
}

export const standardOutput: LineSink = {
  write: (lines) =>
    new Promise((resolve, reject) => {
      process.stdout.write(lines, (error) => (error ? reject(error) : resolve()))
    }),
  close: async () => {},
}
