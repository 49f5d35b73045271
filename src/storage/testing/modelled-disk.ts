import type { Clock } from '../../host/clock.ts'
import type { Disk, DiskFile } from '../disk.ts'

/** This and the time of a flush are about those of the machine that docs/benchmarks.md is of. */
const bytesEachMs = 400_000

/**
 * A disk that keeps nothing and takes its time, by the clock: it does one thing after the other, so that whatever else is
 * written holds up commits as a real one's queue does.
 */
export class ModelledDisk implements Disk {
  /** Names of the files begun, in order. */
  readonly created: string[] = []
  readonly #clock: Clock
  readonly #flushMs: number
  #freeAtMs = 0

  constructor(clock: Clock, flushMs = 0.12) {
    this.#clock = clock
    this.#flushMs = flushMs
  }

  async create(path: string, { durable }: { durable: boolean }): Promise<DiskFile> {
    this.created.push(path.slice(path.lastIndexOf('/') + 1))
    let dirty = 0
    return {
      write: async (bytes) => {
        if (durable) await this.#flush(bytes.byteLength)
        else dirty += bytes.byteLength
      },
      sync: async () => {
        await this.#flush(dirty)
        dirty = 0
      },
      close: async () => {},
    }
  }
  open(path: string): Promise<DiskFile> {
    return this.create(path, { durable: true })
  }
  rename(): Promise<void> {
    return this.#flush(4096)
  }
  async remove(): Promise<void> {}
  syncDirectory(): Promise<void> {
    return this.#flush(4096)
  }

  #flush(bytes: number): Promise<void> {
    const nowMs = this.#clock.monotonic()
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + this.#flushMs + bytes / bytesEachMs
    return this.#clock.sleep(this.#freeAtMs - nowMs)
  }
}
