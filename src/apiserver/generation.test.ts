import { expect, test } from 'vitest'
import type { Kind } from '../api/kind.ts'
import { kindFor, kinds } from '../api/registry.ts'
import { seededRandom } from '../host/seeded-random.ts'
import type { KubeObject } from '../machinery/object.ts'
import { beginMetadata, countGeneration, generatedName } from './prepare.ts'

/** Whose strategies count generations, upstream. */
const counting = [
  'admissionregistration.k8s.io: mutatingadmissionpolicies mutatingadmissionpolicybindings mutatingwebhookconfigurations validatingadmissionpolicies validatingadmissionpolicybindings validatingwebhookconfigurations',
  'apiextensions.k8s.io: customresourcedefinitions',
  'apps: daemonsets deployments replicasets statefulsets',
  'autoscaling: horizontalpodautoscalers',
  'batch: cronjobs jobs',
  'core: pods podtemplates replicationcontrollers',
  'discovery.k8s.io: endpointslices',
  'flowcontrol.apiserver.k8s.io: flowschemas prioritylevelconfigurations',
  'networking.k8s.io: ingressclasses ingresses networkpolicies',
  'policy: poddisruptionbudgets',
  'resource.k8s.io: deviceclasses devicetaintrules resourceslices',
  'scheduling.k8s.io: priorityclasses',
  'storage.k8s.io: csidrivers',
]

test('the kinds that count generations are those of upstream', () => {
  const groups = new Map<string, Set<string>>()
  for (const { group, plural, countsGeneration, storedAs } of kinds) {
    if (countsGeneration && !storedAs) groups.set(group || 'core', (groups.get(group || 'core') ?? new Set()).add(plural))
  }
  const lines = [...groups].map(([group, plurals]) => `${group}: ${[...plurals].sort().join(' ')}`).sort()
  expect(lines).toEqual(counting)
})

const at = { namespace: 'default', nowMs: 0, random: seededRandom(1) }
function afterChange(group: string, plural: string, from: object, to: object): number | undefined {
  const kind = kindFor(group, 'v1', plural) as Kind
  const base = { metadata: { name: 'x' } } as unknown as KubeObject
  beginMetadata(kind, base, at)
  const made = (fields: { metadata?: object }): KubeObject =>
    ({ ...base, ...fields, metadata: { ...base.metadata, ...fields.metadata } }) as KubeObject
  const next = made(to)
  countGeneration(kind, next, made(from))
  return next.metadata.generation
}

test.each<[string, string, string, object, object, number | undefined]>([
  ['its spec', 'apps', 'deployments', { spec: { replicas: 1 } }, { spec: { replicas: 2 } }, 2],
  ['nothing', 'apps', 'deployments', { spec: { replicas: 1 } }, { spec: { replicas: 1 } }, 1],
  ['its status', 'apps', 'deployments', { status: {} }, { status: { replicas: 2 } }, 1],
  ['its labels', 'apps', 'deployments', {}, { metadata: { labels: { a: 'b' } } }, 1],
  ['what is no spec', 'admissionregistration.k8s.io', 'validatingwebhookconfigurations', { webhooks: [] }, { webhooks: [{}] }, 2],
  ['labels, of endpoints', 'discovery.k8s.io', 'endpointslices', {}, { metadata: { labels: { a: 'b' } } }, 2],
  ['annotations, of endpoints', 'discovery.k8s.io', 'endpointslices', {}, { metadata: { annotations: { a: 'b' } } }, 1],
  ['endpoints', 'discovery.k8s.io', 'endpointslices', { endpoints: [] }, { endpoints: [{}] }, 2],
  ['a class that never counts again', 'scheduling.k8s.io', 'priorityclasses', { description: 'a' }, { description: 'b' }, 1],
  ['a kind that does not count', '', 'configmaps', { data: {} }, { data: { a: 'b' } }, undefined],
])('a change of %s (%s %s)', (_, group, plural, from, to, generation) => {
  expect(afterChange(group, plural, from, to)).toBe(generation)
})

test('a generated name has room for its suffix', () => {
  expect(generatedName('a'.repeat(80), at.random)).toMatch(/^a{58}[a-z0-9]{5}$/)
  expect(generatedName('web-', at.random)).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
})
