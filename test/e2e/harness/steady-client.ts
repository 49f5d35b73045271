import { type ChildProcess, spawn } from 'node:child_process'
import { OutsideHost } from '../../../src/cluster/demo/outside-host.ts'
import { systemExec } from '../../../src/host/exec.ts'

/** What a client has seen so far. */
export interface Tally {
  sent: number
  answered: number
  failures: string[]
  /** Since its first request. */
  seconds: number
  /** From connecting to the whole answer, ms. */
  latency: { p50: number; p99: number; worst: number }
}

/**
 * `node -e TEXT TARGET... RATE`: sends so many requests a second to each target, each over a connection of its own, whether earlier ones
 * were answered or not. Prints a {@link Tally} as a line of JSON twice a second, and a last one when told to end.
 */
export const steadyClient = `
const targets = process.argv.slice(1, -1), rate = Number(process.argv.at(-1)), began = process.hrtime.bigint()
const seconds = () => Number(process.hrtime.bigint() - began) / 1e9
let sent = 0, answered = 0, open = 0, ending = false
const failures = [], took = []
const request = (target) => {
  const [host, port] = target.split(':'), at = seconds()
  let text = ''
  const socket = require('node:net').connect({ host, port: Number(port) })
  const timer = setTimeout(() => socket.destroy(new Error('no answer in 5 s')), 5000)
  let error
  socket.setEncoding('utf8').on('data', (part) => { text += part }).on('error', (cause) => { error = cause }).on('close', () => {
    clearTimeout(timer); open--
    if (/^HTTP\\/1.0 200 /.test(text)) { answered++; took.push((seconds() - at) * 1000) }
    else failures.push(target + ' at ' + at.toFixed(2) + ' s: ' + (error?.message ?? 'closed without an answer'))
  })
  socket.write('GET / HTTP/1.0\\r\\n\\r\\n')
  sent++; open++
}
const latency = () => {
  const sorted = Float64Array.from(took).sort(), of = (share) => Number((sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2))
  return { p50: of(0.5), p99: of(0.99), worst: sorted.at(-1) ?? 0 }
}
const tell = () => console.log(JSON.stringify({ sent, answered, failures: failures.slice(0, 20), seconds: seconds(), latency: latency() }))
const pace = setInterval(() => { while (sent < seconds() * rate * targets.length) for (const target of targets) request(target) }, 5)
const told = setInterval(tell, 500)
process.on('SIGTERM', () => {
  clearInterval(pace); clearInterval(told)
  setInterval(() => { if (open === 0) { tell(); process.exit(0) } }, 10)
})
`

/** A server to be asked by it: answers once it has heard a request, and finishes what it has begun when told to end. */
export const steadyServer = `
const server = require('node:net').createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', () => socket.end('HTTP/1.0 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nok\\n'))
}).listen(8080)
process.on('SIGTERM', () => server.close(() => process.exit(0)))
`

/** The client on a host outside the cluster. */
export class OutsideClient {
  readonly #host: OutsideHost
  readonly #child: ChildProcess
  #printed = ''

  private constructor(host: OutsideHost, child: ChildProcess) {
    this.#host = host
    this.#child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#printed += text
    })
  }

  static async start(tag: string, targets: readonly string[], rate: number): Promise<OutsideClient> {
    const host = new OutsideHost(systemExec, tag)
    await host.create()
    const words = [`--net=/run/netns/${host.namespace}`, process.execPath, '-e', steadyClient, ...targets, String(rate)]
    return new OutsideClient(host, spawn('nsenter', words, { stdio: ['ignore', 'pipe', 'inherit'] }))
  }

  tally(): Tally | undefined {
    return lastTally(this.#printed)
  }

  async end(): Promise<Tally> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGTERM')
    await ended
    return lastTally(this.#printed) as Tally
  }

  async remove(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#host.remove()
  }
}

export function lastTally(printed: string): Tally | undefined {
  const line = printed
    .slice(0, printed.lastIndexOf('\n') + 1)
    .trim()
    .split('\n')
    .at(-1)
  return line ? (JSON.parse(line) as Tally) : undefined
}
