import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { silentLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import { seededRandom } from '../../src/host/seeded-random.ts'
import { openEtcdStore } from '../../src/storage/etcd/etcd-store.ts'
import { type Store, UnavailableError } from '../../src/storage/store.ts'
import { type EtcdCluster, hasEtcd, startEtcd } from '../../src/storage/testing/etcd-server.ts'
import { EtcdNetwork, type Party } from './etcd-network.ts'
import { goesOn, leaderOf, underFire } from './etcd-scene.ts'

const seed = Number(process.env.STORE_SEED ?? 1)
const deps = { clock: systemClock, random: systemRandom, log: silentLog }
/** Longer than an election and than every timeout of ours but patience. */
const cutForMs = 7_000

type Member = 'm0' | 'm1' | 'm2'

describe.skipIf(!hasEtcd)('three members of etcd cut off from one another (Debian package etcd-server)', () => {
  let network: EtcdNetwork
  let etcd: EtcdCluster
  let stores: readonly [Store, Store]
  beforeAll(async () => {
    network = await EtcdNetwork.build()
    etcd = await startEtcd(3, { places: network.places })
    const open = (server: 'a' | 'b'): Promise<Store> =>
      openEtcdStore({ endpoints: network.endpoints(server), tls: {}, prefix: '/ownkube', patienceMs: 20_000 }, deps)
    stores = [await open('a'), await open('b')]
  }, 60_000)
  afterAll(async () => {
    await Promise.all((stores ?? []).map((store) => store.close()))
    await etcd?.remove()
    await network?.remove()
  })

  /** The leader, and the two others. */
  async function roles(): Promise<[Member, Member, Member]> {
    const leader = (await leaderOf(etcd)).name as Member
    return [leader, ...(['m0', 'm1', 'm2'] as const).filter((name) => name !== leader)] as [Member, Member, Member]
  }

  const faults: Record<string, (leader: Member, one: Member, other: Member) => readonly (readonly [Party, Party, 'one'?])[]> = {
    'the leader is cut off from its followers': (leader, one, other) => [
      [leader, one],
      [leader, other],
    ],
    'the leader hears nobody, but is heard': (leader, one, other) => [
      [one, leader, 'one'],
      [other, leader, 'one'],
    ],
    'the leader is heard by nobody, but hears': (leader, one, other) => [
      [leader, one, 'one'],
      [leader, other, 'one'],
    ],
    'a follower is cut off from both others': (leader, one, other) => [
      [one, leader],
      [one, other],
    ],
    'leader and one follower do not reach each other, the other follower reaches both': (leader, one) => [[leader, one]],
    'a server is cut off from all members': (leader, one, other) => [
      ['a', leader],
      ['a', one],
      ['a', other],
    ],
    'what members send to a server is lost': (leader, one, other) => [
      [leader, 'a', 'one'],
      [one, 'a', 'one'],
      [other, 'a', 'one'],
    ],
  }

  test.each(Object.entries(faults))(
    '%s: nothing acknowledged is lost, no read is stale, no watch has a gap',
    { timeout: 120_000 },
    async (_, cuts) => {
      const told = await underFire(stores, seededRandom(seed).float, async (told) => {
        await goesOn(told)
        for (const [from, to, ways] of cuts(...(await roles()))) await network.cut(from, to, ways)
        await systemClock.sleep(cutForMs)
        await network.heal()
        await goesOn(told, 50)
      })
      console.log(`acknowledged ${told.acknowledged.size}, unknown ${told.unknown.size}, refused ${told.refused.size}, seed ${seed}`)
    },
  )

  test('a server on the side of the minority answers nothing rather than something old, and goes on where it was once it can', {
    timeout: 120_000,
  }, async () => {
    const [leader, one, other] = await roles()
    const [minority, majority] = stores
    const first = await majority.commit([{ key: '/x', value: Buffer.from('before'), expect: undefined }])
    const watch = minority
      .watch('/x', { after: first.revision, signal: new AbortController().signal, progress: false })
      [Symbol.asyncIterator]()
    await network.cut(leader, one)
    await network.cut(leader, other)
    await network.cut('a', one)
    await network.cut('a', other)
    await network.cut('b', leader)
    const second = await majority.commit([{ key: '/x', value: Buffer.from('after'), expect: first.revision }])
    expect(second.ok).toBe(true)
    const read = Promise.all([
      expect(minority.get('/x')).rejects.toThrow(UnavailableError),
      expect(minority.list('/x')).rejects.toThrow(UnavailableError),
      expect(minority.revision()).rejects.toThrow(UnavailableError),
      expect(minority.healthy()).rejects.toThrow(UnavailableError),
    ])
    // It may not be made, nor told to be.
    const written = minority.commit([{ key: '/x', value: Buffer.from('late'), expect: first.revision }]).then(
      (result) => result.ok,
      () => false,
    )
    await read
    expect(await written).toBe(false)
    await network.heal()
    expect((await minority.get('/x'))?.value.toString()).toBe('after')
    const { value } = await watch.next()
    expect(value.events).toMatchObject([{ type: 'put', key: '/x', revision: second.revision }])
    await watch.return?.()
  })
})
