import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { issueCertificate, makeAuthority } from '../../cluster/issue-certificate.ts'
import { systemClock } from '../../host/clock.ts'
import { silentLog } from '../../host/log.ts'
import { systemRandom } from '../../host/random.ts'
import { VirtualClock } from '../../host/virtual-clock.ts'
import { CompactedError, type Store, StoreClosedError, UnavailableError } from '../store.ts'
import { storeContract } from '../store-contract.ts'
import { type EtcdCluster, hasEtcd, startEtcd } from '../testing/etcd-server.ts'
import { fromZero } from '../testing/from-zero.ts'
import { type EtcdOptions, openEtcdStore } from './etcd-store.ts'

const deps = { clock: systemClock, random: systemRandom, log: silentLog }

describe.skipIf(!hasEtcd)('etcd (Debian package etcd-server)', () => {
  let etcd: EtcdCluster
  let count = 0
  const opened: Store[] = []
  beforeAll(async () => {
    etcd = await startEtcd(1)
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()))
  })
  afterAll(() => etcd.remove())

  const newPrefix = (): string => `/test-${count++}`
  async function open(prefix: string, options: Partial<EtcdOptions> = {}): Promise<Store> {
    const store = await openEtcdStore({ endpoints: etcd.endpoints, tls: {}, prefix, ...options }, deps)
    opened.push(store)
    return store
  }
  const etcdctl = (...args: string[]): string =>
    execFileSync('etcdctl', ['--endpoints', etcd.endpoints[0] as string, ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, ETCDCTL_API: '3' },
    })

  // Nothing but the suite writes: no key of our own may come between the revisions it counts.
  storeContract('etcd', async (options) =>
    fromZero(await openEtcdStore({ endpoints: etcd.endpoints, tls: {}, prefix: newPrefix(), progressAfterMs: 10_000, ...options }, deps)),
  )

  test('keys and values are such as etcdctl shows', async () => {
    const prefix = newPrefix()
    const store = await open(prefix)
    await store.commit([{ key: '/registry/core/pods/default/web-1', value: Buffer.from('{"kind":"Pod"}'), expect: 0 }])
    expect(etcdctl('get', '--prefix', `${prefix}/`)).toBe(`${prefix}/registry/core/pods/default/web-1\n{"kind":"Pod"}\n`)
    await expect(store.commit([{ key: 'no-slash', value: Buffer.from(''), expect: 0 }])).rejects.toThrow(RangeError)
  })

  test('clusters whose prefixes begin alike keep apart', async () => {
    const prefix = newPrefix()
    const [one, other] = [await open(prefix), await open(`${prefix}0`)]
    await other.commit([{ key: '/a', value: Buffer.from('other'), expect: 0 }])
    await one.commit([{ key: '/a', value: Buffer.from('one'), expect: 0 }])
    expect((await one.list('')).entries.map(({ value }) => value.toString())).toEqual(['one'])
    await one.healthy()
    expect(one.metrics().keys).toBe(1)
  })

  test('what others write to etcd does not keep readers from learning that they have caught up', async () => {
    const store = await open(newPrefix())
    const stop = new AbortController()
    const watch = store.watch('/', { after: await store.revision(), signal: stop.signal })[Symbol.asyncIterator]()
    etcdctl('put', '/elsewhere', 'x')
    const now = await store.revision()
    for (let told = 0; told < now; ) {
      const { value } = await watch.next()
      expect(value.events).toEqual([])
      told = value.revision
    }
    stop.abort()
    await store.healthy()
  })

  test('two stores on one prefix: each sees the other’s writes, in the same order', async () => {
    const prefix = newPrefix()
    const stores = [await open(prefix), await open(prefix)] as const
    const after = await stores[0].revision()
    const write = async (store: Store, name: string): Promise<void> => {
      for (let i = 0; i < 30; i++) await store.commit([{ key: `/${name}/${i}`, value: Buffer.from(name), expect: 0 }])
    }
    await Promise.all([write(stores[0], 'a'), write(stores[1], 'b')])
    const seen = await Promise.all(
      stores.map(async (store) => {
        const found: string[] = []
        for await (const { events } of store.watch('/', { after, signal: new AbortController().signal })) {
          found.push(...events.map(({ revision, key }) => `${revision} ${key}`))
          if (found.length === 60) break
        }
        return found
      }),
    )
    expect(new Set(seen[0]).size).toBe(60)
    expect(seen[1]).toEqual(seen[0])
    await Promise.all(stores.map((store) => store.healthy()))
    expect(stores.map((store) => store.metrics().keys)).toEqual([60, 60])
  })

  test('long lists come in pages, at one revision', async () => {
    const store = await open(newPrefix())
    const value = Buffer.alloc(1000, 'x')
    for (let i = 0; i < 3000; i += 100)
      await store.commit(Array.from({ length: 100 }, (_, j) => ({ key: `/k/${String(i + j).padStart(5, '0')}`, value, expect: 0 })))
    const listing = store.list('/k/')
    const removing = store.commit([{ key: '/k/02999', value: undefined, expect: undefined }])
    const { entries, more, remaining, revision } = await listing
    const removed = await removing
    expect([entries.length, more, remaining]).toEqual([revision >= removed.revision ? 2999 : 3000, false, 0])
    expect(entries.map(({ key }) => key)).toEqual([...new Set(entries.map(({ key }) => key))].sort())
    expect(await store.list('/k/', { limit: 700 })).toMatchObject({ more: true, remaining: 2299 })
  })

  test('a watch that etcd can’t go on with ends with the reason, and the store goes on', async () => {
    const prefix = newPrefix()
    const store = await open(prefix)
    const begin = await store.revision()
    for (let i = 0; i < 5; i++) await store.commit([{ key: '/a', value: Buffer.from(String(i)), expect: undefined }])
    const other = await open(prefix)
    const gone = await other.revision()
    await other.compact(gone)
    await expect(store.watch('/', { after: begin, signal: new AbortController().signal })[Symbol.asyncIterator]().next()).rejects.toThrow(
      CompactedError,
    )
    await expect(store.get('/a', { revision: begin })).rejects.toMatchObject({ oldest: gone })
    await store.healthy()
  })

  test('of several servers one compacts, every five minutes, what is five minutes old', async () => {
    const prefix = newPrefix()
    const clock = new VirtualClock(0)
    const timers = {
      ...systemClock,
      sleep: (ms: number, signal?: AbortSignal) => (ms > 60_000 ? clock.sleep(ms, signal) : systemClock.sleep(ms, signal)),
    }
    const stores = await Promise.all(
      [1, 2].map(() => openEtcdStore({ endpoints: etcd.endpoints, tls: {}, prefix }, { ...deps, clock: timers })),
    )
    opened.push(...stores)
    const rounds = (): number => Number(/"version":(\d+)/.exec(etcdctl('get', `${prefix}.compaction`, '-w', 'json'))?.[1] ?? 0)
    const compacted = (): number => Math.max(...stores.map((store) => store.metrics().compactedRevision))
    const passes = async (round: number): Promise<void> => {
      await clock.advance(5 * 60_000)
      while (rounds() < round) await systemClock.sleep(10)
    }
    await passes(1)
    expect(compacted()).toBe(0)
    const [store] = stores as [Store, Store]
    const { revision } = await store.commit([{ key: '/a', value: Buffer.from('1'), expect: 0 }])
    await passes(2)
    while (compacted() === 0) await systemClock.sleep(10)
    expect(compacted()).toBeLessThan(revision)
    expect((await store.list('/', { revision })).entries.length).toBe(1)
    await expect(store.list('/', { revision: compacted() - 1 })).rejects.toThrow(CompactedError)
  })

  test('an etcd that is not there: the error says so, within its time', async () => {
    const nowhere = openEtcdStore({ endpoints: ['http://127.0.0.1:1', 'http://127.0.0.1:2'], tls: {}, prefix: '/x', patienceMs: 500 }, deps)
    await expect(nowhere).rejects.toThrow(UnavailableError)
  })
})

describe.skipIf(!hasEtcd)('etcd over TLS (Debian package etcd-server)', () => {
  test('each side shows its certificate; without one there is no way in', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'etcd-tls-'))
    const from = Date.now() - 60_000
    const until = Date.now() + 3_600_000
    const authority = await makeAuthority({ commonName: 'etcd-ca', notBefore: from, notAfter: until })
    const issue = (commonName: string, usage: 'server' | 'client') =>
      issueCertificate(authority, {
        commonName,
        organizations: [],
        usage,
        dnsNames: ['localhost'],
        addresses: ['127.0.0.1'],
        notBefore: from,
        notAfter: until,
      })
    const [server, client] = [await issue('etcd', 'server'), await issue('ownkube', 'client')]
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text, { mode: 0o600 })
      return join(folder, name)
    }
    const etcd = await startEtcd(1, {
      tls: { ca: file('ca.crt', authority.cert), cert: file('server.crt', server.cert), key: file('server.key', server.key) },
    })
    try {
      const options = { endpoints: etcd.endpoints, prefix: '/ownkube' }
      const store = await openEtcdStore({ ...options, tls: { ca: authority.cert, ...client } }, deps)
      expect(await store.commit([{ key: '/a', value: Buffer.from('1'), expect: 0 }])).toMatchObject({ ok: true })
      await store.close()
      await expect(store.get('/a')).rejects.toThrow(StoreClosedError)
      await expect(openEtcdStore({ ...options, tls: { ca: authority.cert }, patienceMs: 1_000 }, deps)).rejects.toThrow(UnavailableError)
    } finally {
      await etcd.remove()
      rmSync(folder, { recursive: true })
    }
  })
})
