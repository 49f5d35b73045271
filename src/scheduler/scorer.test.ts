import { describe, expect, test } from 'vitest'
import { bestNode, type Scorer } from './scorer.ts'
import { balancedScorer } from './scorers/balanced.ts'
import { imageScorer } from './scorers/image.ts'
import { leastAllocatedScorer } from './scorers/least-allocated.ts'
import { nodeAffinityScorer } from './scorers/node-affinity.ts'
import { podAffinityScorer } from './scorers/pod-affinity.ts'
import { spreadScorer } from './scorers/spread.ts'
import { taintsScorer } from './scorers/taints.ts'
import { scorers } from './scorers/weighted.ts'
import { cluster, node, pod } from './testing/cluster.ts'

const zone = 'topology.kubernetes.io/zone'
const hostname = 'kubernetes.io/hostname'
const gib = 2 ** 30

const cases: { name: string; scorer: Scorer; pod: ReturnType<typeof pod>; view: ReturnType<typeof cluster>; scores: number[] }[] = [
  {
    name: 'fewer taints to put up with are better',
    scorer: taintsScorer,
    pod: pod('p', { tolerations: [{ key: 'b', operator: 'Exists' }] }),
    view: cluster([
      [node('none')],
      [node('one', { spec: { taints: [{ key: 'a', effect: 'PreferNoSchedule' }] } })],
      [node('two', { spec: { taints: ['a', 'c'].map((key) => ({ key, effect: 'PreferNoSchedule' })) } })],
      [node('tolerated', { spec: { taints: [{ key: 'b', effect: 'PreferNoSchedule' }] } })],
    ]),
    scores: [100, 50, 0, 100],
  },
  {
    name: 'preferred node affinity adds up',
    scorer: nodeAffinityScorer,
    pod: pod('p', {
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 30, preference: { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] } },
            { weight: 10, preference: { matchExpressions: [{ key: 'gpu', operator: 'Exists' }] } },
          ],
        },
      },
    }),
    view: cluster([[node('both', { labels: { disk: 'ssd', gpu: '' } })], [node('ssd', { labels: { disk: 'ssd' } })], [node('plain')]]),
    scores: [100, 75, 0],
  },
  {
    name: 'more room left is better',
    scorer: leastAllocatedScorer,
    pod: pod('p', { requests: { cpu: '1', memory: '2Gi' } }),
    view: cluster([[node('empty')], [node('half'), pod('x', { requests: { cpu: '2', memory: '4Gi' } })]]),
    scores: [75, 25],
  },
  {
    name: 'cpu and memory used alike are better',
    scorer: balancedScorer,
    pod: pod('p', { requests: { cpu: '1', memory: '2Gi' } }),
    view: cluster([[node('even')], [node('cpu-heavy'), pod('x', { requests: { cpu: '2', memory: '0' } })]]),
    scores: [100, 75],
  },
  {
    name: 'pods of one controller go apart',
    scorer: spreadScorer,
    pod: pod('p', { owner: 'web' }),
    view: cluster([
      [node('two'), pod('a', { owner: 'web' }), pod('b', { owner: 'web' })],
      [node('none'), pod('c', { owner: 'other' })],
      [node('leaving'), pod('d', { owner: 'web', deleted: true })],
    ]),
    scores: [38, 100, 100],
  },
  {
    name: 'zones are spread over by wish',
    scorer: spreadScorer,
    pod: pod('p', {
      labels: { app: 'web' },
      topologySpreadConstraints: [
        { topologyKey: zone, maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels: { app: 'web' } } },
      ],
    }),
    view: cluster([
      [node('a', { labels: { [zone]: 'a' } }), pod('x', { labels: { app: 'web' } })],
      [node('b', { labels: { [zone]: 'b' } })],
      [node('without')],
    ]),
    scores: [0, 100, 0],
  },
  {
    name: 'wishes to be near and apart',
    scorer: podAffinityScorer,
    pod: pod('p', {
      affinity: {
        podAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 50, podAffinityTerm: { topologyKey: hostname, labelSelector: { matchLabels: { app: 'cache' } } } },
          ],
        },
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 50, podAffinityTerm: { topologyKey: hostname, labelSelector: { matchLabels: { app: 'noisy' } } } },
          ],
        },
      },
    }),
    view: cluster([
      [node('near'), pod('c', { labels: { app: 'cache' } })],
      [node('plain')],
      [node('loud'), pod('n', { labels: { app: 'noisy' } })],
    ]),
    scores: [100, 50, 0],
  },
  {
    name: 'images that are there already',
    scorer: imageScorer,
    pod: pod('p', { containers: [{ name: 'main', image: 'big' }] }),
    view: cluster([[node('has', { images: [{ names: ['big:latest'], sizeBytes: 4 * gib }] })], [node('lacks')]]),
    scores: [100, 0],
  },
]

describe('scorers', () => {
  for (const each of cases)
    test(each.name, () => {
      expect(each.scorer.score(each.pod, each.view.nodes, each.view).map(Math.round)).toEqual(each.scores)
    })

  test('all scores lie between 0 and 100', () => {
    for (const each of cases)
      for (const other of cases)
        for (const score of each.scorer.score(other.pod, other.view.nodes, other.view)) {
          expect(score).toBeGreaterThanOrEqual(0)
          expect(score).toBeLessThanOrEqual(100)
        }
  })
})

describe('the best node', () => {
  const random = (value: number) => ({ float: () => value, uuid: () => '' })
  test('has the best total', () => {
    const view = cluster([[node('full'), pod('x', { requests: { cpu: '3', memory: '6Gi' } })], [node('empty')]])
    expect(bestNode(pod('p'), view.nodes, view, random(0), scorers).name).toBe('empty')
  })
  test('is chosen by chance among equals', () => {
    const view = cluster([[node('a')], [node('b')], [node('c')]])
    expect([0, 0.34, 0.99].map((value) => bestNode(pod('p'), view.nodes, view, random(value), scorers).name)).toEqual(['a', 'b', 'c'])
  })
  test('spreads six pods of one controller evenly over three nodes that are unevenly used', () => {
    const infos = [node('a'), node('b'), node('c')]
    const placed: ReturnType<typeof pod>[][] = [[pod('x', { requests: { cpu: '1', memory: '1Gi' } })], [], []]
    for (let i = 0; i < 6; i++) {
      const view = cluster(infos.map((each, at) => [each, ...placed[at]!]))
      const web = pod(`w${i}`, { owner: 'web', requests: { cpu: '10m' } })
      const chosen = bestNode(web, view.nodes, view, random(0), scorers)
      placed[infos.findIndex(({ metadata }) => metadata.name === chosen.name)]!.push(web)
    }
    expect(placed.map((pods) => pods.filter((each) => each.metadata.name.startsWith('w')).length)).toEqual([2, 2, 2])
  })
})
