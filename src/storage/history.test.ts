import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { systemClock } from '../host/clock.ts'
import { silentLog } from '../host/log.ts'
import { systemRandom } from '../host/random.ts'
import { seededRandom } from '../host/seeded-random.ts'
import { openEtcdStore } from './etcd/etcd-store.ts'
import { openFileStore } from './file-store.ts'
import { MemoryStore } from './memory-store.ts'
import type { Change, Store } from './store.ts'
import { hasEtcd, startEtcd } from './testing/etcd-server.ts'
import { fromZero } from './testing/from-zero.ts'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'history-'))
afterAll(() => fs.rmSync(root, { recursive: true }))

type State = ReadonlyMap<string, { value: string; modRevision: number }>

/** The store as dumb as can be: a whole copy of everything at each revision. */
class Model {
  readonly states: State[] = [new Map()]

  apply(changes: readonly Change[], revision: number): void {
    expect(revision, 'revisions follow one another').toBe(this.states.length)
    const state = new Map(this.states.at(-1)!)
    for (const { key, value, expect: expected } of changes) {
      if (expected !== undefined) expect(state.get(key)?.modRevision ?? 0, `expectation on ${key} at ${revision}`).toBe(expected)
      if (value) state.set(key, { value: value.toString(), modRevision: revision })
      else state.delete(key)
    }
    this.states.push(state)
  }
}

interface Observed {
  /** Newest revision acknowledged to anyone before the read began, and what could at most be acknowledged when it ended. */
  readonly from: number
  readonly revision: number
  readonly state: State
}

const stateOf = (entries: readonly { key: string; value: Uint8Array; modRevision: number }[]): State =>
  new Map(entries.map((entry) => [entry.key, { value: entry.value.toString(), modRevision: entry.modRevision }]))

/** Clients that write, compare-and-swap, delete and read at once, all by one seed; then every answer is judged by the model. */
async function checkHistory(store: Store, seed: number): Promise<void> {
  const random = seededRandom(seed).float
  const pick = (count: number): number => Math.floor(random() * count)
  const commits = new Map<number, readonly Change[]>()
  const reads: Observed[] = []
  let acknowledged = 0
  const stop = new AbortController()
  const watched = store.watch('/', { after: 0, signal: stop.signal, previous: true })

  const write = async (): Promise<void> => {
    const changes: Change[] = []
    for (let i = 0; i <= pick(3); i++) {
      const key = `/${i}/${pick(4)}`
      const now = await store.get(key)
      const value = pick(4) === 0 ? undefined : Buffer.from(String(pick(1_000_000)))
      if (!value && !now) continue
      changes.push({ key, value, expect: pick(3) === 0 && value ? undefined : (now?.modRevision ?? 0) })
    }
    if (changes.length === 0) return
    const result = await store.commit(changes)
    if (result.ok) {
      expect(commits.has(result.revision), `revision ${result.revision} given twice`).toBe(false)
      commits.set(result.revision, changes)
    } else
      for (const [key, entry] of result.conflicts)
        expect(entry?.modRevision ?? 0).not.toBe(changes.find((change) => change.key === key)?.expect)
    acknowledged = Math.max(acknowledged, result.revision)
  }
  const read = async (): Promise<void> => {
    const from = acknowledged
    const { entries, revision } = await store.list('/')
    reads.push({ from, revision, state: stateOf(entries) })
  }
  const client = async (): Promise<void> => {
    for (let i = 0; i < 40; i++) await (pick(3) === 0 ? read() : write())
  }
  await Promise.all(Array.from({ length: 12 }, client))

  const model = new Model()
  for (const revision of [...commits.keys()].sort((a, b) => a - b)) model.apply(commits.get(revision)!, revision)
  expect(await store.revision()).toBe(commits.size)
  for (const { from, revision, state } of reads) {
    expect(revision, 'a read sees what was acknowledged before it').toBeGreaterThanOrEqual(from)
    expect(state, `the state at ${revision}`).toEqual(model.states[revision])
  }
  for (let revision = 0; revision <= commits.size; revision += 1 + pick(10))
    expect(stateOf((await store.list('/', { revision })).entries)).toEqual(model.states[revision])

  const replayed = new Map<string, { value: string; modRevision: number }>()
  for await (const batch of watched) {
    for (const { key, entry, previous } of batch.events) {
      expect(replayed.get(key)?.modRevision).toBe(previous?.modRevision)
      if (entry) replayed.set(key, { value: entry.value.toString(), modRevision: entry.modRevision })
      else replayed.delete(key)
    }
    expect(replayed, `the watch at ${batch.revision}`).toEqual(model.states[batch.revision])
    if (batch.revision === commits.size) break
  }
  stop.abort()
  await checkCompaction(store, model, pick)
}

/** Compacts step by step: what is still to be read stays as it was, and in the end nothing but the newest values is held. */
async function checkCompaction(store: Store, model: Model, pick: (count: number) => number): Promise<void> {
  const newest = model.states.length - 1
  for (let compacted = 0; compacted < newest; ) {
    compacted = Math.min(newest, compacted + 1 + pick(newest / 4))
    await store.compact(compacted)
    for (let revision = compacted; revision <= newest; revision += 1 + pick(5)) {
      expect(stateOf((await store.list('/', { revision })).entries), `${revision}, compacted to ${compacted}`).toEqual(
        model.states[revision],
      )
      for (const key of ['/0/0', '/1/1', '/2/2'])
        expect((await store.get(key, { revision }))?.modRevision).toBe(model.states[revision]!.get(key)?.modRevision)
    }
  }
  if (!store.metrics().bytesInMemory) return // it is elsewhere: in etcd
  const { entries } = await store.list('')
  expect(store.metrics().bytesInMemory).toBe(entries.reduce((sum, { key, value }) => sum + key.length + value.byteLength, 0))
}

describe('a concurrent history is one that a single writer could have had', () => {
  const seeds = process.env.STORE_SEED ? [Number(process.env.STORE_SEED)] : [1, 2, 3, 4, 5]
  for (const seed of seeds) {
    test(`memory, seed ${seed}`, async () => {
      const store = new MemoryStore()
      await checkHistory(store, seed)
      await store.close()
    })
    test(`file, seed ${seed}`, async () => {
      const deps = { clock: systemClock, log: silentLog }
      const folder = fs.mkdtempSync(path.join(root, 'folder-'))
      const store = await openFileStore(folder, deps, { snapshotAfterBytes: 4000 })
      await checkHistory(store, seed)
      const before = await store.list('')
      await store.close()
      const again = await openFileStore(folder, deps)
      expect(stateOf((await again.list('')).entries)).toEqual(stateOf(before.entries))
      expect(await again.revision()).toBe(before.revision)
      await again.close()
    })
    test.skipIf(!hasEtcd)(`etcd (Debian package etcd-server), seed ${seed}`, async () => {
      const etcd = await startEtcd(1)
      const options = { endpoints: etcd.endpoints, tls: {}, prefix: '/ownkube', progressAfterMs: 2_000 }
      const store = await fromZero(await openEtcdStore(options, { clock: systemClock, random: systemRandom, log: silentLog }))
      await checkHistory(store, seed)
      await store.close()
      await etcd.remove()
    })
  }
})
