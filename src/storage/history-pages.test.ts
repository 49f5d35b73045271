import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { silentLog } from '../host/log.ts'
import { seededRandom } from '../host/seeded-random.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import { openFileStore } from './file-store.ts'
import { MemoryStore } from './memory-store.ts'
import { type Change, CompactedError, type Store, type StoreEvent, type WatchBatch } from './store.ts'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'history-pages-'))
afterAll(() => fs.rmSync(root, { recursive: true }))

type State = ReadonlyMap<string, string>
const keyOf = (i: number): string => `/k/${String(i).padStart(2, '0')}`

/** What the clients did and saw, to be judged against the log of all changes. */
interface Observed {
  readonly commits: Map<number, { changes: readonly Change[]; after: number; atMs: number }>
  /** Lists read page by page while everything went on. */
  readonly pages: { from: number; revision: number; state: State }[]
  readonly watches: { after: number; seen: StoreEvent[] }[]
  acknowledged: number
  compacted: number
}

/**
 * Clients that write with and without a time to live, in transactions, list page by page, watch from anywhere and compact, all at
 * once, while time passes. The log is a watch begun before everything: it is judged by what was asked for, all else by it.
 */
class Clients {
  readonly #store: Store
  readonly #clock: VirtualClock
  readonly #pick: (count: number) => number
  readonly #stop = new AbortController()
  readonly #watching: Promise<void>[] = []
  readonly observed: Observed = { commits: new Map(), pages: [], watches: [], acknowledged: 0, compacted: 0 }
  readonly log: { batch: WatchBatch; atMs: number }[] = []

  constructor(store: Store, clock: VirtualClock, pick: (count: number) => number) {
    this.#store = store
    this.#clock = clock
    this.#pick = pick
  }

  async run(): Promise<void> {
    const logging = this.#follow(this.#store.watch('/', { after: 0, signal: this.#stop.signal, progress: false, previous: true }))
    const steps = [this.#write, this.#write, this.#write, this.#readPages, this.#beginWatch, this.#compact]
    const client = async (): Promise<void> => {
      for (let i = 0; i < 40; i++) await (steps[this.#pick(steps.length)] as () => Promise<void>).call(this)
    }
    const time = async (): Promise<void> => {
      for (let i = 0; i < 25; i++) await this.#clock.advance(400)
    }
    await Promise.all([...Array.from({ length: 10 }, client), time()])
    // A disk takes real time: what runs out while the store still writes what ran out before is its next turn's.
    while ((await this.#store.deadlines()).size > 0) {
      await this.#clock.advance(1_000)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    // Changes nothing, and comes after what the store itself has begun.
    await this.#store.commit([{ key: '/none', value: undefined, expect: undefined }])
    const newest = await this.#store.revision()
    while ((this.log.at(-1)?.batch.revision ?? 0) < newest) await new Promise((resolve) => setImmediate(resolve))
    this.#stop.abort()
    await Promise.all([logging, ...this.#watching])
  }

  async #follow(watch: AsyncIterable<WatchBatch>): Promise<void> {
    for await (const batch of watch) this.log.push({ batch, atMs: this.#clock.now() })
  }

  async #write(): Promise<void> {
    const keys = new Set(Array.from({ length: 1 + this.#pick(3) }, () => keyOf(this.#pick(12))))
    const changes = await Promise.all([...keys].map((key) => this.#change(key)))
    const { acknowledged: after, commits } = this.observed
    const atMs = this.#clock.now()
    const before = await this.#store.revision()
    const result = await this.#store.commit(changes)
    // What changes nothing makes no revision.
    if (result.ok && result.revision > before && !commits.has(result.revision)) commits.set(result.revision, { changes, after, atMs })
    this.observed.acknowledged = Math.max(this.observed.acknowledged, result.revision)
  }

  async #change(key: string): Promise<Change> {
    const kind = this.#pick(5)
    const expected = kind === 0 ? ((await this.#store.get(key))?.modRevision ?? 0) : undefined
    if (this.#pick(5) === 0) return { key, value: undefined, expect: expected }
    const value = Buffer.from(String(this.#pick(1_000_000)))
    return { key, value, expect: expected, ...(kind > 2 ? { ttlSeconds: 1 + this.#pick(4) } : {}) }
  }

  async #readPages(): Promise<void> {
    const from = this.observed.acknowledged
    const state = new Map<string, string>()
    let page = await this.#store.list('/', { limit: 3 })
    try {
      for (;;) {
        for (const { key, value } of page.entries) state.set(key, Buffer.from(value).toString())
        if (!page.more) break
        page = await this.#store.list('/', { limit: 3, revision: page.revision, after: page.entries.at(-1)?.key as string })
      }
    } catch (error) {
      this.#mayBeGone(error, page.revision)
      return
    }
    this.observed.pages.push({ from, revision: page.revision, state })
  }

  /** Nobody waits for it: what it waits for may never come. */
  async #beginWatch(): Promise<void> {
    this.#watching.push(this.#watch())
  }

  async #watch(): Promise<void> {
    const after = Math.max(0, this.observed.acknowledged - this.#pick(10))
    const seen: StoreEvent[] = []
    try {
      for await (const { events } of this.#store.watch('/', { after, signal: this.#stop.signal })) {
        seen.push(...events)
        if (this.#pick(3) === 0) break
      }
    } catch (error) {
      this.#mayBeGone(error, after)
    }
    if (seen.length > 0) this.observed.watches.push({ after, seen })
  }

  async #compact(): Promise<void> {
    const revision = Math.max(0, this.observed.acknowledged - this.#pick(8))
    this.observed.compacted = Math.max(this.observed.compacted, revision)
    await this.#store.compact(revision)
  }

  #mayBeGone(error: unknown, revision: number): void {
    if (!(error instanceof CompactedError)) throw error
    expect(revision, 'refused as compacted').toBeLessThan(this.observed.compacted)
  }
}

const shown = ({ revision, key, entry }: StoreEvent): string => `${revision} ${key} ${entry ? Buffer.from(entry.value).toString() : 'gone'}`

/** Goes through the log, and answers the state at each revision. */
function statesOf({ log, observed }: Clients): State[] {
  const states: State[] = [new Map()]
  const deadlines = new Map<string, number>()
  for (const { batch, atMs } of log) {
    expect(batch.revision, 'revisions follow one another').toBe(states.length)
    const state = new Map(states.at(-1))
    const asked = observed.commits.get(batch.revision)
    const changes = new Map(asked?.changes.map((change) => [change.key, change]))
    for (const { key, entry, previous } of batch.events) {
      expect(previous && Buffer.from(previous.value).toString(), `what ${key} held before ${batch.revision}`).toBe(state.get(key))
      const change = changes.get(key)
      if (change) expect(entry?.value.toString()).toBe(change.value?.toString())
      else {
        expect(entry, `revision ${batch.revision} is nobody's commit: an expiry`).toBeUndefined()
        expect(atMs, `${key} lives as long as it was to`).toBeGreaterThanOrEqual(deadlines.get(key) ?? Number.POSITIVE_INFINITY)
      }
      deadlines.delete(key)
      if (entry && asked && change?.ttlSeconds !== undefined) deadlines.set(key, asked.atMs + change.ttlSeconds * 1000)
      if (entry) state.set(key, Buffer.from(entry.value).toString())
      else state.delete(key)
    }
    if (asked) expect(batch.revision, 'a commit follows what was acknowledged before it').toBeGreaterThan(asked.after)
    states.push(state)
  }
  expect([...deadlines.keys()], 'what was to go is gone').toEqual([])
  return states
}

async function check(store: Store, clock: VirtualClock, seed: number): Promise<void> {
  const random = seededRandom(seed).float
  const clients = new Clients(store, clock, (count) => Math.floor(random() * count))
  await clients.run()
  const states = statesOf(clients)
  const { observed, log } = clients
  for (const { from, revision, state } of observed.pages) {
    expect(revision, 'pages see what was acknowledged before the first').toBeGreaterThanOrEqual(from)
    expect(state, `pages at ${revision}`).toEqual(states[revision])
  }
  const all = log.flatMap(({ batch }) => batch.events)
  for (const { after, seen } of observed.watches) {
    const expected = all.filter(({ revision }) => revision > after).slice(0, seen.length)
    expect(seen.map(shown), `a watch after ${after}`).toEqual(expected.map(shown))
  }
  expect(
    all.some(({ revision }) => !observed.commits.has(revision)),
    'something has expired',
  ).toBe(true)
  expect(observed.pages.length * observed.watches.length).toBeGreaterThan(0)
}

describe('pages, watches, compaction and times to live at once', () => {
  const seeds = process.env.STORE_SEED ? [Number(process.env.STORE_SEED)] : [1, 2, 3, 4, 5]
  test.each(seeds)('memory, seed %i', async (seed) => {
    const clock = new VirtualClock()
    const store = new MemoryStore({ clock })
    await check(store, clock, seed)
    await store.close()
  })
  test.each(seeds)('file, seed %i', async (seed) => {
    const clock = new VirtualClock()
    const store = await openFileStore(fs.mkdtempSync(path.join(root, 'f-')), { clock, log: silentLog }, { snapshotAfterBytes: 4000 })
    await check(store, clock, seed)
    await store.close()
  })
})
