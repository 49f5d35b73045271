import { afterAll, beforeAll, describe, test } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { silentLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import { seededRandom } from '../../src/host/seeded-random.ts'
import { openEtcdStore } from '../../src/storage/etcd/etcd-store.ts'
import { type EtcdCluster, type EtcdMember, hasEtcd, startEtcd } from '../../src/storage/testing/etcd-server.ts'
import { goesOn, leaderOf, underFire } from './etcd-scene.ts'

const seed = Number(process.env.STORE_SEED ?? 1)
const rounds = Number(process.env.ETCD_FAULT_ROUNDS ?? 5)
const deps = { clock: systemClock, random: systemRandom, log: silentLog }

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
    const told = await underFire(stores, random, async (told) => {
      for (let round = 0; round < rounds; round++) {
        await faults[round % faults.length]?.inflict(random)
        await goesOn(told)
      }
    })
    console.log(`acknowledged ${told.acknowledged.size}, unknown ${told.unknown.size}, refused ${told.refused.size}, seed ${seed}`)
    await Promise.all(stores.map((store) => store.close()))
  })
})
