import { describe, expect, test } from 'vitest'
import { VirtualClock } from '../../host/virtual-clock.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import type { Route } from '../route.ts'
import { FairQueue } from './fair-queue.ts'
import { Fairness } from './fairness.ts'
import { levelOf } from './priority-levels.ts'

const user = (name: string, ...groups: string[]): UserInfo => ({ name, uid: '', groups: [...groups, 'system:authenticated'], extra: {} })
const route = (plural: string, subresource?: string, group = ''): Route => ({
  ...{ type: 'resource', verb: 'update', group, version: 'v1', plural, namespace: undefined, name: 'x', subresource },
})
const node = user('system:node:n1', 'system:nodes')
const forever = new AbortController().signal

describe('a request belongs to', () => {
  test.each<[string, UserInfo, Route]>([
    ['exempt', user('system:apiserver', 'system:masters'), route('pods')],
    ['exempt', user('jane'), { type: 'path', verb: 'get', path: '/readyz' }],
    ['node-high', node, route('nodes', 'status')],
    ['node-high', node, route('leases', undefined, 'coordination.k8s.io')],
    ['system', node, route('pods', 'status')],
    ['workload-high', user('system:kube-scheduler'), route('pods')],
    ['administrators', user('kubernetes-admin', 'system:masters'), route('pods')],
    ['workload-low', user('system:serviceaccount:a:b', 'system:serviceaccounts'), route('pods')],
    ['global-default', user('jane'), route('pods')],
    ['catch-all', { name: 'system:anonymous', uid: '', groups: ['system:unauthenticated'], extra: {} }, route('pods')],
  ])('%s: %o', (level, who, what) => expect(levelOf(who, what).name).toBe(level))
})

describe('seats', () => {
  test('go in turn to the flows that wait', async () => {
    const queue = new FairQueue({ seats: 1, queueLength: 10 })
    const served: string[] = []
    const first = queue.seatNow()
    const asked = ['greedy', 'greedy', 'greedy', 'modest', 'greedy', 'other'].map(async (flow) => {
      const seat = await queue.seatInTurn(flow, forever)
      served.push(flow)
      await Promise.resolve()
      seat?.release()
    })
    expect([queue.waiting, queue.seatNow()]).toEqual([6, undefined])
    first?.release()
    await Promise.all(asked)
    expect(served).toEqual(['greedy', 'modest', 'other', 'greedy', 'greedy', 'greedy'])
    expect([queue.taken, queue.waiting]).toEqual([0, 0])
  })
  test('are not waited for where too many of the flow wait; others still may', () => {
    const queue = new FairQueue({ seats: 1, queueLength: 1 })
    queue.seatNow()
    expect(queue.seatInTurn('a', forever)).toBeInstanceOf(Promise)
    expect(queue.seatInTurn('a', forever)).toBeUndefined()
    expect(queue.seatInTurn('b', forever)).toBeInstanceOf(Promise)
  })
  test('are not given to who has gone', async () => {
    const queue = new FairQueue({ seats: 1, queueLength: 5 })
    const first = queue.seatNow()
    const leaving = new AbortController()
    const gone = queue.seatInTurn('b', leaving.signal)
    const stays = queue.seatInTurn('c', forever)
    leaving.abort(new Error('gone'))
    await expect(gone).rejects.toThrow('gone')
    first?.release()
    ;(await stays)?.release()
    expect([queue.taken, queue.waiting]).toEqual([0, 0])
  })
  test('come back when a request fails, and only once', async () => {
    const fairness = new Fairness(new VirtualClock())
    await expect(fairness.run(user('jane'), route('pods'), forever, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(fairness.metricLines().join('\n')).toContain('current_executing_requests{priority_level="global-default"} 0')
  })
})

test('a greedy client waits and is refused; the heartbeats of nodes are served at once', async () => {
  const clock = new VirtualClock()
  const fairness = new Fairness(clock)
  const never = new Promise<never>(() => undefined)
  const jane = user('jane')
  const refused: unknown[] = []
  for (let i = 0; i < 300; i++) fairness.run(jane, route('pods'), forever, () => never).catch((error: unknown) => refused.push(error))
  await clock.advance(0)
  expect(refused).toHaveLength(100) // 100 are served, 100 wait
  expect(refused[0]).toMatchObject({ code: 429, status: { details: { retryAfterSeconds: 1 } } })
  expect(await fairness.run(node, route('nodes', 'status'), forever, async () => 'served')).toBe('served')
  await clock.advance(15_001)
  expect(refused).toHaveLength(200) // nobody waits for ever
})
