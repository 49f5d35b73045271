import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ClusterRole, Deployment, EndpointSlice, Node, Pod, ReplicaSet, Service } from '../api/generated/types.ts'
import type { NewObject } from '../machinery/object.ts'
import { gatheredRules } from './cluster-role-aggregation.ts'
import { leastValuable } from './deletion-ranking.ts'
import { limitsOf, nextNewSize, scaleInProportion, shrinkOld } from './deployment/rolling.ts'
import { sameTemplate, templateHash } from './deployment/template-hash.ts'
import { planSlices } from './endpoints/slice-plan.ts'
import { subsetsOf } from './endpoints/subset-plan.ts'
import { stepForDependent } from './garbage-plan.ts'
import { evictionAtMs, silentConditions, wantedTaints } from './node-plan.ts'

const meta = (name: string, more: object = {}) => ({
  name,
  namespace: 'd',
  uid: `uid-${name}`,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
  ...more,
})
const nowMs = Date.parse('2026-01-01T01:00:00Z')

function deployment(replicas: number, maxSurge: number | string = '25%', maxUnavailable: number | string = '25%'): Deployment {
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: meta('web'), spec: { replicas, strategy, selector: {}, template: {} } }
}
function set(name: string, replicas: number, available = replicas, annotations: Record<string, string> = {}): ReplicaSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: meta(name, { annotations }),
    spec: { replicas, selector: {} },
    status: { replicas, availableReplicas: available },
  }
}

describe('a rolling update', () => {
  test.each([
    { wanted: 10, surge: '25%', unavailable: '25%', limits: { maxSurge: 3, maxUnavailable: 2 } },
    { wanted: 1, surge: '25%', unavailable: '25%', limits: { maxSurge: 1, maxUnavailable: 0 } },
    { wanted: 3, surge: 0, unavailable: 0, limits: { maxSurge: 0, maxUnavailable: 1 } },
    { wanted: 2, surge: 1, unavailable: 5, limits: { maxSurge: 1, maxUnavailable: 2 } },
  ])('of $wanted with surge $surge and $unavailable unavailable allows $limits', ({ wanted, surge, unavailable, limits }) => {
    expect(limitsOf(deployment(wanted, surge, unavailable))).toEqual(limits)
  })

  test('takes unhealthy old pods first, then as many as the available ones allow', () => {
    const old = [set('a', 4, 1), set('b', 6, 6)]
    expect([...shrinkOld(deployment(10, 3, 2), set('new', 3, 3), old)]).toEqual([
      ['uid-a', 0],
      ['uid-b', 5],
    ])
  })

  test('ends in the wanted state, never with more pods than allowed nor fewer available, whatever becomes ready when', () => {
    const share = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom('0%', '25%', '50%', '100%'))
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        share,
        share,
        fc.array(fc.boolean(), { minLength: 5, maxLength: 30 }),
        (wanted, surge, unavailable, luck) => {
          const target = deployment(wanted, surge, unavailable)
          const limits = limitsOf(target)
          let old = set('old', wanted)
          let next = set('new', 0)
          for (let step = 0; step < 200 && (next.status?.availableReplicas !== wanted || old.spec.replicas !== 0); step++) {
            const size = nextNewSize(target, next.spec.replicas ?? 0, [old])
            if (size !== next.spec.replicas) next = set('new', size, next.status?.availableReplicas)
            else if (step > 60 || luck[step % luck.length]) {
              const ready = Math.min(size, (next.status?.availableReplicas ?? 0) + 1)
              next = set('new', size, ready)
            }
            const smaller = shrinkOld(target, next, [old]).get('uid-old')
            if (smaller !== undefined) old = set('old', smaller)
            expect((old.spec.replicas ?? 0) + (next.spec.replicas ?? 0)).toBeLessThanOrEqual(wanted + limits.maxSurge)
            expect((old.spec.replicas ?? 0) + (next.status?.availableReplicas ?? 0)).toBeGreaterThanOrEqual(wanted - limits.maxUnavailable)
          }
          expect([old.spec.replicas, next.spec.replicas]).toEqual([0, wanted])
        },
      ),
      { numRuns: 100 },
    )
  })

  test('scaled on its way keeps its proportions', () => {
    const annotations = { 'deployment.kubernetes.io/max-replicas': '13' }
    const sizes = scaleInProportion(deployment(15, 3, 2), [set('old', 8, 8, annotations), set('new', 5, 5, annotations)])
    expect(Object.fromEntries(sizes)).toEqual({ 'uid-old': 11, 'uid-new': 7 })
  })
})

describe('pod templates', () => {
  const spec = { containers: [{ name: 'c', image: 'i' }] }
  test('have one hash for one meaning', () => {
    const a = { metadata: { labels: { x: '1', y: '2' } }, spec }
    const b = { spec, metadata: { labels: { y: '2', x: '1' } } }
    expect(templateHash(a, undefined)).toBe(templateHash(b, undefined))
    expect(templateHash(a, undefined)).not.toBe(templateHash(a, 1))
    expect(templateHash(a, undefined)).toMatch(/^[b-z2-9]{5,10}$/)
  })
  test('are compared without the label that ReplicaSets add', () => {
    expect(sameTemplate({ metadata: { labels: { 'pod-template-hash': 'x' } }, spec }, { spec })).toBe(true)
    expect(sameTemplate({ metadata: { labels: { app: 'x' } }, spec }, { spec })).toBe(false)
  })
})

function pod(
  name: string,
  ip: string,
  more: { node?: string; ready?: boolean; phase?: string; annotations?: Record<string, string>; port?: number } = {},
): Pod {
  const { node = 'n', ready = true, phase = 'Running', annotations = {}, port = 8080 } = more
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:00:00Z' }]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: meta(name, { annotations, labels: { app: 'web' } }),
    spec: { nodeName: node, containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port }] }] },
    status: { phase, podIPs: [{ ip }], conditions },
  }
}

test('the least valuable pods go first', () => {
  const all = [
    pod('good', '1'),
    pod('crowded', '2', { node: 'full' }),
    pod('crowd', '3', { node: 'full', annotations: { 'controller.kubernetes.io/pod-deletion-cost': '5' } }),
    pod('cheap', '4', { annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-5' } }),
    pod('unready', '5', { ready: false }),
    pod('pending', '6', { phase: 'Pending', ready: false }),
    pod('unassigned', '7', { node: '', phase: 'Pending', ready: false }),
  ]
  const order = leastValuable(all, [...all, pod('other', '8', { node: 'full' }), pod('more', '9', { node: 'full' })], nowMs)
  expect(order.map((one) => one.metadata.name)).toEqual(['unassigned', 'pending', 'unready', 'cheap', 'crowded', 'good', 'crowd'])
})

describe('slices', () => {
  const service = (ports: object[] = [{ port: 80, targetPort: 'http' }], more: object = {}): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta('web'),
    spec: { selector: { app: 'web' }, ports: ports as never, ...more },
  })
  const many = (count: number): Pod[] => Array.from({ length: count }, (_, n) => pod(`p${n}`, `10.0.${n >> 8}.${n & 255}`))
  const stored = (slices: readonly NewObject<EndpointSlice>[]): EndpointSlice[] =>
    slices.map((slice, n) => ({
      ...slice,
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: meta(`s${n}`, slice.metadata) as never,
      addressType: 'IPv4',
    }))
  const plan = (pods: Pod[], existing: EndpointSlice[] = [], of = service()) => planSlices(of, pods, existing, () => undefined)
  const shape = (made: ReturnType<typeof plan>) => [made.create.length, made.update.length, made.remove.length]

  test('hold a hundred each', () => {
    expect(plan(many(250)).create.map((slice) => slice.endpoints?.length)).toEqual([100, 100, 50])
  })
  test('that are right are not written', () => {
    const existing = stored(plan(many(250)).create)
    expect(shape(plan(many(250), existing))).toEqual([0, 0, 0])
  })
  test('one pod more or less is one write', () => {
    const existing = stored(plan(many(250)).create)
    expect(shape(plan(many(251), existing))).toEqual([0, 1, 0])
    expect(shape(plan(many(250).slice(1), existing))).toEqual([0, 1, 0])
  })
  test('of an earlier Service of the same name go, and are not taken over', () => {
    const existing = stored(plan(many(3)).create)
    const recreated = { ...service(), metadata: meta('web', { uid: 'uid-another-web' }) }
    const made = plan(many(3), existing, recreated)
    expect(shape(made)).toEqual([1, 0, 1])
    expect(made.create[0]?.metadata.ownerReferences?.[0]?.uid).toBe('uid-another-web')
  })
  test('pods that name a port differently stand apart', () => {
    const made = plan([pod('a', '10.0.0.1', { port: 80 }), pod('b', '10.0.0.2', { port: 81 })])
    expect(made.create.map((slice) => [slice.ports?.[0]?.port, slice.endpoints?.[0]?.addresses[0]])).toEqual([
      [80, '10.0.0.1'],
      [81, '10.0.0.2'],
    ])
  })
  test('without pods there is one, empty; of a headless Service without ports, one without ports', () => {
    expect(plan([]).create.map((slice) => slice.endpoints)).toEqual([[]])
    const headless = plan(many(1), [], service([], { clusterIP: 'None' })).create[0]
    expect([headless?.ports, headless?.endpoints?.length, headless?.metadata.labels?.['service.kubernetes.io/headless']]).toEqual([
      [],
      1,
      '',
    ])
  })
  test.each([
    [undefined, undefined],
    ['PreferClose', { forZones: [{ name: 'x' }] }],
    ['PreferSameZone', { forZones: [{ name: 'x' }] }],
    ['PreferSameNode', { forZones: [{ name: 'x' }], forNodes: [{ name: 'n1' }] }],
  ])('trafficDistribution %s: for whom a ready endpoint is', (trafficDistribution, hints) => {
    const of = service(undefined, { trafficDistribution })
    const placed = (one: Pod): Pod => ({ ...one, spec: { ...one.spec, nodeName: 'n1' } })
    const pods = many(1).map(placed)
    const inZone = (zone?: string) => () =>
      ({ metadata: { ...meta('n1'), labels: zone ? { 'topology.kubernetes.io/zone': zone } : {} } }) as unknown as Node
    const made = planSlices(of, pods, [], inZone('x'))
    expect(made.create[0]?.endpoints?.[0]?.hints).toEqual(hints)
    const withoutZone = planSlices(of, pods, [], inZone()).create[0]?.endpoints?.[0]?.hints
    expect(withoutZone).toEqual(hints && 'forNodes' in hints ? { forNodes: hints.forNodes } : undefined)
    // Asked for later, or no more: slices that are there follow.
    const existing = stored(planSlices(service(), pods, [], inZone('x')).create)
    expect(planSlices(of, pods, existing, inZone('x')).update.map((slice) => slice.endpoints?.[0]?.hints)).toEqual(hints ? [hints] : [])
    const unready = pods.map((one) => ({ ...one, status: { ...one.status, conditions: [{ type: 'Ready', status: 'False' }] } }) as Pod)
    expect(planSlices(of, unready, [], inZone('x')).create[0]?.endpoints?.[0]?.hints).toBeUndefined()
  })
  test('an empty one is used again when pods come', () => {
    expect(shape(plan(many(1), stored(plan([]).create)))).toEqual([0, 1, 0])
  })
  test('the last pod leaves one empty slice behind', () => {
    expect(shape(plan([], stored(plan(many(250)).create)))).toEqual([0, 1, 2])
  })
  test('Endpoints of more than a thousand pods are cut, and say so', () => {
    const { subsets, truncated } = subsetsOf(service(), many(1_001))
    expect([subsets[0]?.addresses?.length, truncated]).toEqual([1_000, true])
  })
})

describe('nodes', () => {
  const node = (ready?: string, taints: object[] = [], unschedulable = false): Node => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: meta('n'),
    spec: { taints: taints as never, ...(unschedulable ? { unschedulable } : {}) },
    status: { conditions: ready ? [{ type: 'Ready', status: ready }] : [] },
  })
  const keys = (of: Node) => wantedTaints(of, nowMs)?.map((taint) => `${taint.key}:${taint.effect}`)
  test.each([
    { name: 'new, silent yet', of: node(), is: undefined },
    { name: 'ready', of: node('True'), is: undefined },
    {
      name: 'ready again',
      of: node('True', [
        { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
        { key: 'mine', effect: 'NoExecute' },
      ]),
      is: ['mine:NoExecute'],
    },
    { name: 'not ready', of: node('False'), is: ['node.kubernetes.io/not-ready:NoSchedule', 'node.kubernetes.io/not-ready:NoExecute'] },
    { name: 'lost', of: node('Unknown'), is: ['node.kubernetes.io/unreachable:NoSchedule', 'node.kubernetes.io/unreachable:NoExecute'] },
    { name: 'cordoned', of: node('True', [], true), is: ['node.kubernetes.io/unschedulable:NoSchedule'] },
  ])('$name: $is', ({ of, is }) => {
    expect(keys(of)).toEqual(is)
  })
  test('a silent one is marked once', () => {
    const conditions = silentConditions(node('True'), nowMs) ?? []
    expect(conditions.map((one) => `${one.type} ${one.status} ${one.reason}`)).toEqual([
      'Ready Unknown NodeStatusUnknown',
      'MemoryPressure Unknown NodeStatusNeverUpdated',
      'DiskPressure Unknown NodeStatusNeverUpdated',
      'PIDPressure Unknown NodeStatusNeverUpdated',
    ])
    expect(silentConditions({ ...node(), status: { conditions } }, nowMs)).toBeUndefined()
  })
  test.each([
    { tolerations: [], after: 0 },
    { tolerations: [{ operator: 'Exists' }], after: undefined },
    { tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }], after: 300_000 },
    { tolerations: [{ key: 'k', value: 'other' }], after: 0 },
  ])('a pod that tolerates $tolerations leaves after $after ms', ({ tolerations, after }) => {
    const taint = { key: 'k', value: 'v', effect: 'NoExecute', timeAdded: new Date(nowMs).toISOString() }
    const guest = { ...pod('p', '1'), spec: { containers: [], tolerations } }
    expect(evictionAtMs(guest, node('True', [taint]), nowMs, () => 0)).toBe(after === undefined ? undefined : nowMs + after)
  })
})

describe('an object whose owner is', () => {
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'o', uid: 'o' }
  const other = { ...owner, uid: 'o2' }
  test.each([
    { name: 'there', owners: [{ owner, state: 'present' as const }], becomes: { do: 'nothing' } },
    { name: 'gone', owners: [{ owner, state: 'absent' as const }], becomes: { do: 'delete', propagationPolicy: 'Background' } },
    { name: 'waiting for it', owners: [{ owner, state: 'waiting' as const }], becomes: { do: 'delete', propagationPolicy: 'Foreground' } },
    {
      name: 'gone, with another left',
      owners: [
        { owner, state: 'absent' as const },
        { owner: other, state: 'present' as const },
      ],
      becomes: { do: 'drop-owners', uids: ['o'] },
    },
  ])('$name', ({ owners, becomes }) => {
    expect(stepForDependent(pod('p', '1'), owners, true)).toEqual(becomes)
  })
})

describe('ClusterRoles that gather others', () => {
  test('hold the rules of what they select, each once, and not their own', () => {
    const rule = (resource: string) => ({ apiGroups: [''], resources: [resource], verbs: ['get'] })
    const role = (name: string, labels: Record<string, string>, rules: object[], aggregated?: string) =>
      ({
        metadata: { name, labels },
        rules,
        ...(aggregated ? { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: aggregated } }] } } : {}),
      }) as unknown as ClusterRole
    const view = role('view', { to: 'view' }, [rule('old')], 'view')
    const all = [
      view,
      role('b', { to: 'view' }, [rule('pods'), rule('services')]),
      role('a', { to: 'view' }, [rule('pods')]),
      role('c', {}, [rule('secrets')]),
    ]
    expect(gatheredRules(view, all)).toEqual([rule('pods'), rule('services')])
  })
})
