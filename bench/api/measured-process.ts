import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** A child process that is told and says one line at a time, and whose processor time and memory are read from the kernel. */
export class MeasuredProcess {
  readonly #child: ChildProcess
  readonly #said: AsyncIterator<string>

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    if (!this.#child.stdout) throw new Error('a process without output')
    this.#said = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  async hear(): Promise<string> {
    const { value, done } = await this.#said.next()
    if (done) throw new Error(`process ${this.#child.pid} has ended`)
    return value
  }

  /** Hears until a line with this text. */
  async hearWith(text: string): Promise<void> {
    let last = ''
    while (!last.includes(text)) {
      const before = last
      last = await this.hear().catch((cause) => {
        throw new Error(`it said last: ${before}`, { cause })
      })
    }
  }

  /** User and system time of all its threads so far; the kernel counts hundredths of a second. */
  cpuMicros(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10_000
  }

  /** What it holds in memory now, its share of files it maps included. */
  memoryBytes(): number {
    const kilobytes = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${this.#child.pid}/smaps_rollup`, 'utf8'))?.[1])
    return kilobytes * 1024
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
  }
}
