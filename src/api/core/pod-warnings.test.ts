import { describe, expect, test } from 'vitest'
import type { PodSpec } from '../generated/types.ts'
import { podWith, withContainer } from '../testing/pod-cases.ts'
import { pods } from './pod.ts'
import { templateWarnings } from './pod-warnings.ts'

describe('a pod is warned', () => {
  test.each<[string, Partial<PodSpec>, string[]]>([
    ['of nothing, where nothing is odd', {}, []],
    [
      'of labels that have another name',
      { nodeSelector: { 'beta.kubernetes.io/os': 'linux' } },
      ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
    ],
    [
      'of a variable that hides another',
      withContainer({
        env: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2' },
          { name: 'A', value: '$(A)3' },
        ],
      }),
      ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'],
    ],
    [
      'of thousandths of bytes',
      withContainer({ resources: { limits: { memory: '100m' } } }),
      [
        'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
        'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer',
      ],
    ],
    [
      'of a port that two have',
      { containers: ['a', 'b'].map((name) => ({ name, image: 'i', ports: [{ containerPort: 80, name: 'web' }] })) },
      [
        'spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]',
        'spec.containers[1].ports[0]: duplicate port name "web" with spec.containers[0].ports[0], services and probes that select ports by name will use spec.containers[0].ports[0]',
      ],
    ],
    [
      'of a host’s address without a port',
      withContainer({ ports: [{ containerPort: 80, hostIP: '10.0.0.1' }] }),
      ['spec.containers[0].ports[0]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:10.0.0.1}'],
    ],
    [
      'of volumes whose drivers are gone',
      {
        volumes: [
          { name: 'v', rbd: { monitors: ['m'], image: 'i' } },
          { name: 'w', gitRepo: { repository: 'r' } },
        ],
      },
      [
        'spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+',
        'spec.volumes[1].gitRepo: deprecated in v1.11, and disabled by default in v1.33+',
      ],
    ],
    [
      'of files in each other’s place',
      {
        volumes: [
          {
            name: 'v',
            configMap: {
              name: 'c',
              items: [
                { key: 'a', path: 'x' },
                { key: 'b', path: 'x/y' },
              ],
            },
          },
        ],
      },
      ['volume "v" (ConfigMap "c"): overlapping paths: "x/y" with "x"'],
    ],
    [
      'of one host’s names twice',
      { hostAliases: [{ ip: '10.0.0.1' }, { ip: '10.0.0.1' }], imagePullSecrets: [{ name: '' }] },
      ['spec.hostAliases[1].ip: duplicate ip "10.0.0.1"', 'spec.imagePullSecrets[0].name: invalid empty name ""'],
    ],
    [
      'of a selector of nothing',
      { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }] },
      ['spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod'],
    ],
    [
      'of addresses written oddly',
      { dnsConfig: { nameservers: ['FD00::0:1'] } },
      ['spec.dnsConfig.nameservers[0]: IPv6 address "FD00::0:1" should be in RFC 5952 canonical format ("fd00::1")'],
    ],
  ])('%s', (_, spec, warnings) => expect(pods.warnings(podWith(spec), undefined)).toEqual(warnings))

  test('of a name that is no host’s', () => {
    expect(pods.warnings(podWith({}, { name: 'a.b' }), undefined)).toEqual([
      "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
    ])
  })

  test('only when it is made', () => {
    const pod = podWith({ nodeSelector: { 'beta.kubernetes.io/os': 'linux' } })
    expect(pods.warnings(pod, pod)).toEqual([])
  })

  test('in a template with the template’s path', () => {
    const metadata = { annotations: { 'scheduler.alpha.kubernetes.io/critical-pod': '' } }
    expect(templateWarnings('spec.template', { metadata, spec: podWith({ terminationGracePeriodSeconds: -1 }).spec })).toEqual([
      'spec.template.metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead',
      'spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1',
    ])
  })
})
