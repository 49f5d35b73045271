import { mkdtempSync, rmSync } from 'node:fs'
import http2 from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import grpc from '@grpc/grpc-js'
import { systemClock } from '../src/host/clock.ts'
import { GrpcChannel } from '../src/host/grpc.ts'
import { silentLog } from '../src/host/log.ts'
import { systemRandom } from '../src/host/random.ts'
import { bytes, encode } from '../src/machinery/protobuf.ts'
import { openEtcdStore } from '../src/storage/etcd/etcd-store.ts'
import { openFileStore } from '../src/storage/file-store.ts'
import type { Store } from '../src/storage/store.ts'
import { hasEtcd, startEtcd } from '../src/storage/testing/etcd-server.ts'
import { listFlags } from './flags.ts'
import { digits, median, percentile } from './statistics.ts'

const deps = { clock: systemClock, random: systemRandom, log: silentLog }
const value = Buffer.alloc(1000, 'x')
const putPath = '/etcdserverpb.KV/Put'
const PutRequest = { key: bytes(1), value: bytes(2) }
const keys = 1_000
/** What one has left for the disk to do must not be the next one's burden. */
const restMs = 1_000

/** Writes 1 kB under a key, durably. */
type Write = (key: string) => Promise<unknown>
interface Subject {
  readonly name: string
  readonly write: Write
  readonly close: () => Promise<void> | void
}

interface Measured {
  readonly rate: number
  readonly p50: number
  readonly p99: number
  /** Processor time of this process for each write; the embedded store's disk work is in it, etcd's is not. */
  readonly cpuMicros: number
}

async function measure(write: Write, writers: number, forMs: number): Promise<Measured> {
  const times: number[] = []
  let next = 0
  const cpu = process.cpuUsage()
  const begun = performance.now()
  const until = begun + forMs
  const writer = async (): Promise<void> => {
    while (performance.now() < until) {
      const from = performance.now()
      await write(`/registry/pods/default/pod-${String(next++ % keys).padStart(7, '0')}`)
      times.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: writers }, writer))
  const took = performance.now() - begun
  const { user, system } = process.cpuUsage(cpu)
  return {
    rate: (times.length / took) * 1000,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    cpuMicros: (user + system) / times.length,
  }
}

const throughContract = (name: string, store: Store): Subject => ({
  name,
  write: (key) => store.commit([{ key, value, expect: undefined }]),
  close: () => store.close(),
})

/** A put as it is, without what the contract asks for: what the client itself can do. */
function grpcJs(endpoint: string): Subject {
  const client = new grpc.Client(endpoint.replace('http://', ''), grpc.credentials.createInsecure())
  const same = (data: Buffer): Buffer => data
  return {
    name: 'etcd, put through @grpc/grpc-js',
    write: (key) =>
      new Promise((resolve, reject) => {
        const message = Buffer.from(encode(PutRequest, { key: Buffer.from(key), value }))
        client.makeUnaryRequest(putPath, same, same, message, (error, answer) => (error ? reject(error) : resolve(answer)))
      }),
    close: () => client.close(),
  }
}

function ownChannel(endpoint: string): Subject {
  const channel = new GrpcChannel({ open: () => http2.connect(endpoint), peer: endpoint, clock: systemClock, maxMessageBytes: 1 << 20 })
  return {
    name: 'etcd, put through host/grpc.ts',
    write: (key) => channel.unary(putPath, encode(PutRequest, { key: Buffer.from(key), value })),
    close: () => channel.close(),
  }
}

/** Milliseconds for all of some objects of 1 kB: the median of a few lists. */
async function listTime(store: Store, count: number): Promise<number> {
  for (let i = 0; i < count; i += 100) {
    const put = (j: number) => ({ key: `/registry/lists/${String(i + j).padStart(7, '0')}`, value, expect: undefined })
    await store.commit(Array.from({ length: 100 }, (_, j) => put(j)))
  }
  const times: number[] = []
  for (let round = 0; round < 7; round++) {
    const begun = performance.now()
    const { entries } = await store.list('/registry/lists/')
    times.push(performance.now() - begun)
    if (entries.length !== count) throw new Error(`a list of ${count} has ${entries.length}`)
  }
  return median(times)
}

/**
 * `npm run bench etcd [-- --writers 1,16,128 --seconds 1 --rounds 3]`: durable writes of 1 kB, the embedded store beside one member of etcd on the
 * same disk (STORE_BENCH_DIR; default: the temporary folder), through our contract and through plain clients.
 */
export async function run(args: readonly string[]): Promise<void> {
  if (!hasEtcd) throw new Error('etcd is not here: apt-get install etcd-server')
  const flags = listFlags(args, { writers: '1,16,128', seconds: '1', rounds: '3' })
  const rounds = Number(flags.rounds[0])
  const forMs = Number(flags.seconds[0]) * 1000
  const root = process.env.STORE_BENCH_DIR ?? tmpdir()
  const folder = mkdtempSync(join(root, 'bench-etcd-'))
  const etcd = await startEtcd(1, { folder: root })
  const endpoint = etcd.endpoints[0] as string
  try {
    const embedded = await openFileStore(join(folder, 'store'), deps)
    const inEtcd = await openEtcdStore({ endpoints: etcd.endpoints, tls: {}, prefix: '/ownkube' }, deps)
    const subjects: Subject[] = [
      throughContract('embedded store, the contract', embedded),
      throughContract('etcd, the contract', inEtcd),
      ownChannel(endpoint),
      grpcJs(endpoint),
    ]
    const rows = [['writers', 'what', 'writes/s', 'p50 ms', 'p99 ms', 'µs CPU here']]
    for (const writers of flags.writers.map(Number)) {
      const found = new Map<string, Measured[]>(subjects.map(({ name }) => [name, []]))
      // In turns: what else the machine does hits all alike.
      for (let round = 0; round < rounds; round++) {
        for (const { name, write } of subjects) {
          await measure(write, writers, 300)
          found.get(name)?.push(await measure(write, writers, forMs))
          await systemClock.sleep(restMs)
        }
      }
      for (const [name, each] of found) {
        const of = (figure: keyof Measured): number => median(each.map((one) => one[figure]))
        rows.push([String(writers), name, of('rate').toFixed(0), digits(of('p50')), digits(of('p99')), of('cpuMicros').toFixed(0)])
      }
    }
    const lists = { embedded: await listTime(embedded, 10_000), etcd: await listTime(inEtcd, 10_000) }
    for (const { close } of subjects) await close()
    const widths = (rows[0] as string[]).map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)))
    for (const row of rows)
      console.log(row.map((cell, i) => (i === 1 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join('  '))
    console.log(`\nA list of 10,000: embedded store ${digits(lists.embedded)} ms, etcd ${digits(lists.etcd)} ms, both through the contract`)
  } finally {
    await etcd.remove()
    rmSync(folder, { recursive: true })
  }
}
