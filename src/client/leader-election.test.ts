import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Lease } from '../api/generated/types.ts'
import { leases } from '../api/registry.ts'
import { type InProcessCluster, startCluster } from '../cluster/start-cluster.ts'
import { silentLog } from '../host/log.ts'
import { seededRandom } from '../host/seeded-random.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import type { Client } from './client.ts'
import { claimOf, standForElection } from './leader-election.ts'

describe('who may claim a lease', () => {
  const now = { ms: Date.UTC(2026, 0, 1), monotonicMs: 100_000 }
  const held = { holderIdentity: 'other', leaseDurationSeconds: 15, acquireTime: 'then', renewTime: 'then', leaseTransitions: 3 }
  test.each([
    ['nobody has had it', undefined, { holderIdentity: 'me', leaseTransitions: 0 }],
    ['another, seen to renew 14 s ago', { spec: held, atMs: 86_000 }, undefined],
    ['another, not seen to renew for 15 s', { spec: held, atMs: 85_000 }, { holderIdentity: 'me', leaseTransitions: 4 }],
    ['released', { spec: { ...held, holderIdentity: '' }, atMs: 99_999 }, { holderIdentity: 'me', leaseTransitions: 4 }],
    ['our own', { spec: { ...held, holderIdentity: 'me' }, atMs: 0 }, { acquireTime: 'then', leaseTransitions: 3 }],
  ])('%s', (_, observed, expected) => {
    const claim = claimOf(observed, 'me', now)
    if (expected) expect(claim).toMatchObject({ ...expected, leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z' })
    else expect(claim).toBeUndefined()
  })
})

test.each([3_600_000, -3_600_000])(
  'a wall clock that jumps by %i ms neither takes a lease early nor keeps it from being taken',
  (jumpMs) => {
    const spec = { holderIdentity: 'other', leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z' }
    const at = (monotonicMs: number) => claimOf({ spec, atMs: 0 }, 'me', { ms: Date.UTC(2026, 0, 1) + jumpMs, monotonicMs })
    expect(at(14_999)).toBeUndefined()
    expect(at(15_000)).toMatchObject({ holderIdentity: 'me' })
  },
)

describe('candidates for one lease', () => {
  let clock: VirtualClock
  let cluster: InProcessCluster
  const leading = new Set<string>()
  /** Ever more than one at a time. */
  let overlap = false
  beforeEach(async () => {
    clock = new VirtualClock()
    cluster = await startCluster({ clock })
    leading.clear()
    overlap = false
  })
  afterEach(() => cluster.close())

  function candidate(identity: string, client: Client = cluster.client) {
    const stop = new AbortController()
    const done = standForElection({
      ...{ client, name: 'the-lease', identity, clock, random: seededRandom(1), log: silentLog, signal: stop.signal },
      async lead(term) {
        leading.add(identity)
        overlap ||= leading.size > 1
        await new Promise((resolve) => term.addEventListener('abort', resolve, { once: true }))
        leading.delete(identity)
      },
    })
    return { stop: () => stop.abort(), done }
  }
  const lease = () => cluster.client.resource<Lease>(leases, 'kube-system').get('the-lease')
  /** A client whose calls come to nothing from some moment on, as when the store is lost. */
  function cuttable(): { client: Client; cut: () => void } {
    let isCut = false
    const client: Client = {
      ...cluster.client,
      resource: (resource, namespace) => {
        if (isCut) throw new Error('cut off')
        return cluster.client.resource(resource, namespace)
      },
    }
    return {
      client,
      cut: () => {
        isCut = true
      },
    }
  }

  test('one leads; when it stops, another follows at once', async () => {
    const [first, second] = [candidate('first'), candidate('second')]
    await clock.advance(20_000)
    const [leader] = leading
    expect([...leading].length).toBe(1)
    expect((await lease()).spec).toMatchObject({ holderIdentity: leader, leaseDurationSeconds: 15, leaseTransitions: 0 })
    const [stopped, other] = leader === 'first' ? [first, second] : [second, first]
    stopped.stop()
    await stopped.done
    expect((await lease()).spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 })
    await clock.advance(3_000)
    expect([...leading]).toEqual([leader === 'first' ? 'second' : 'first'])
    expect((await lease()).spec?.leaseTransitions).toBe(1)
    other.stop()
    await other.done
    expect(overlap).toBe(false)
  })

  test('one that is cut off stops leading before another begins', async () => {
    const { client, cut } = cuttable()
    const first = candidate('first', client)
    await clock.advance(5_000)
    const second = candidate('second')
    await clock.advance(5_000)
    expect([...leading]).toEqual(['first'])
    cut()
    await clock.advance(13_000)
    expect([...leading]).toEqual([])
    await clock.advance(6_000)
    expect([...leading]).toEqual(['second'])
    for (const one of [first, second]) one.stop()
    await clock.advance(3_000)
    await Promise.all([first.done, second.done])
    expect(overlap).toBe(false)
  })
})
