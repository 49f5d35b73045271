import { describe, expect, test } from 'vitest'
import type { Pod } from '../api/generated/types.ts'
import type { ClusterView } from './cluster-state.ts'
import { explainRefusal, filterNodes } from './filter.ts'
import { filters } from './filters/in-order.ts'
import { cluster, node, pod } from './testing/cluster.ts'

interface Case {
  readonly name: string
  readonly pod: Pod
  readonly view: ClusterView
  /** By node: 'fits', or why not. */
  readonly expected: Record<string, string>
}

function check(cases: readonly Case[]): void {
  for (const each of cases)
    test(each.name, () => {
      const { feasible, refused } = filterNodes(each.pod, each.view, filters)
      const outcome: Record<string, string> = {}
      for (const { name } of feasible) outcome[name] = 'fits'
      for (const [name, { reasons }] of refused) outcome[name] = reasons.join(', ')
      expect(outcome).toEqual(each.expected)
    })
}

const taint = (key: string, effect: string, value?: string) => ({ key, effect, ...(value ? { value } : {}) })
const web = { matchLabels: { app: 'web' } }
const hostname = 'kubernetes.io/hostname'
const zone = 'topology.kubernetes.io/zone'

describe('the node itself', () => {
  const three = cluster([[node('a')], [node('b', { spec: { unschedulable: true } })], [node('c')]])
  check([
    {
      name: 'cordoned nodes take no pods',
      pod: pod('p'),
      view: three,
      expected: { a: 'fits', b: 'node(s) were unschedulable', c: 'fits' },
    },
    {
      name: 'cordoned nodes take pods that tolerate it',
      pod: pod('p', { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] }),
      view: three,
      expected: { a: 'fits', b: 'fits', c: 'fits' },
    },
  ])
})

describe('taints', () => {
  const tainted = cluster([
    [node('plain')],
    [node('gpu', { spec: { taints: [taint('gpu', 'NoSchedule', 'yes')] } })],
    [node('down', { spec: { taints: [taint('node.kubernetes.io/not-ready', 'NoExecute')] } })],
    [node('shy', { spec: { taints: [taint('busy', 'PreferNoSchedule')] } })],
  ])
  const gpu = 'node(s) had untolerated taint {gpu: yes}'
  const down = 'node(s) had untolerated taint {node.kubernetes.io/not-ready: }'
  check([
    { name: 'keep out pods that tolerate nothing', pod: pod('p'), view: tainted, expected: { plain: 'fits', gpu, down, shy: 'fits' } },
    {
      name: 'an equal value is tolerated',
      pod: pod('p', { tolerations: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] }),
      view: tainted,
      expected: { plain: 'fits', gpu: 'fits', down, shy: 'fits' },
    },
    {
      name: 'another value or another effect is not',
      pod: pod('p', {
        tolerations: [
          { key: 'gpu', value: 'no' },
          { key: 'gpu', operator: 'Exists', effect: 'NoExecute' },
        ],
      }),
      view: tainted,
      expected: { plain: 'fits', gpu, down, shy: 'fits' },
    },
    {
      name: 'a toleration of everything goes anywhere',
      pod: pod('p', { tolerations: [{ operator: 'Exists' }] }),
      view: tainted,
      expected: { plain: 'fits', gpu: 'fits', down: 'fits', shy: 'fits' },
    },
  ])
})

describe('node selector and affinity', () => {
  const disks = cluster([
    [node('ssd', { labels: { disk: 'ssd', gen: '7' } })],
    [node('hdd', { labels: { disk: 'hdd', gen: '3' } })],
    [node('none')],
  ])
  const no = "node(s) didn't match Pod's node affinity/selector"
  const required = (...terms: object[]): Partial<Pod['spec']> => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
  })
  const expression = (key: string, operator: string, ...values: string[]) => ({ matchExpressions: [{ key, operator, values }] })
  check([
    { name: 'nodeSelector', pod: pod('p', { nodeSelector: { disk: 'ssd' } }), view: disks, expected: { ssd: 'fits', hdd: no, none: no } },
    {
      name: 'In',
      pod: pod('p', required(expression('disk', 'In', 'ssd', 'hdd'))),
      view: disks,
      expected: { ssd: 'fits', hdd: 'fits', none: no },
    },
    {
      name: 'NotIn holds for nodes without the label',
      pod: pod('p', required(expression('disk', 'NotIn', 'hdd'))),
      view: disks,
      expected: { ssd: 'fits', hdd: no, none: 'fits' },
    },
    {
      name: 'DoesNotExist',
      pod: pod('p', required(expression('disk', 'DoesNotExist'))),
      view: disks,
      expected: { ssd: no, hdd: no, none: 'fits' },
    },
    {
      name: 'Gt compares numbers',
      pod: pod('p', required(expression('gen', 'Gt', '5'))),
      view: disks,
      expected: { ssd: 'fits', hdd: no, none: no },
    },
    {
      name: 'Gt of no number matches nothing',
      pod: pod('p', required(expression('gen', 'Gt', 'x'))),
      view: disks,
      expected: { ssd: no, hdd: no, none: no },
    },
    {
      name: 'one of several terms is enough',
      pod: pod('p', required(expression('gen', 'Gt', '5'), expression('gen', 'Lt', '4'))),
      view: disks,
      expected: { ssd: 'fits', hdd: 'fits', none: no },
    },
    { name: 'an empty term matches nothing', pod: pod('p', required({})), view: disks, expected: { ssd: no, hdd: no, none: no } },
    {
      name: 'matchFields names a node',
      pod: pod('p', required({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['hdd'] }] })),
      view: disks,
      expected: { ssd: no, hdd: 'fits', none: no },
    },
  ])
})

describe('resources', () => {
  const small = { allocatable: { cpu: '1', memory: '1Gi', pods: '2' } }
  const view = cluster([
    [node('empty', small)],
    [node('busy', small), pod('x', { requests: { cpu: '800m', memory: '100Mi' } })],
    [node('crowded', small), pod('y'), pod('z')],
  ])
  check([
    {
      name: 'a pod without requests fits where there is a place',
      pod: pod('p'),
      view,
      expected: { empty: 'fits', busy: 'fits', crowded: 'Too many pods' },
    },
    {
      name: 'exactly what is left fits',
      pod: pod('p', { requests: { cpu: '200m', memory: '924Mi' } }),
      view,
      expected: { empty: 'fits', busy: 'fits', crowded: 'Too many pods' },
    },
    {
      name: 'every shortage is told',
      pod: pod('p', { requests: { cpu: '1001m', memory: '2Gi', 'example.com/gpu': '1' } }),
      view,
      expected: {
        empty: 'Insufficient cpu, Insufficient memory, Insufficient example.com/gpu',
        busy: 'Insufficient cpu, Insufficient memory, Insufficient example.com/gpu',
        crowded: 'Too many pods, Insufficient cpu, Insufficient memory, Insufficient example.com/gpu',
      },
    },
    {
      name: 'the largest init container counts, not their sum; overhead comes on top',
      pod: pod('p', {
        initContainers: [
          { name: 'one', resources: { requests: { cpu: '700m' } } },
          { name: 'two', resources: { requests: { cpu: '150m' } } },
        ],
        requests: { cpu: '100m' },
        overhead: { cpu: '50m' },
      }),
      view,
      expected: { empty: 'fits', busy: 'Insufficient cpu', crowded: 'Too many pods' },
    },
    {
      name: 'sidecars run beside what follows them',
      pod: pod('p', {
        initContainers: [
          { name: 'sidecar', restartPolicy: 'Always', resources: { requests: { cpu: '500m' } } },
          { name: 'init', resources: { requests: { cpu: '600m' } } },
        ],
        requests: { cpu: '100m' },
      }),
      view,
      expected: { empty: 'Insufficient cpu', busy: 'Insufficient cpu', crowded: 'Too many pods, Insufficient cpu' },
    },
  ])
})

describe('host ports', () => {
  const port = (hostPort: number, protocol = 'TCP', hostIP?: string) => ({
    containers: [{ name: 'main', ports: [{ containerPort: 80, hostPort, protocol, ...(hostIP ? { hostIP } : {}) }] }],
  })
  const view = cluster([[node('a'), pod('x', port(8080))], [node('b'), pod('y', port(8080, 'TCP', '10.0.0.1'))], [node('c')]])
  const taken = "node(s) didn't have free ports for the requested pod ports"
  check([
    { name: 'a taken port', pod: pod('p', port(8080)), view, expected: { a: taken, b: taken, c: 'fits' } },
    { name: 'another protocol', pod: pod('p', port(8080, 'UDP')), view, expected: { a: 'fits', b: 'fits', c: 'fits' } },
    { name: 'another address', pod: pod('p', port(8080, 'TCP', '10.0.0.2')), view, expected: { a: taken, b: 'fits', c: 'fits' } },
  ])
})

describe('pod affinity', () => {
  const affinity = (kind: 'podAffinity' | 'podAntiAffinity', topologyKey: string, more = {}) => ({
    affinity: { [kind]: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: web, topologyKey, ...more }] } },
  })
  const labels = { app: 'web' }
  const zones = (...[onA1, onB1, elsewhere]: (Pod[] | undefined)[]): ClusterView =>
    cluster(
      [
        [node('a1', { labels: { [zone]: 'a' } }), ...(onA1 ?? [])],
        [node('a2', { labels: { [zone]: 'a' } })],
        [node('b1', { labels: { [zone]: 'b' } }), ...(onB1 ?? [])],
        [node('nowhere'), ...(elsewhere ?? [])],
      ],
      { other: { team: 'x' } },
    )
  const near = "node(s) didn't match pod affinity rules"
  const apart = "node(s) didn't match pod anti-affinity rules"
  const theirs = "node(s) didn't satisfy existing pods anti-affinity rules"
  check([
    {
      name: 'together in a zone',
      pod: pod('p', affinity('podAffinity', zone)),
      view: zones([pod('x', { labels })]),
      expected: { a1: 'fits', a2: 'fits', b1: near, nowhere: near },
    },
    {
      name: 'the first of a group goes anywhere that has the label',
      pod: pod('p', { labels, ...affinity('podAffinity', zone) }),
      view: zones(),
      expected: { a1: 'fits', a2: 'fits', b1: 'fits', nowhere: near },
    },
    {
      name: 'one that is not of the group waits for it',
      pod: pod('p', affinity('podAffinity', zone)),
      view: zones(),
      expected: { a1: near, a2: near, b1: near, nowhere: near },
    },
    {
      name: 'pods of another namespace do not count',
      pod: pod('p', affinity('podAffinity', zone)),
      view: zones([pod('x', { labels, namespace: 'other' })]),
      expected: { a1: near, a2: near, b1: near, nowhere: near },
    },
    {
      name: 'unless their namespace is selected',
      pod: pod('p', affinity('podAffinity', zone, { namespaceSelector: { matchLabels: { team: 'x' } } })),
      view: zones([pod('x', { labels, namespace: 'other' })]),
      expected: { a1: 'fits', a2: 'fits', b1: near, nowhere: near },
    },
    {
      name: 'apart by node',
      pod: pod('p', affinity('podAntiAffinity', hostname)),
      view: zones([pod('x', { labels })], [pod('y', { labels })]),
      expected: { a1: apart, a2: 'fits', b1: apart, nowhere: 'fits' },
    },
    {
      name: 'a pod that is there keeps others out of its zone',
      pod: pod('p', { labels }),
      view: zones([pod('x', affinity('podAntiAffinity', zone))]),
      expected: { a1: theirs, a2: theirs, b1: 'fits', nowhere: 'fits' },
    },
  ])
})

describe('topology spread', () => {
  const labels = { app: 'web' }
  const spread = (topologyKey: string, maxSkew = 1, more = {}) => ({
    labels,
    topologySpreadConstraints: [{ topologyKey, maxSkew, whenUnsatisfiable: 'DoNotSchedule', labelSelector: web, ...more }],
  })
  const webs = (prefix: string, count: number, more = {}) =>
    Array.from({ length: count }, (_, i) => pod(`${prefix}${i}`, { labels, ...more }))
  const view = cluster([
    [node('a1', { labels: { [zone]: 'a' } }), ...webs('a', 2)],
    [node('b1', { labels: { [zone]: 'b' } }), ...webs('b', 1)],
    [node('nowhere')],
  ])
  const skewed = "node(s) didn't match pod topology spread constraints"
  const lacks = `${skewed} (missing required label)`
  check([
    {
      name: 'only where the skew stays within bounds',
      pod: pod('p', spread(zone)),
      view,
      expected: { a1: skewed, b1: 'fits', nowhere: lacks },
    },
    { name: 'a larger skew allows more', pod: pod('p', spread(zone, 2)), view, expected: { a1: 'fits', b1: 'fits', nowhere: lacks } },
    {
      name: 'too few domains count as an empty one',
      pod: pod('p', spread(zone, 1, { minDomains: 3 })),
      view,
      expected: { a1: skewed, b1: skewed, nowhere: lacks },
    },
    {
      name: 'domains that node affinity rules out do not count',
      pod: pod('p', { ...spread(zone), nodeSelector: { [zone]: 'a' } }),
      view,
      expected: {
        a1: 'fits',
        b1: "node(s) didn't match Pod's node affinity/selector",
        nowhere: "node(s) didn't match Pod's node affinity/selector",
      },
    },
    {
      name: 'pods that are being deleted do not count',
      pod: pod('p', spread(zone)),
      view: cluster([
        [node('a1', { labels: { [zone]: 'a' } }), ...webs('a', 2, { deleted: true })],
        [node('b1', { labels: { [zone]: 'b' } })],
      ]),
      expected: { a1: 'fits', b1: 'fits' },
    },
  ])
})

test('a refusal is told in numbers, in order', () => {
  const view = cluster([
    [node('a', { allocatable: { cpu: '100m' } })],
    [node('b', { spec: { taints: [taint('k', 'NoSchedule', 'v')] } })],
    [node('c', { spec: { taints: [taint('k', 'NoSchedule', 'v')] } })],
  ])
  expect(explainRefusal(filterNodes(pod('p', { requests: { cpu: '1' } }), view, filters))).toBe(
    '0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {k: v}.',
  )
  expect(explainRefusal(filterNodes(pod('p'), cluster([]), filters))).toBe('no nodes available to schedule pods')
})
