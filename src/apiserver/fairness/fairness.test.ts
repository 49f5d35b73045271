import { describe, expect, test } from 'vitest'
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/generated/types.ts'
import { VirtualClock } from '../../host/virtual-clock.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import type { Route } from '../route.ts'
import { mandatoryLevels, mandatorySchemas, suggestedLevels, suggestedSchemas } from './bootstrap-objects.ts'
import { FairQueue } from './fair-queue.ts'
import { Fairness, type FairnessDeps } from './fairness.ts'
import { matches } from './flow-schema-match.ts'
import { listWidth, widest } from './list-width.ts'
import { shareOut } from './seat-allocation.ts'
import { SeatDemand } from './seat-demand.ts'
import { handOf } from './shuffle-shard.ts'

const user = (name: string, ...groups: string[]): UserInfo => ({ name, uid: '', groups: [...groups, 'system:authenticated'], extra: {} })
const route = (plural: string, subresource?: string, group = '', namespace?: string): Route => ({
  ...{ type: 'resource', verb: 'update', group, version: 'v1', plural, namespace, name: 'x', subresource },
})
const node = user('system:node:n1', 'system:nodes')
const forever = new AbortController().signal
const never = new Promise<never>(() => undefined)

/** Objects that may be changed, as the cache holds them. */
class FakeKind {
  objects: readonly unknown[]
  readonly #listeners: (() => void)[] = []
  constructor(objects: readonly unknown[]) {
    this.objects = objects
  }
  list = () => this.objects.map((object) => ({ object })) as unknown as ReturnType<FairnessDeps['schemas']['list']>
  onChange = (listener: (change: never) => void): void => void this.#listeners.push(listener as () => void)
  become(objects: readonly unknown[]): void {
    this.objects = objects
    for (const listener of this.#listeners) listener()
  }
}

const allSchemas = [...mandatorySchemas, ...suggestedSchemas]
const allLevels = [...mandatoryLevels, ...suggestedLevels]

function world({
  schemas = allSchemas,
  levels = allLevels,
  seats = 600,
}: {
  schemas?: readonly unknown[]
  levels?: readonly unknown[]
  seats?: number
} = {}) {
  const clock = new VirtualClock()
  const kinds = { schemas: new FakeKind(schemas), levels: new FakeKind(levels) }
  const fairness = new Fairness({ clock, ...kinds, seats })
  /** What became of so many requests at once, none of which ends. */
  const flood = (who: UserInfo, what: Route, count: number) => {
    const refused: unknown[] = []
    let served = 0
    for (let i = 0; i < count; i++) {
      const serve = (): Promise<never> => {
        served++
        return never
      }
      fairness.run(fairness.flowOf(who, what), forever, serve).catch((error: unknown) => refused.push(error))
    }
    return { refused, served: () => served }
  }
  const serve = <T>(who: UserInfo, what: Route, run: () => Promise<T>): Promise<T> => fairness.run(fairness.flowOf(who, what), forever, run)
  return { clock, fairness, flood, serve, ...kinds }
}

describe('by upstream’s objects a request belongs to', () => {
  test.each<[string, string, UserInfo, Route]>([
    ['exempt', 'exempt', user('system:apiserver', 'system:masters'), route('pods')],
    ['probes', 'exempt', user('jane'), { type: 'path', verb: 'get', path: '/readyz' }],
    ['probes', 'exempt', user('jane'), { type: 'path', verb: 'get', path: '/livez/ping' }],
    ['global-default', 'global-default', user('jane'), { type: 'path', verb: 'get', path: '/version' }],
    ['system-node-high', 'node-high', node, route('nodes', 'status')],
    ['system-node-high', 'node-high', node, route('leases', undefined, 'coordination.k8s.io', 'kube-node-lease')],
    ['system-nodes', 'system', node, route('pods', 'status', '', 'default')],
    ['kube-scheduler', 'workload-high', user('system:kube-scheduler'), route('pods', undefined, '', 'a')],
    [
      'system-leader-election',
      'leader-election',
      user('system:kube-scheduler'),
      route('leases', undefined, 'coordination.k8s.io', 'kube-system'),
    ],
    ['kube-system-service-accounts', 'workload-high', user('system:serviceaccount:kube-system:dns'), route('pods', undefined, '', 'a')],
    ['service-accounts', 'workload-low', user('system:serviceaccount:a:b', 'system:serviceaccounts'), route('pods')],
    ['global-default', 'global-default', user('jane'), route('pods')],
    ['catch-all', 'catch-all', { name: 'x', uid: '', groups: [], extra: {} }, route('pods')],
  ])('%s, at level %s: %o', (schema, level, who, what) => {
    const flow = world().fairness.flowOf(who, what)
    expect([flow?.schema.metadata.name, flow?.level.object.metadata.name]).toEqual([schema, level])
  })
  test('no level, where it becomes a stream', () => {
    expect(world().fairness.flowOf(user('jane'), route('pods', 'exec'))).toBeUndefined()
  })
})

describe('a FlowSchema matches', () => {
  const rule = (more: object): FlowSchema =>
    ({ spec: { rules: [{ subjects: [{ kind: 'User', user: { name: 'jane' } }], ...more }] } }) as unknown as FlowSchema
  const pods = { verbs: ['update'], apiGroups: [''], resources: ['pods'], namespaces: ['a'] }
  test.each<[string, object, Route, boolean]>([
    ['a resource in a namespace', { resourceRules: [pods] }, route('pods', undefined, '', 'a'), true],
    ['no other namespace', { resourceRules: [pods] }, route('pods', undefined, '', 'b'), false],
    ['no subresource that it does not name', { resourceRules: [pods] }, route('pods', 'status', '', 'a'), false],
    ['a subresource that it names', { resourceRules: [{ ...pods, resources: ['pods/status'] }] }, route('pods', 'status', '', 'a'), true],
    ['no other verb', { resourceRules: [{ ...pods, verbs: ['get'] }] }, route('pods', undefined, '', 'a'), false],
    ['all namespaces only where it covers the cluster', { resourceRules: [pods] }, route('pods'), false],
    ['the cluster where it says so', { resourceRules: [{ ...pods, clusterScope: true }] }, route('pods'), true],
    [
      'paths exactly',
      { nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }] },
      { type: 'path', verb: 'get', path: '/metrics' },
      true,
    ],
    [
      'paths by their start',
      { nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['/healthz/*'] }] },
      { type: 'path', verb: 'get', path: '/healthz/etcd' },
      true,
    ],
    [
      'no path that only begins alike',
      { nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['/health'] }] },
      { type: 'path', verb: 'get', path: '/healthz' },
      false,
    ],
  ])('%s', (_, more, what, expected) => expect(matches(rule(more), user('jane'), what)).toBe(expected))
  test.each<[string, object, boolean]>([
    ['another user', { kind: 'User', user: { name: 'john' } }, false],
    ['any user', { kind: 'User', user: { name: '*' } }, true],
    ['a group', { kind: 'Group', group: { name: 'dev' } }, true],
    ['a service account', { kind: 'ServiceAccount', serviceAccount: { namespace: 'a', name: 'b' } }, false],
  ])('%s', (_, subject, expected) => {
    const schema = { spec: { rules: [{ subjects: [subject], resourceRules: [{ ...pods, namespaces: ['*'] }] }] } } as unknown as FlowSchema
    expect(matches(schema, user('jane', 'dev'), route('pods', undefined, '', 'a'))).toBe(expected)
  })
})

describe('seats', () => {
  const limits = { queues: 64, handSize: 1, queueLength: 10 }
  test('go in turn to the flows that wait', async () => {
    const queue = new FairQueue(1, limits)
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
    const queue = new FairQueue(1, { ...limits, queueLength: 1 })
    queue.seatNow()
    expect(queue.seatInTurn('a', forever)).toBeInstanceOf(Promise)
    expect(queue.seatInTurn('a', forever)).toBeUndefined()
    expect(queue.seatInTurn('b', forever)).toBeInstanceOf(Promise)
  })
  test('are not given to who has gone', async () => {
    const queue = new FairQueue(1, limits)
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
  test('that are added go to those who wait; those that are taken away come back as they are released', async () => {
    const queue = new FairQueue(1, limits)
    const first = queue.seatNow()
    const second = queue.seatInTurn('a', forever)
    queue.resize(2)
    ;(await second)?.release()
    const again = queue.seatNow()
    queue.resize(1)
    first?.release()
    expect(queue.seatNow()).toBeUndefined()
    again?.release()
    expect(queue.seatNow()).toBeDefined()
  })
  test('of a wide request are waited for, and others wait behind it', async () => {
    const queue = new FairQueue(4, { ...limits, queues: 1 })
    const first = queue.seatNow(2)
    const wide = queue.seatInTurn('wide', forever, 3)
    const narrow = queue.seatInTurn('narrow', forever)
    expect([queue.taken, queue.waiting]).toEqual([2, 2])
    first?.release()
    const [second] = await Promise.all([wide, narrow])
    expect(queue.taken).toBe(4)
    second?.release()
    expect(queue.taken).toBe(1)
  })
  test('of a request that is wider than all are given to it alone', async () => {
    const queue = new FairQueue(2, limits)
    const wide = queue.seatNow(5)
    expect([queue.taken, queue.seatNow()]).toEqual([5, undefined])
    const other = queue.seatInTurn('a', forever)
    wide?.release()
    ;(await other)?.release()
    expect(queue.taken).toBe(0)
    expect(new FairQueue(0, limits).seatNow()).toBeDefined()
  })
  test('come back when a request fails, and only once', async () => {
    const { serve, fairness } = world()
    await expect(serve(user('jane'), route('pods'), () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(fairness.lines()).toContain(
      'apiserver_flowcontrol_current_executing_requests{priority_level="global-default",flow_schema="global-default"} 0',
    )
  })
})

test.each<[string, Parameters<typeof listWidth>[0], number]>([
  ['nothing', { objects: 0, bytes: 0, limit: 0, isSingle: false }, 1],
  ['a few', { objects: 10, bytes: 10_000, limit: 0, isSingle: false }, 1],
  ['a megabyte', { objects: 1000, bytes: 1_000_000, limit: 0, isSingle: false }, 10],
  ['a page of it', { objects: 1000, bytes: 1_000_000, limit: 250, isSingle: false }, 3],
  ['one of it', { objects: 1000, bytes: 1_000_000, limit: 0, isSingle: true }, 1],
  ['a hundred megabytes', { objects: 1000, bytes: 100_000_000, limit: 0, isSingle: false }, 15],
])('a list of %s takes seats by what it sends', (_, size, seats) => {
  expect(listWidth(size, widest(98, 6))).toBe(seats)
})

test('a flow’s hand is always the same, of distinct queues, and seldom another’s', () => {
  const hands = Array.from({ length: 200 }, (_, i) => handOf(`flow-${i}`, 128, 6))
  for (const hand of hands) {
    expect(new Set(hand).size).toBe(6)
    for (const at of hand) expect(at >= 0 && at < 128).toBe(true)
  }
  expect(handOf('flow-7', 128, 6)).toEqual(hands[7])
  expect(new Set(hands.map((hand) => hand.toSorted().join())).size).toBe(200)
  expect(handOf('a', 3, 8).toSorted()).toEqual([0, 1, 2])
})

test.each<[string, number, { least: number; most: number; wanted: number }[], number[]]>([
  [
    'in proportion',
    100,
    [
      { least: 0, most: 100, wanted: 10 },
      { least: 0, most: 100, wanted: 30 },
    ],
    [25, 75],
  ],
  [
    'never less than the least',
    100,
    [
      { least: 40, most: 100, wanted: 40 },
      { least: 0, most: 100, wanted: 400 },
    ],
    [40, 60],
  ],
  [
    'never more than the most',
    100,
    [
      { least: 0, most: 20, wanted: 50 },
      { least: 0, most: 100, wanted: 50 },
    ],
    [20, 80],
  ],
  [
    'the least where there is not enough',
    10,
    [
      { least: 20, most: 50, wanted: 50 },
      { least: 5, most: 50, wanted: 50 },
    ],
    [20, 5],
  ],
])('seats are shared out %s', (_, seats, claims, expected) => expect(shareOut(seats, claims)).toEqual(expected))

test('a level’s demand is what it had over time', () => {
  const demand = new SeatDemand(0)
  demand.set(10, 100)
  demand.set(0, 200)
  expect(demand.take(400)).toEqual({ highest: 10, average: 2.5, deviation: Math.sqrt(18.75) })
  expect(demand.take(500)).toEqual({ highest: 0, average: 0, deviation: 0 })
})

test('a greedy client waits and is refused; the heartbeats of nodes are served at once', async () => {
  const { clock, flood, serve } = world()
  const { refused, served } = flood(user('jane'), route('pods'), 500)
  await clock.advance(0)
  // Six queues of 50 are open to the one flow.
  expect(refused).toHaveLength(500 - served() - 300)
  expect(served()).toBeLessThan(100)
  expect(refused[0]).toMatchObject({ code: 429, status: { details: { retryAfterSeconds: 1 } } })
  expect(await serve(node, route('nodes', 'status'), async () => 'served')).toBe('served')
  // Another flow waits in queues that the first has not filled.
  const other = flood(user('john'), route('pods'), 1)
  await clock.advance(15_001)
  expect(refused).toHaveLength(500 - served()) // nobody waits for ever
  expect(other.refused).toHaveLength(1)
})

test('whatever all others want, a level keeps what it does not lend', async () => {
  const { clock, flood, serve } = world()
  for (const name of ['jane', 'john']) flood(user(name), route('pods'), 400)
  flood(user('system:serviceaccount:a:b', 'system:serviceaccounts'), route('pods'), 1000)
  flood(user('system:kube-scheduler'), route('pods'), 1000)
  for (let i = 0; i < 40; i++) {
    await clock.advance(10_000)
    flood(user('system:serviceaccount:a:b', 'system:serviceaccounts'), route('pods'), 100)
  }
  const beats = Array.from({ length: 70 }, () =>
    serve(node, route('leases', undefined, 'coordination.k8s.io', 'kube-node-lease'), async () => 'beat'),
  )
  expect(await Promise.all(beats)).toHaveLength(70)
})

test('a level that needs more borrows what others do not use', async () => {
  const { clock, flood, fairness } = world()
  const busy = flood(user('jane'), route('pods'), 349)
  const before = busy.served()
  for (let i = 0; i < 30; i++) {
    flood(user('jane'), route('pods'), 100)
    await clock.advance(10_000)
  }
  flood(user('jane'), route('pods'), 1)
  const seats = (name: string): number =>
    Number(
      fairness
        .lines()
        .find((line) => line.startsWith(`apiserver_flowcontrol_current_limit_seats{priority_level="${name}"}`))
        ?.split(' ')[1],
    )
  expect(seats('global-default')).toBeGreaterThan(2 * before)
  expect(seats('node-high')).toBeGreaterThanOrEqual(73)
})

describe('the objects may change while it runs', () => {
  const level = (name: string, limited: object): PriorityLevelConfiguration =>
    ({
      metadata: { name },
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: 10, lendablePercent: 0, borrowingLimitPercent: 0, ...limited } },
    }) as PriorityLevelConfiguration
  const schema = (name: string, to: string, precedence: number, method?: string): FlowSchema =>
    ({
      metadata: { name },
      spec: {
        priorityLevelConfiguration: { name: to },
        matchingPrecedence: precedence,
        ...(method ? { distinguisherMethod: { type: method } } : {}),
        rules: [
          {
            subjects: [{ kind: 'User', user: { name: 'jane' } }],
            resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
          },
        ],
      },
    }) as FlowSchema
  const flowName = (fairness: Fairness, what = route('pods', undefined, '', 'a')): string | undefined =>
    fairness.flowOf(user('jane'), what)?.schema.metadata.name

  test('a schema that comes before is asked first; one without a level is not asked', () => {
    const { fairness, schemas, levels } = world()
    expect(flowName(fairness)).toBe('global-default')
    schemas.become([...allSchemas, schema('b', 'mine', 50), schema('a', 'mine', 50), schema('first', 'absent', 10)])
    expect(flowName(fairness)).toBe('global-default')
    levels.become([...allLevels, level('mine', { limitResponse: { type: 'Reject' } })])
    expect(flowName(fairness)).toBe('a')
    schemas.become(allSchemas)
    expect(flowName(fairness)).toBe('global-default')
  })

  test('one that rejects lets nothing wait; one that queues does, by user or namespace', async () => {
    const reject = level('mine', { limitResponse: { type: 'Reject' } })
    const queue = level('mine', { limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 1, queueLengthLimit: 2 } } })
    const { clock, levels, flood, fairness } = world({
      schemas: [schema('s', 'mine', 50, 'ByNamespace'), ...mandatorySchemas],
      levels: [reject, ...mandatoryLevels],
      seats: 15,
    })
    const first = flood(user('jane'), route('pods', undefined, '', 'a'), 12)
    await clock.advance(0)
    expect([first.served(), first.refused.length]).toEqual([10, 2])
    levels.become([queue, ...mandatoryLevels])
    const second = ['a', 'b'].map((namespace) => flood(user('jane'), route('pods', undefined, '', namespace), 3))
    await clock.advance(0)
    expect(second.map(({ refused }) => refused.length)).toEqual([1, 1])
    expect(fairness.flowOf(user('jane'), route('pods', undefined, '', 'b'))?.distinguisher).toBe('b')
    expect(fairness.lines()).toContain(
      'apiserver_flowcontrol_rejected_requests_total{priority_level="mine",flow_schema="s",reason="concurrency-limit"} 2',
    )
    expect(fairness.lines()).toContain(
      'apiserver_flowcontrol_rejected_requests_total{priority_level="mine",flow_schema="s",reason="queue-full"} 2',
    )
  })

  test('a level that grows lets in those who wait', async () => {
    const queuing = { limitResponse: { type: 'Queue', queuing: { queues: 1, handSize: 1, queueLengthLimit: 100 } } }
    const { clock, levels, flood } = world({
      schemas: [schema('s', 'mine', 50), ...mandatorySchemas],
      levels: [level('mine', queuing), ...mandatoryLevels],
      seats: 15,
    })
    const waiting = flood(user('jane'), route('pods', undefined, '', 'a'), 14)
    await clock.advance(0)
    expect(waiting.served()).toBe(10)
    levels.become([level('mine', { ...queuing, nominalConcurrencyShares: 40 }), ...mandatoryLevels])
    flood(user('jane'), route('pods', undefined, '', 'a'), 1)
    await clock.advance(0)
    expect(waiting.served()).toBe(14)
  })

  test('without any objects, all but masters are rejected beyond the seats of catch-all', async () => {
    const { clock, flood, serve } = world({ schemas: [], levels: [], seats: 10 })
    const { refused } = flood(user('jane'), route('pods'), 20)
    await clock.advance(0)
    expect(refused).toHaveLength(10)
    expect(await serve(user('admin', 'system:masters'), route('pods'), async () => 'served')).toBe('served')
  })
})
