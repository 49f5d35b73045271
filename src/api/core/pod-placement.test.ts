import { describe, expect, test } from 'vitest'
import type { PodAffinityTerm, PodSpec } from '../generated/types.ts'
import { podFaults, podWith, type SpecCase } from '../testing/pod-cases.ts'
import { pods } from './pod.ts'

const spread = { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }
const term = (part: Partial<PodAffinityTerm>): Partial<PodSpec> => ({
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', ...part }] } },
})
const at = 'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]'

describe('a pod’s place', () => {
  test.each<SpecCase>([
    ['beside pods of its own version', term({ labelSelector: {}, matchLabelKeys: ['version'] })],
    [
      'beside no pods of its own version',
      term({ matchLabelKeys: ['version'] }),
      [`${at}.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set`],
    ],
    [
      'beside pods of its own version, and of another',
      term({ labelSelector: {}, matchLabelKeys: ['version'], mismatchLabelKeys: ['version'] }),
      [
        `${at}[0]: Invalid value: "version": exists in both matchLabelKeys and labelSelector`,
        `${at}.matchLabelKeys[0]: Invalid value: "version": exists in both matchLabelKeys and mismatchLabelKeys`,
      ],
    ],
    [
      'beside pods of a version asked for twice',
      term({ labelSelector: { matchLabels: { version: '1' } }, matchLabelKeys: ['version'] }),
      [`${at}[0]: Invalid value: "version": exists in both matchLabelKeys and labelSelector`],
    ],
    [
      'in a namespace that is none',
      term({ labelSelector: {}, namespaces: ['a.b'] }),
      [`${at}.namespace: Invalid value: "a.b": must not contain dots`],
    ],
    [
      'rather on nodes that cannot be',
      {
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 101, preference: { matchExpressions: [{ key: 'a', operator: 'In', values: ['-'] }] } },
            ],
          },
        },
      },
      [
        'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100',
      ],
    ],
    [
      'spread twice in one way',
      { topologySpreadConstraints: [spread, { ...spread, maxSkew: 2 }] },
      ['spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}"'],
    ],
    [
      'spread over a number of zones, if possible',
      { topologySpreadConstraints: [{ ...spread, whenUnsatisfiable: 'ScheduleAnyway', minDomains: 0 }] },
      [
        'spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero',
        'spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway',
      ],
    ],
    ['on nodes of a number', { tolerations: [{ key: 'sla', operator: 'Gt', value: '90' }] }],
    [
      'on nodes of what is no number',
      { tolerations: [{ key: 'sla', operator: 'Gt', value: '09' }] },
      ['spec.tolerations[0].value: Invalid value: "09": must be a valid decimal integer in canonical form'],
    ],
    [
      'in a group, and asked before it goes',
      { schedulingGroup: { podGroupName: 'g' }, evictionResponders: [{ name: 'a.io/b', priority: 1 }] },
      ['spec.schedulingGroup: Forbidden: may not be set when evictionResponders is set'],
    ],
  ])('%s', (_, spec, faults = []) => expect(podFaults(spec, { labels: { version: '2' } })).toEqual(faults))

  test('beside pods of its own version says which, once it is made', () => {
    const expression = { key: 'version', operator: 'In', values: ['2'] }
    const both = () => ({ labelSelector: {}, matchLabelKeys: ['version'] })
    const { spec } = podWith({ ...term(both()), topologySpreadConstraints: [{ ...spread, ...both() }] }, { labels: { version: '2' } })
    expect(spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.[0]?.labelSelector).toEqual({
      matchExpressions: [expression],
    })
    expect(spec.topologySpreadConstraints?.[0]?.labelSelector).toEqual({ matchExpressions: [expression] })
  })
})

describe('a pod’s names', () => {
  test.each<SpecCase>([
    ['for itself', { hostnameOverride: 'db.example.com' }],
    [
      'for itself, against the host’s',
      { hostnameOverride: 'x'.repeat(65), hostNetwork: true, setHostnameAsFQDN: true },
      [
        'spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true',
        'spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true',
        'spec.hostnameOverride: Too long: may not be more than 64 bytes',
      ],
    ],
    ['that it looks for', { dnsConfig: { searches: ['_sip._tcp.example.com', '.', 'a.b.'] } }],
    [
      'that it looks for in vain',
      { dnsConfig: { searches: ['-a'] } },
      [
        "spec.dnsConfig.searches[0]: Invalid value: \"-a\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      'by servers with odd addresses',
      { dnsConfig: { nameservers: ['010.0.0.1', '::ffff:10.0.0.1', 'x'] } },
      [
        'spec.dnsConfig.nameservers[0]: Invalid value: "010.0.0.1": must not have leading 0s',
        'spec.dnsConfig.nameservers[1]: Invalid value: "::ffff:10.0.0.1": must not be an IPv4-mapped IPv6 address',
        'spec.dnsConfig.nameservers[2]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ],
    ],
  ])('%s', (_, spec, faults = []) => expect(podFaults(spec)).toEqual(faults))
})

describe('a gated pod', () => {
  const terms = (...nodeSelectorTerms: object[]): Partial<PodSpec> => ({
    schedulingGates: [{ name: 'a.io/wait' }],
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: nodeSelectorTerms as [] } } },
  })
  const [zone, disk] = ['zone', 'disk'].map((key) => ({ key, operator: 'Exists' }))
  const path = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms'
  const change = (before: Partial<PodSpec>, now: Partial<PodSpec>): string[] =>
    pods.validateUpdate(podWith(now), podWith(before)).map(({ field, message }) => `${field}: ${message}`)

  test('may ask for more of its nodes', () => {
    expect(change(terms({ matchExpressions: [zone] }), terms({ matchExpressions: [zone, disk] }))).toEqual([])
    expect(change({ schedulingGates: [{ name: 'a.io/wait' }] }, terms({ matchExpressions: [zone] }))).toEqual([])
  })

  test('may not ask for less', () => {
    expect(change(terms({ matchExpressions: [zone] }), terms({ matchExpressions: [disk] }))).toEqual([
      `${path}[0]: Invalid value: {"matchExpressions":[{"key":"disk","operator":"Exists"}]}: only additions are allowed (no mutations or deletions)`,
    ])
    expect(change(terms({ matchExpressions: [zone] }), terms({ matchExpressions: [zone] }, { matchExpressions: [disk] }))).toEqual([
      expect.stringContaining('no additions/deletions to non-empty NodeSelectorTerms list are allowed'),
    ])
  })
})
