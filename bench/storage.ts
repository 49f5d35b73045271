import { spawnSync } from 'node:child_process'
import { EventEmitter, on } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../src/host/clock.ts'
import { silentLog } from '../src/host/log.ts'
import { openFileStore } from '../src/storage/file-store.ts'
import { MemoryStore } from '../src/storage/memory-store.ts'
import type { Store } from '../src/storage/store.ts'

const deps = { clock: systemClock, log: silentLog }
const kilobyte = Buffer.alloc(1000, 'x')
const keyOf = (i: number): string => `/registry/pods/default/pod-${String(i).padStart(7, '0')}`

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

type Row = readonly (string | number)[]

function print(title: string, rows: readonly Row[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)))
  const lines = rows.map((row) =>
    row.map((cell, i) => (i ? String(cell).padStart(widths[i]!) : String(cell).padEnd(widths[i]!))).join('  '),
  )
  console.log(`\n${title}\n${lines.join('\n')}`)
}

/** What the disk itself does: 1 kB appended and synced, one after the other. */
function rawSyncs(directory: string, count: number): number {
  const fd = fs.openSync(path.join(directory, 'raw'), 'w')
  const begun = performance.now()
  for (let i = 0; i < count; i++) {
    fs.writeSync(fd, kilobyte)
    fs.fdatasyncSync(fd)
  }
  const took = performance.now() - begun
  fs.closeSync(fd)
  return (count / took) * 1000
}

async function writes(store: Store, writers: number, total: number, keys: number): Promise<Row> {
  const times: number[] = []
  let next = 0
  const begun = performance.now()
  const writer = async (): Promise<void> => {
    while (next < total) {
      const key = keyOf(Math.imul(next++, 7919) % keys)
      const from = performance.now()
      await store.commit([{ key, value: Buffer.from(kilobyte), expect: undefined }])
      times.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: writers }, writer))
  const rate = (total / (performance.now() - begun)) * 1000
  times.sort((a, b) => a - b)
  return [writers, keys, Math.round(rate), percentile(times, 0.5).toFixed(2), percentile(times, 0.99).toFixed(2)]
}

async function fill(store: Store, keys: number): Promise<void> {
  for (let i = 0; i < keys; i += 1000) {
    const changes = Array.from({ length: Math.min(1000, keys - i) }, (_, j) => ({
      key: keyOf(i + j),
      value: Buffer.from(kilobyte),
      expect: undefined,
    }))
    await store.commit(changes)
  }
}

/** What any engine has to do at least: bring the files into memory. */
function readFiles(directory: string): number {
  const begun = performance.now()
  for (const name of fs.readdirSync(directory)) if (/^(log|snapshot)-/.test(name)) fs.readFileSync(path.join(directory, name))
  return performance.now() - begun
}

/** In a process of its own, so that its memory is the store's. */
async function openAndReport(directory: string): Promise<void> {
  const read = readFiles(directory)
  globalThis.gc?.()
  const before = process.memoryUsage()
  const begun = performance.now()
  const store = await openFileStore(directory, deps)
  const opened = performance.now() - begun
  globalThis.gc?.()
  const after = process.memoryUsage()
  const listBegun = performance.now()
  await store.list('/registry/', { limit: 10_000 })
  const listed = performance.now() - listBegun
  const { entries } = await store.list('')
  const objects = entries.reduce((sum, { key, value }) => sum + key.length + value.byteLength, 0)
  await store.close()
  const memory = after.heapUsed + after.external - before.heapUsed - before.external
  console.log(JSON.stringify({ keys: entries.length, opened, read, memory, objects, rss: after.rss, listed }))
}

function openTimes(directory: string): Row {
  const script = fileURLToPath(import.meta.url)
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', script, directory], { encoding: 'utf8' })
  if (!stdout) throw new Error(stderr)
  const { keys, opened, read, memory, objects, rss, listed } = JSON.parse(stdout) as Record<string, number>
  const mib = (bytes = 0): string => (bytes / 2 ** 20).toFixed(0)
  return [keys!, opened!.toFixed(0), read!.toFixed(0), mib(memory), mib(objects), mib(rss), listed!.toFixed(1)]
}

async function fanOut(watchers: number, keys: number, changes: number): Promise<Row> {
  const store = new MemoryStore()
  await fill(store, keys)
  const after = await store.revision()
  const stop = new AbortController()
  let delivered = 0
  const read = async (): Promise<void> => {
    for await (const batch of store.watch('/registry/', { after, signal: stop.signal, progress: false })) delivered += batch.events.length
  }
  const readers = Array.from({ length: watchers }, read)
  const cpu = process.cpuUsage()
  const begun = performance.now()
  for (let i = 0; i < changes; i++) await store.commit([{ key: keyOf(Math.imul(i, 7919) % keys), value: kilobyte, expect: undefined }])
  while (delivered < watchers * changes) await new Promise((resolve) => setImmediate(resolve))
  const took = performance.now() - begun
  const { user, system } = process.cpuUsage(cpu)
  stop.abort()
  await Promise.all(readers)
  await store.close()
  return [watchers, keys, Math.round((delivered / took) * 1000), ((user + system) / delivered).toFixed(2)]
}

/** The same by what Node itself has for it: an emitter, each reader an iterator over its events. */
async function fanOutOfNode(watchers: number, changes: number): Promise<Row> {
  const emitter = new EventEmitter().setMaxListeners(watchers)
  const stop = new AbortController()
  let delivered = 0
  const read = async (): Promise<void> => {
    for await (const _ of on(emitter, 'change', { signal: stop.signal })) delivered++
  }
  const readers = Array.from({ length: watchers }, () => read().catch(() => {})) // aborted: that is its end
  const cpu = process.cpuUsage()
  const begun = performance.now()
  for (let i = 0; i < changes; i++) {
    emitter.emit('change', i)
    await null
  }
  while (delivered < watchers * changes) await new Promise((resolve) => setImmediate(resolve))
  const took = performance.now() - begun
  const { user, system } = process.cpuUsage(cpu)
  stop.abort()
  await Promise.all(readers)
  return [`${watchers}, Node's emitter`, '', Math.round((delivered / took) * 1000), ((user + system) / delivered).toFixed(2)]
}

/** `npm run bench storage`: the embedded store beside the raw rate of the same disk, on the folder STORE_BENCH_DIR (default: the temporary folder). */
export async function run(): Promise<void> {
  const directory = fs.mkdtempSync(path.join(process.env.STORE_BENCH_DIR ?? os.tmpdir(), 'bench-store-'))
  try {
    const raw = rawSyncs(directory, 2000)
    const rows: Row[] = [['writers', 'keys', 'writes/s', 'p50 ms', 'p99 ms']]
    const opens: Row[] = [['keys', 'open ms', 'files read ms', 'memory MiB', 'objects MiB', 'rss MiB', 'list 10k ms']]
    for (const keys of [1_000, 10_000, 100_000]) {
      const folder = path.join(directory, String(keys))
      const store = await openFileStore(folder, deps)
      await fill(store, keys)
      for (const [writers, total] of [
        [1, 3_000],
        [16, 20_000],
        [128, 60_000],
      ] as const)
        rows.push(await writes(store, writers, total, keys))
      await store.close()
      opens.push(openTimes(folder))
    }
    print(`Durable writes of 1 kB (raw write + fdatasync on this disk, one at a time: ${Math.round(raw)}/s)`, rows)
    print('Opening, memory and a list of 10,000, in a new process', opens)
    print('Fan-out of changes to watchers, in memory', [
      ['watchers', 'keys', 'delivered/s', 'µs CPU each'],
      await fanOut(1000, 1_000, 1_000),
      await fanOut(1000, 100_000, 1_000),
      await fanOutOfNode(1000, 1_000),
      await fanOut(10, 1_000, 20_000),
      await fanOut(10, 100_000, 20_000),
    ])
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2]) await openAndReport(process.argv[2])
