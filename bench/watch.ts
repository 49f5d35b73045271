import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { jsonBytes, watchBytes } from '../src/apiserver/answer-bytes.ts'
import { type ApiServer, createApiServer } from '../src/apiserver/apiserver.ts'
import { encodeValue } from '../src/apiserver/cached-object.ts'
import { Watcher } from '../src/apiserver/watcher.ts'
import { ensureCertificates } from '../src/cluster/certificates.ts'
import { systemClock } from '../src/host/clock.ts'
import { silentLog } from '../src/host/log.ts'
import { systemRandom } from '../src/host/random.ts'
import type { ApiRequest, ApiResponse } from '../src/machinery/api-request.ts'
import type { KubeObject } from '../src/machinery/object.ts'
import { openFileStore } from '../src/storage/file-store.ts'
import { MemoryStore } from '../src/storage/memory-store.ts'
import type { Change, Store } from '../src/storage/store.ts'
import { digits, monotonicMs, percentile } from './statistics.ts'

const url = '/api/v1/namespaces/bench/configmaps'
const user = { name: 'bench', uid: '', groups: ['system:masters', 'system:authenticated'], extra: {} }
const tableForm = 'application/json;as=Table;v=v1;g=meta.k8s.io'

/** Of about 1 kB as stored; `note` is at its beginning. */
function putOf(i: number, note = ''): Change {
  const name = `map-${String(i).padStart(6, '0')}`
  const labels = { app: `app-${i % 100}` }
  const metadata = { name, namespace: 'bench', uid: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`, labels }
  const data = { note: `${note} ${'x'.repeat(770 - note.length)}` }
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata, creationTimestamp: '2026-01-01T00:00:00Z' }, data }
  return { key: `/registry/core/configmaps/bench/${name}`, value: encodeValue(object as unknown as KubeObject), expect: undefined }
}

async function fill(store: Store, count: number): Promise<void> {
  for (let i = 0; i < count; i += 500) await store.commit(Array.from({ length: Math.min(500, count - i) }, (_, j) => putOf(i + j)))
}

const serverOver = (store: Store): Promise<ApiServer> =>
  createApiServer({
    ...{ store, clock: systemClock, random: systemRandom, log: silentLog },
    ...{ serviceCidr: '10.96.0.0/16', nodePortRange: { from: 30000, to: 32767 } },
  })

async function ask(
  server: ApiServer,
  query: string,
  accept = 'application/json',
  signal = new AbortController().signal,
): Promise<ApiResponse> {
  const request: ApiRequest = {
    ...{ method: 'GET', path: url, query: new URLSearchParams(query), contentType: '', accept },
    ...{ userAgent: 'bench', body: undefined, user, signal },
  }
  return await server.handle(request)
}

type Row = readonly string[]
function print(title: string, rows: readonly Row[]): void {
  const widths = (rows[0] as Row).map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)))
  const lines = rows.map((row) =>
    row.map((cell, i) => (i ? cell.padStart(widths[i] as number) : cell.padEnd(widths[i] as number))).join('  '),
  )
  console.log(`\n${title}\n${lines.join('\n')}`)
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const noteNow = (): string => `at ${monotonicMs().toFixed(3)}`
const fanOutHead: Row = ['watchers', 'objects', 'delivered/s', 'µs CPU each', 'p50 ms', 'p99 ms']

/** Each watcher turns what it reads into the bytes that would be sent. */
async function inProcess(name: string, watchers: number, objects: number, changes: number, accept?: string): Promise<Row> {
  const store = new MemoryStore()
  await fill(store, objects)
  const server = await serverOver(store)
  const from = `watch=true&resourceVersion=${await store.revision()}`
  const stop = new AbortController()
  const times: number[] = []
  let begunMs = 0
  let delivered = 0
  const read = async (answer: ApiResponse): Promise<void> => {
    if (answer.type !== 'watch' || !(answer.events instanceof Watcher)) throw new Error(`no watch: ${JSON.stringify(answer)}`)
    for (let batch = await answer.events.next(); batch; batch = await answer.events.next()) {
      if (watchBytes(batch).byteLength < 100) throw new Error('an event without bytes')
      delivered += batch.length
      times.push(performance.now() - begunMs)
    }
  }
  const readers: Promise<void>[] = []
  for (let i = 0; i < watchers; i++) readers.push(read(await ask(server, from, accept, stop.signal)))
  const reached = async (count: number): Promise<void> => {
    while (delivered < count) await nextTurn()
  }
  const cpu = process.cpuUsage()
  const begun = performance.now()
  for (let i = 0; i < changes; i++) {
    begunMs = performance.now()
    await store.commit([putOf(Math.imul(i, 7919) % objects, String(i))])
    await reached(watchers * (1 + i))
  }
  const took = performance.now() - begun
  const { user, system } = process.cpuUsage(cpu)
  stop.abort()
  await Promise.all(readers)
  await server.close()
  const total = watchers * changes
  return [
    `${watchers} ${name}`,
    String(objects),
    ((total / took) * 1000).toFixed(0),
    ((user + system) / total).toFixed(2),
    ...[0.5, 0.99].map((share) => digits(percentile(times, share))),
  ]
}

async function overHttp2(watches: number, connections: number, changes: number, everyMs: number): Promise<Row> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-watch-'))
  const store = new MemoryStore()
  const server = await serverOver(store)
  try {
    const names = { nodeName: 'bench', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' }
    const { ca, apiserver, admin } = await ensureCertificates(folder, names, Date.now())
    const { port } = await server.listen({ host: '127.0.0.1', port: 0, ca, ...apiserver })
    const script = fileURLToPath(new URL('./watching/reader-process.ts', import.meta.url))
    const task = JSON.stringify({ port, ca, ...admin, watches, connections, changes })
    const child = spawn(process.execPath, [script, task], { stdio: ['ignore', 'pipe', 'inherit'] })
    const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    if ((await said.next()).value !== 'ready') throw new Error('the readers could not begin')
    const cpu = process.cpuUsage()
    const begun = performance.now()
    for (let i = 0; i < changes; i++) {
      await store.commit([putOf(i % 100, noteNow())])
      if (everyMs > 0) await systemClock.sleep(everyMs)
      else await nextTurn()
    }
    const { lines, p50, p99 } = JSON.parse((await said.next()).value as string) as Record<'lines' | 'p50' | 'p99', number>
    const took = performance.now() - begun
    const { user, system } = process.cpuUsage(cpu)
    const pace = everyMs > 0 ? `one change every ${everyMs} ms` : 'as fast as it goes'
    return [
      `${watches} over HTTP/2 and TLS, ${pace}`,
      '100',
      ((lines / took) * 1000).toFixed(0),
      ((user + system) / lines).toFixed(2),
      digits(p50),
      digits(p99),
    ]
  } finally {
    await server.close()
    await store.close()
    fs.rmSync(folder, { recursive: true })
  }
}

/** In a process of its own, so that its memory is the server's: prints one row as JSON. */
async function reportServer(folder: string, count: number): Promise<void> {
  const store = await openFileStore(path.join(folder, String(count)), { clock: systemClock, log: silentLog })
  await fill(store, count)
  await store.compact(await store.revision())
  const memory = (): string => {
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return `${((heapUsed + external) / 2 ** 20).toFixed(0)}`
  }
  const stored = memory()
  const server = await serverOver(store)
  const cached = memory()
  const timed = async (query: string): Promise<string> => {
    const begun = performance.now()
    const answer = await ask(server, query)
    if (answer.type !== 'object') throw new Error('no list')
    jsonBytes(answer.object)
    return digits(performance.now() - begun)
  }
  await timed('resourceVersion=0&limit=1')
  const all = await timed('resourceVersion=0')
  const first = await timed('resourceVersion=0&labelSelector=app%3Dapp-7')
  const again = await timed('resourceVersion=0&labelSelector=app%3Dapp-7')
  const listed = memory()
  await server.close()
  await store.close()
  console.log(JSON.stringify([String(count), stored, cached, listed, all, first, again]))
}

function serverRow(folder: string, count: number): Row {
  const script = fileURLToPath(import.meta.url)
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', script, folder, String(count)], { encoding: 'utf8' })
  if (!stdout) throw new Error(stderr)
  return JSON.parse(stdout) as Row
}

/** `npm run bench watch`: what the watch cache makes of one change for a thousand watchers, of lists, and of memory. */
export async function run(): Promise<void> {
  print('A change of 1 kB to all who watch; p50 and p99 from the request to commit it to the reader', [
    fanOutHead,
    await inProcess('in process, bytes made', 1000, 1_000, 300),
    await inProcess('in process, bytes made', 1000, 100_000, 300),
    await inProcess('in process, as tables', 1000, 1_000, 300, tableForm),
    await inProcess('in process, bytes made', 10, 1_000, 3000),
    await overHttp2(1000, 20, 200, 0),
    await overHttp2(1000, 20, 50, 100),
  ])
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-watch-'))
  try {
    print('Objects of 1 kB: MiB of heap and buffers; ms to list all as bytes, and to list a hundredth by label', [
      ['objects', 'store', 'and cache', 'after lists', 'list all', 'by label', 'once more'],
      ...[1_000, 10_000, 100_000].map((count) => serverRow(folder, count)),
    ])
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2]) await reportServer(process.argv[2], Number(process.argv[3]))
