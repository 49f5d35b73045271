import { execFileSync } from 'node:child_process'
import { expect } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { type Change, type Entry, type Store, type StoreEvent, UnavailableError, UnknownOutcomeError } from '../../src/storage/store.ts'
import type { EtcdCluster, EtcdMember } from '../../src/storage/testing/etcd-server.ts'

/** What the clients were told, by the text that each of their commits alone writes. */
export interface Told {
  readonly acknowledged: Map<number, readonly Change[]>
  readonly unknown: Set<string>
  readonly refused: Set<string>
  /** The newest revision acknowledged to anybody: what every read that begins later must have reached. */
  newest: number
}

const textOf = (change: Pick<Change, 'value'>): string => (change.value ? Buffer.from(change.value).toString() : '-')

/** Creates, updates and deletes by compare-and-swap until the signal, and notes every answer. */
async function client(store: Store, name: string, random: () => number, told: Told, signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; n++) {
    const text = `${name}-${n}`
    try {
      const changes: Change[] = []
      for (const slot of new Set([Math.floor(random() * 30), Math.floor(random() * 30)])) {
        const key = `/k/${slot}`
        const now = random() < 0.5 ? await store.get(key) : await listed(store, key, told)
        const value = now && random() < 0.2 ? undefined : Buffer.from(text)
        changes.push({ key, value, expect: now?.modRevision ?? 0 })
      }
      // A deletion leaves no text to know a commit by; and what expects nothing is never tried again by the store itself.
      if (random() < 0.3 || changes.every(({ value }) => !value))
        changes.push({ key: `/mark/${name}`, value: Buffer.from(text), expect: undefined })
      const result = await store.commit(changes)
      if (!result.ok) {
        told.refused.add(text)
        continue
      }
      expect(told.acknowledged.has(result.revision), `revision ${result.revision} given twice`).toBe(false)
      told.acknowledged.set(result.revision, changes)
      told.newest = Math.max(told.newest, result.revision)
    } catch (error) {
      if (error instanceof UnknownOutcomeError) told.unknown.add(text)
      else if (error instanceof UnavailableError) told.refused.add(text)
      else throw error
    }
  }
}

/** The same by a list, which tells how far the store was: never less than anybody had been told before. */
async function listed(store: Store, key: string, told: Told): Promise<Entry | undefined> {
  const from = told.newest
  const { entries, revision } = await store.list('/k/')
  expect(revision, 'a stale read').toBeGreaterThanOrEqual(from)
  return entries.find((entry) => entry.key === key)
}

export async function leaderOf(etcd: EtcdCluster): Promise<EtcdMember> {
  for (;;) {
    for (const member of etcd.members) {
      try {
        const args = ['--endpoints', member.clientUrl, '--command-timeout=1s', 'endpoint', 'status', '-w', 'json']
        const [found] = JSON.parse(
          execFileSync('etcdctl', args, { encoding: 'utf8', stdio: 'pipe', env: { PATH: process.env.PATH, ETCDCTL_API: '3' } }),
        )
        if (found?.Status.leader && found.Status.leader === found.Status.header.member_id) return member
      } catch {
        // It is down, or has no answer now: another may be the leader.
      }
    }
    await systemClock.sleep(100)
  }
}

/** Reads what the store tells until `until` revisions say so, as one log. */
async function logOf(store: Store, after: number, until: Promise<number>, previous: boolean): Promise<StoreEvent[]> {
  const log: StoreEvent[] = []
  let end = Number.POSITIVE_INFINITY
  let seen = after
  const stop = new AbortController()
  void until.then((revision) => {
    end = revision
    if (seen >= end) stop.abort()
  })
  for await (const batch of store.watch('/', { after, signal: stop.signal, previous })) {
    log.push(...batch.events)
    seen = batch.revision
    if (seen >= end) break
  }
  return log
}

/** Every revision in the log is a commit that was acknowledged at it, or one of those whose outcome was not known, whole. */
function checkTold(log: readonly StoreEvent[], told: Told): void {
  const byRevision = Map.groupBy(log, ({ revision }) => revision)
  for (const [revision, changes] of told.acknowledged) {
    const wanted = changes.map((change) => `${change.key} ${textOf(change)}`)
    const found = (byRevision.get(revision) ?? []).map(({ key, entry }) => `${key} ${entry ? textOf(entry) : '-'}`)
    expect(found, `the commit acknowledged at ${revision}`).toEqual(wanted)
  }
  const unknown = new Set(told.unknown)
  for (const [revision, events] of byRevision) {
    if (told.acknowledged.has(revision)) continue
    const put = events.find(({ entry }) => entry)?.entry
    const text = put ? textOf(put) : ''
    expect(told.refused.has(text), `${text} was refused, and yet took place at ${revision}`).toBe(false)
    expect(unknown.delete(text), `${text} at ${revision} was acknowledged to nobody`).toBe(true)
  }
}

/** All watchers, the first of whom asked for previous values, saw the same history; it holds what clients were told, and what the store has is where it ends. */
async function checkHistory(before: readonly Entry[], logs: readonly (readonly StoreEvent[])[], told: Told, store: Store): Promise<void> {
  const shown = (event: StoreEvent): string => `${event.revision} ${event.key} ${event.entry ? textOf(event.entry) : '-'}`
  for (const log of logs.slice(1)) expect(log.map(shown)).toEqual(logs[0]?.map(shown))
  const log = logs[0] as StoreEvent[]
  checkTold(log, told)
  const state = new Map(before.map((entry) => [entry.key, { text: textOf(entry), revision: entry.modRevision }]))
  for (const { key, entry, previous, revision } of log) {
    expect(previous?.modRevision, `what ${key} held before ${revision}`).toBe(state.get(key)?.revision)
    if (entry) state.set(key, { text: textOf(entry), revision })
    else state.delete(key)
  }
  const { entries } = await store.list('/')
  expect(entries.map((entry) => [entry.key, textOf(entry), entry.modRevision])).toEqual(
    [...state].map(([key, { text, revision }]) => [key, text, revision]).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  )
}

/**
 * Clients of all stores at once while `inflict` does its worst, watchers of each from before it to after it; then everything that
 * anybody was told is held against the history.
 */
export async function underFire(stores: readonly Store[], random: () => number, inflict: (told: Told) => Promise<void>): Promise<Told> {
  const [first] = stores as readonly [Store]
  const before = await first.list('/')
  const told: Told = { acknowledged: new Map(), unknown: new Set(), refused: new Set(), newest: 0 }
  const stop = new AbortController()
  let finish: (revision: number) => void = () => {}
  const finished = new Promise<number>((resolve) => {
    finish = resolve
  })
  const watchers = stores.map((store, i) => logOf(store, before.revision, finished, i === 0))
  const clients = Promise.all(
    Array.from({ length: 12 }, (_, i) => client(stores[i % stores.length] as Store, `c${i}`, random, told, stop.signal)),
  )
  await Promise.race([inflict(told), clients])
  stop.abort()
  await clients
  finish(await first.revision())
  await checkHistory(before.entries, await Promise.all(watchers), told, stores.at(-1) as Store)
  return told
}

/** Until so many commits more have been acknowledged. */
export async function goesOn(told: Told, commits = 20): Promise<void> {
  const before = told.acknowledged.size
  while (told.acknowledged.size < before + commits) await systemClock.sleep(50)
}
