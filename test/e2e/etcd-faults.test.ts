import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { silentLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import { seededRandom } from '../../src/host/seeded-random.ts'
import { openEtcdStore } from '../../src/storage/etcd/etcd-store.ts'
import { type Change, type Store, type StoreEvent, UnavailableError, UnknownOutcomeError } from '../../src/storage/store.ts'
import { type EtcdCluster, type EtcdMember, hasEtcd, startEtcd } from '../../src/storage/testing/etcd-server.ts'

const seed = Number(process.env.STORE_SEED ?? 1)
const rounds = Number(process.env.ETCD_FAULT_ROUNDS ?? 5)
const deps = { clock: systemClock, random: systemRandom, log: silentLog }

/** What the clients were told, by the text that each of their commits alone writes. */
interface Told {
  readonly acknowledged: Map<number, readonly Change[]>
  readonly unknown: Set<string>
  readonly refused: Set<string>
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
        const now = await store.get(key)
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
    } catch (error) {
      if (error instanceof UnknownOutcomeError) told.unknown.add(text)
      else if (error instanceof UnavailableError) told.refused.add(text)
      else throw error
    }
  }
}

async function leaderOf(etcd: EtcdCluster): Promise<EtcdMember> {
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
async function logOf(store: Store, after: number, until: Promise<number>): Promise<StoreEvent[]> {
  const log: StoreEvent[] = []
  let end = Number.POSITIVE_INFINITY
  let seen = after
  const stop = new AbortController()
  void until.then((revision) => {
    end = revision
    if (seen >= end) stop.abort()
  })
  for await (const batch of store.watch('/', { after, signal: stop.signal })) {
    log.push(...batch.events)
    seen = batch.revision
    if (seen >= end) break
  }
  return log
}

describe.skipIf(!hasEtcd)('three members of etcd (Debian package etcd-server)', () => {
  let etcd: EtcdCluster
  beforeAll(async () => {
    etcd = await startEtcd(3)
  })
  afterAll(() => etcd.remove())

  const faults: readonly { name: string; inflict: (random: () => number) => Promise<void> }[] = [
    {
      name: 'kill the leader',
      async inflict() {
        const leader = await leaderOf(etcd)
        await leader.kill()
        await systemClock.sleep(3_000)
        leader.start()
      },
    },
    {
      name: 'stop the leader for a while',
      async inflict() {
        const leader = await leaderOf(etcd)
        leader.pause()
        await systemClock.sleep(4_000)
        leader.resume()
      },
    },
    {
      name: 'stop any member for a while',
      async inflict(random) {
        const member = etcd.members[Math.floor(random() * etcd.members.length)] as EtcdMember
        member.pause()
        await systemClock.sleep(4_000)
        member.resume()
      },
    },
    {
      name: 'kill two, so that nobody leads',
      async inflict() {
        const [one, two] = etcd.members as readonly [EtcdMember, EtcdMember]
        await Promise.all([one.kill(), two.kill()])
        await systemClock.sleep(3_000)
        one.start()
        two.start()
      },
    },
  ]

  test(`no acknowledged write is lost, no refused one appears, and every watcher sees the same history (seed ${seed})`, async () => {
    const random = seededRandom(seed).float
    const options = { endpoints: etcd.endpoints, tls: {}, prefix: '/ownkube' }
    const stores = [
      await openEtcdStore(options, deps),
      await openEtcdStore({ ...options, endpoints: etcd.endpoints.toReversed() }, deps),
    ] as const
    const begin = await stores[0].revision()
    const told: Told = { acknowledged: new Map(), unknown: new Set(), refused: new Set() }
    const stop = new AbortController()
    let finish: (revision: number) => void = () => {}
    const finished = new Promise<number>((resolve) => {
      finish = resolve
    })
    const watchers = stores.map((store) => logOf(store, begin, finished))
    const clients = Array.from({ length: 12 }, (_, i) => client(stores[i % 2] as Store, `c${i}`, random, told, stop.signal))

    for (let round = 0; round < rounds; round++) {
      await faults[round % faults.length]?.inflict(random)
      const before = told.acknowledged.size
      while (told.acknowledged.size < before + 20) await systemClock.sleep(50)
    }
    stop.abort()
    await Promise.all(clients)
    const end = await stores[0].revision()
    finish(end)
    const logs = await Promise.all(watchers)

    const shown = (event: StoreEvent): string => `${event.revision} ${event.key} ${event.entry ? textOf(event.entry) : '-'}`
    expect(logs[1]?.map(shown)).toEqual(logs[0]?.map(shown))
    const log = logs[0] as StoreEvent[]
    checkTold(log, told)
    const state = new Map<string, { text: string; revision: number }>()
    for (const { key, entry, previous, revision } of log) {
      expect(previous?.modRevision, `what ${key} held before ${revision}`).toBe(state.get(key)?.revision)
      if (entry) state.set(key, { text: textOf(entry), revision })
      else state.delete(key)
    }
    const { entries } = await stores[1].list('/')
    expect(entries.map((entry) => [entry.key, textOf(entry), entry.modRevision])).toEqual(
      [...state].map(([key, { text, revision }]) => [key, text, revision]).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    )
    console.log(`acknowledged ${told.acknowledged.size}, unknown ${told.unknown.size}, refused ${told.refused.size}, seed ${seed}`)
    await Promise.all(stores.map((store) => store.close()))
  })
})

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
