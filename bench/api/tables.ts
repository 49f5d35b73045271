import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { table } from '../../src/cli/table.ts'
import { systemClock } from '../../src/host/clock.ts'
import { digits, monotonicMs } from '../statistics.ts'
import type { Asked, Laboratory, Measured } from './laboratory.ts'
import type { Operation } from './operations.ts'
import { namespace } from './pods.ts'
import type { Protocol } from './requester.ts'

const podsInRates = 1_000
const steadyRate = 200
const steadyMs = 5_000
const warmUpMs = 1_000
const mebibyte = 2 ** 20

const say = (text: string): void => console.error(text)
const rateOf = ({ requests, seconds }: Measured): number => requests / seconds
const mib = (bytes: number): string => (bytes / mebibyte).toFixed(0)

/** The server's code is compiled by what it does: it has done everything before anything counts. */
async function warmUp(laboratory: Laboratory, wanted: readonly Operation[]): Promise<void> {
  for (const operation of wanted)
    for (const protocol of ['HTTP/2', 'HTTP/1.1'] as const) await laboratory.ask({ operation, protocol, clients: 16, forMs: warmUpMs / 2 })
}

export interface RatesWanted {
  readonly operations: readonly Operation[]
  readonly protocols: readonly Protocol[]
  readonly clients: readonly number[]
  readonly forMs: number
}

export async function ratesTable(laboratory: Laboratory, wanted: RatesWanted): Promise<string> {
  await laboratory.refill(podsInRates)
  say('warming up')
  await warmUp(laboratory, wanted.operations)
  const rows: string[][] = []
  for (const operation of wanted.operations) {
    for (const protocol of wanted.protocols) {
      say(`${operation} over ${protocol}`)
      for (const clients of wanted.clients) rows.push(await rateRow(laboratory, { operation, protocol, clients, forMs: wanted.forMs }))
    }
  }
  const title = `Requests over TLS for pods of ${laboratory.objectBytes} bytes, 1,000 there; the floor answers as many bytes and does nothing`
  const head = [
    'OPERATION',
    'OVER',
    'CLIENTS',
    'A SECOND',
    'P50 MS',
    'P99 MS',
    'CPU µS',
    'FLOOR: A SECOND',
    'P99 MS',
    'CPU µS',
    'TIMES',
    'CPU TIMES',
  ]
  return `${title}\n\n${table(head, rows)}`
}

async function rateRow(laboratory: Laboratory, asked: Asked): Promise<string[]> {
  const own = await laboratory.ask(asked)
  const floor = await laboratory.askFloor({ ...asked, forMs: asked.forMs / 2 }, own.bytes)
  return [
    ...[asked.operation, asked.protocol, String(asked.clients)],
    ...[rateOf(own).toFixed(0), digits(own.p50), digits(own.p99), own.cpuMicros.toFixed(0)],
    ...[rateOf(floor).toFixed(0), digits(floor.p99), floor.cpuMicros.toFixed(0)],
    ...[digits(rateOf(floor) / rateOf(own)), digits(own.cpuMicros / floor.cpuMicros)],
  ]
}

/** Latency counts from when a request was due: what stands behind a slow one is not forgiven. */
export async function steadyTable(laboratory: Laboratory): Promise<string> {
  await laboratory.refill(podsInRates)
  say('warming up')
  await warmUp(laboratory, ['create'])
  const rows: string[][] = []
  for (const operation of ['create', 'get'] as const) {
    say(`${operation}, ${steadyRate} a second`)
    const asked = { operation, protocol: 'HTTP/2' as const, clients: 1, forMs: steadyMs, rate: steadyRate }
    const own = await laboratory.ask(asked)
    const floor = await laboratory.askFloor(asked, own.bytes)
    for (const [name, { p50, p99, worst, cpuMicros }] of [
      [operation, own],
      [`${operation}, of the floor`, floor],
    ] as const)
      rows.push([name, digits(p50), digits(p99), digits(worst), cpuMicros.toFixed(0)])
  }
  const title = `${steadyRate} a second over HTTP/2 for ${steadyMs / 1000} s, from when each was due; creations are on disk before the answer`
  return `${title}\n\n${table(['OPERATION', 'P50 MS', 'P99 MS', 'WORST MS', 'CPU µS'], rows)}`
}

/** How memory, rates and latency grow with the number of pods. */
export async function growthTable(laboratory: Laboratory, sizes: readonly number[], forMs: number): Promise<string> {
  const rows: string[][] = []
  const done: Operation[] = ['get', 'list by name', 'update status', 'create']
  for (const size of sizes) {
    say(`${size} pods: filling the store, starting the server`)
    const begunMs = monotonicMs()
    await laboratory.refill(size)
    const startMs = monotonicMs() - begunMs
    await systemClock.sleep(2_000)
    const memory = laboratory.server.process.memoryBytes()
    await warmUp(laboratory, done)
    const cells: string[] = []
    for (const operation of done) {
      say(`${size} pods: ${operation}`)
      const { p99, cpuMicros, ...own } = await laboratory.ask({ operation, protocol: 'HTTP/2', clients: 16, forMs })
      cells.push(`${(own.requests / own.seconds).toFixed(0)} / ${digits(p99)} / ${cpuMicros.toFixed(0)}`)
    }
    say(`${size} pods: create, ${steadyRate} a second`)
    const steady = await laboratory.ask({ operation: 'create', protocol: 'HTTP/2', clients: 1, forMs: steadyMs, rate: steadyRate })
    rows.push([
      String(size),
      (startMs / 1000).toFixed(1),
      mib(memory),
      mib(laboratory.server.process.memoryBytes()),
      ...cells,
      digits(steady.p99),
    ])
  }
  const title = 'By the number of pods, 16 clients over HTTP/2: each requests a second / p99 ms / CPU µs'
  const head = [
    'PODS',
    'FILL AND START S',
    'MIB',
    'MIB AFTER',
    ...done.map((name) => name.toUpperCase()),
    `CREATE P99 MS AT ${steadyRate}/S`,
  ]
  return `${title}\n\n${table(head, rows)}`
}

const watches = 1_000
const watchConnections = 10
const idleMs = 5_000
const eventsEach = 100
const eventEveryMs = 50

/** What a watch costs while nothing changes, and what each event costs. */
export async function watchTable(laboratory: Laboratory): Promise<string> {
  await laboratory.refill(podsInRates)
  const { process: measured, endpoint } = laboratory.server
  say('the server at rest')
  await systemClock.sleep(3_000)
  const restCpu = await cpuOver(measured, idleMs)
  const before = measured.memoryBytes()
  const task = JSON.stringify({ ...endpoint, watches, connections: watchConnections, changes: eventsEach })
  const reader = spawn(process.execPath, [fileURLToPath(new URL('../watching/reader-process.ts', import.meta.url)), task], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = createInterface({ input: reader.stdout })[Symbol.asyncIterator]()
  if ((await said.next()).value !== 'ready') throw new Error('the readers could not begin')
  say(`${watches} watches at rest`)
  await systemClock.sleep(2_000)
  const watchCpu = await cpuOver(measured, idleMs)
  const after = measured.memoryBytes()
  say(`${watches} watches of ${eventsEach} changes`)
  const cpu = measured.cpuMicros()
  for (let i = 0; i < eventsEach; i++) {
    const note = `at ${monotonicMs().toFixed(3)} ${'x'.repeat(900)}`
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `change-${i}` }, data: { note } }
    await laboratory.server.ask('POST', `/api/v1/namespaces/${namespace}/configmaps`, object)
    await systemClock.sleep(eventEveryMs)
  }
  const { lines, p50, p99 } = JSON.parse((await said.next()).value as string) as Record<'lines' | 'p50' | 'p99', number>
  const eventCpu = (measured.cpuMicros() - cpu) / lines
  const row = [
    ...[
      String(watches),
      ((after - before) / watches / 1024).toFixed(1),
      (Math.max(0, watchCpu - restCpu) / watches / (idleMs / 1000)).toFixed(2),
    ],
    ...[digits(eventCpu), digits(p50), digits(p99)],
  ]
  const title = `Watches over HTTP/2, ${watchConnections} connections; then ${eventsEach} objects of 1 kB made, their creation counted in`
  return `${title}\n\n${table(['WATCHES', 'KIB EACH', 'IDLE: CPU µS A SECOND EACH', 'CPU µS AN EVENT', 'P50 MS', 'P99 MS'], [row])}`
}

async function cpuOver(measured: { cpuMicros(): number }, ms: number): Promise<number> {
  const before = measured.cpuMicros()
  await systemClock.sleep(ms)
  return measured.cpuMicros() - before
}
