import { setImmediate } from 'node:timers/promises'
import type { Log } from '../../host/log.ts'
import type { LineSink } from './rotating-file.ts'

/** Made into text when it is written, not while its request waits. */
export type LateLine = () => string

/** Events that wait for a disk that does not take them; beyond these they are lost, and counted. */
const maxWaiting = 50_000
/** What goes out in one write. */
const writeChars = 1 << 20

/**
 * Audit events on their way to a file: those that come while one write is under way go out together in the next. Requests
 * never wait for it; closing does.
 */
export class AuditLog {
  readonly #sink: LineSink
  readonly #log: Log
  #waiting: LateLine[] = []
  #running: Promise<void> | undefined
  #failing = false
  /** Events handed in, and those of them that were lost. */
  events = 0
  lost = 0

  constructor(sink: LineSink, log: Log) {
    this.#sink = sink
    this.#log = log
  }

  add(line: LateLine): void {
    this.events++
    if (this.#waiting.length >= maxWaiting) {
      this.lost++
      return
    }
    this.#waiting.push(line)
    this.#running ??= this.#run()
  }

  /** After everything that was handed in before. */
  async close(): Promise<void> {
    await this.#running
    await this.#sink.close()
  }

  async #run(): Promise<void> {
    // Whatever this turn of the event loop still has to tell goes along.
    await setImmediate()
    while (this.#waiting.length > 0) await this.#write(this.#next())
    this.#running = undefined
  }

  #next(): { text: string; count: number } {
    let text = ''
    let count = 0
    while (count < this.#waiting.length && text.length < writeChars) text += (this.#waiting[count++] as LateLine)()
    this.#waiting = this.#waiting.slice(count)
    return { text, count }
  }

  async #write({ text, count }: { text: string; count: number }): Promise<void> {
    try {
      await this.#sink.write(text)
      this.#failing = false
    } catch (error) {
      this.lost += count
      if (!this.#failing) this.#log.error('cannot write the audit log; events are lost until it can be', { error, events: count })
      this.#failing = true
    }
  }
}
