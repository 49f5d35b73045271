import { describe, expect, test } from 'vitest'
import type { FieldError } from '../../machinery/field-error.ts'
import type { Container, Pod, PodSpec } from '../generated/types.ts'
import { pods } from './pod.ts'

function podOf(spec: Partial<PodSpec>): Pod {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default' },
    spec: { containers: [{ name: 'main', image: 'nginx' }], ...spec },
  } as Pod
  pods.setDefaults(pod)
  return pod
}

const texts = (faults: readonly FieldError[]): string[] => faults.map((fault) => `${fault.field}: ${fault.message}`)
const check = (spec: Partial<PodSpec>): string[] => texts(pods.validate(podOf(spec)))
const withContainer = (container: Partial<Container>): Partial<PodSpec> => ({
  containers: [{ name: 'main', image: 'nginx', ...container }],
})

const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

const containerCases: [name: string, container: Partial<Container>, faults: string[]][] = [
  ['a plain container', {}, []],
  ['no name', { name: '' }, ['spec.containers[0].name: Required value']],
  ['a name with capitals', { name: 'Main' }, [`spec.containers[0].name: Invalid value: "Main": ${labelRule}`]],
  ['no image', { image: '' }, ['spec.containers[0].image: Required value']],
  [
    'blanks around the image',
    { image: ' nginx' },
    ['spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace'],
  ],
  [
    'a port out of range',
    { ports: [{ containerPort: 70000 }] },
    ['spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive'],
  ],
  ['port 0', { ports: [{ containerPort: 0 }] }, ['spec.containers[0].ports[0].containerPort: Required value']],
  [
    'an unknown protocol',
    { ports: [{ containerPort: 80, protocol: 'ICMP' }] },
    ['spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
  ],
  [
    'two ports of one name',
    {
      ports: [
        { containerPort: 80, name: 'http' },
        { containerPort: 81, name: 'http' },
      ],
    },
    ['spec.containers[0].ports[1].name: Duplicate value: "http"'],
  ],
  [
    'the same host port twice',
    {
      ports: [
        { containerPort: 80, hostPort: 8080 },
        { containerPort: 81, hostPort: 8080 },
      ],
    },
    ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//8080"'],
  ],
  [
    'a mount of a volume that is not there',
    { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
    ['spec.containers[0].volumeMounts[0].name: Not found: "data"'],
  ],
  ['a variable without a name', { env: [{ name: '', value: 'x' }] }, ['spec.containers[0].env[0].name: Required value']],
  [
    'a variable with = in its name',
    { env: [{ name: 'A=B' }] },
    [
      'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than \'=\'',
    ],
  ],
  [
    'a variable with a value and a source',
    { env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
    ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
  ],
  [
    'a field that is none',
    { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.nonsense' } } }] },
    [
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nonsense": error converting fieldPath: field label not supported: spec.nonsense',
    ],
  ],
  ['one label', { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }] }, []],
  [
    'envFrom without a source',
    { envFrom: [{}] },
    ['spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
  ],
  [
    'an unknown pull policy',
    { imagePullPolicy: 'Sometimes' },
    ['spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'],
  ],
  [
    'a request above its limit',
    { resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } },
    ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
  ],
  ['requests at their limits', { resources: { requests: { cpu: '1000m', memory: '1Gi' }, limits: { cpu: '1', memory: '1Gi' } } }, []],
  [
    'less than nothing',
    { resources: { limits: { memory: '-1' }, requests: { memory: '-1' } } },
    [
      'spec.containers[0].resources.limits[memory]: Invalid value: "-1": must be greater than or equal to 0',
      'spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
    ],
  ],
  [
    'a resource that is none',
    { resources: { limits: { speed: '1' }, requests: {} } },
    [
      'spec.containers[0].resources.limits[speed]: Invalid value: "speed": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.limits[speed]: Invalid value: "speed": must be a standard resource for containers',
      'spec.containers[0].resources.requests[speed]: Invalid value: "speed": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.requests[speed]: Invalid value: "speed": must be a standard resource for containers',
    ],
  ],
  ['a probe that does nothing', { livenessProbe: {} }, ['spec.containers[0].livenessProbe: Required value: must specify a handler type']],
  [
    'a probe that does two things',
    { readinessProbe: { exec: { command: ['true'] }, tcpSocket: { port: 80 } } },
    ['spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type'],
  ],
  [
    'a probe of a port out of range',
    { livenessProbe: { httpGet: { port: 0 } } },
    ['spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive'],
  ],
  [
    'liveness after two successes',
    { livenessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } },
    ['spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'],
  ],
  [
    'a pause longer than the grace period',
    { lifecycle: { preStop: { sleep: { seconds: 31 } } } },
    [
      'spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)',
    ],
  ],
  [
    'privileged without escalation',
    { securityContext: { privileged: true, allowPrivilegeEscalation: false } },
    [
      'spec.containers[0].securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    ],
  ],
]

const specCases: [name: string, spec: Partial<PodSpec>, faults: string[]][] = [
  ['no containers', { containers: [] }, ['spec.containers: Required value']],
  [
    'two containers of one name',
    {
      containers: [
        { name: 'a', image: 'i' },
        { name: 'a', image: 'i' },
      ],
    },
    ['spec.containers[1].name: Duplicate value: "a"'],
  ],
  [
    'an unknown restart policy',
    { restartPolicy: 'Maybe' },
    ['spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"'],
  ],
  [
    'a volume of two kinds',
    { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] },
    ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    'two volumes of one name',
    {
      volumes: [
        { name: 'v', emptyDir: {} },
        { name: 'v', emptyDir: {} },
      ],
    },
    ['spec.volumes[1].name: Duplicate value: "v"'],
  ],
  [
    'a host path that climbs',
    { volumes: [{ name: 'v', hostPath: { path: '/a/../b' } }] },
    ['spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\''],
  ],
  [
    'an init container with a probe',
    { initContainers: [{ name: 'init', image: 'i', livenessProbe: { tcpSocket: { port: 1 } } }] },
    ['spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always'],
  ],
  [
    'a sidecar with a probe',
    { initContainers: [{ name: 'side', image: 'i', restartPolicy: 'Always', livenessProbe: { tcpSocket: { port: 1 } } }] },
    [],
  ],
  [
    'an init container named as a main one',
    { initContainers: [{ name: 'main', image: 'i' }] },
    ['spec.initContainers[0].name: Duplicate value: "main"'],
  ],
  [
    'no name server with dnsPolicy None',
    { dnsPolicy: 'None' },
    ['spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None'],
  ],
  [
    'a toleration without key or operator',
    { tolerations: [{}] },
    [
      'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
  ],
  [
    'seconds for a toleration of NoSchedule',
    { tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 1 }] },
    ['spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be \'NoExecute\' when `tolerationSeconds` is set'],
  ],
  [
    'node affinity without terms',
    { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } } },
    [
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
    ],
  ],
  [
    'spread by nothing',
    { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: '', whenUnsatisfiable: 'Never' }] },
    [
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
      'spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty',
      'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Never": supported values: "DoNotSchedule", "ScheduleAnyway"',
    ],
  ],
  [
    'a host alias without an address',
    { hostAliases: [{ ip: 'here', hostnames: ['a'] }] },
    ['spec.hostAliases[0].ip: Invalid value: "here": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  [
    'a deadline of 0',
    { activeDeadlineSeconds: 0 },
    ['spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive'],
  ],
  [
    'the host’s processes and shared ones',
    { hostPID: true, shareProcessNamespace: true },
    ['spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled'],
  ],
  [
    'another host port in the host’s network',
    { hostNetwork: true, containers: [{ name: 'a', image: 'i', ports: [{ containerPort: 80, hostPort: 81 }] }] },
    ['spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true'],
  ],
  [
    'ephemeral containers from the start',
    { ephemeralContainers: [{ name: 'debug', image: 'i' }] },
    ['spec.ephemeralContainers: Forbidden: cannot be set on create'],
  ],
]

describe('a pod', () => {
  test.each(containerCases)('whose container has %s', (_, container, faults) => expect(check(withContainer(container))).toEqual(faults))
  test.each(specCases)('with %s', (_, spec, faults) => expect(check(spec)).toEqual(faults))
})

describe('a change of a pod', () => {
  const before = podOf({ activeDeadlineSeconds: 100, tolerations: [{ key: 'a', operator: 'Exists' }] })
  function change(edit: (pod: Pod) => void): string[] {
    const pod = structuredClone(before)
    edit(pod)
    return texts(pods.validateUpdate(pod, before))
  }

  test('may give containers other images and add tolerations', () => {
    const faults = change((pod) => {
      pod.spec.containers[0]!.image = 'nginx:2'
      pod.spec.tolerations?.push({ key: 'b', operator: 'Exists' })
      pod.spec.activeDeadlineSeconds = 50
    })
    expect(faults).toEqual([])
  })

  test('may not touch anything else', () => {
    const faults = change((pod) => {
      pod.spec.nodeSelector = { disk: 'ssd' }
    })
    expect(faults).toEqual([
      'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative),`spec.schedulingGates` (only deletions of existing scheduling gates),`spec.nodeSelector` (only additions, and only while the pod has scheduling gates),`spec.affinity.nodeAffinity` (only while the pod has scheduling gates)\n@@ -12,6 +12,9 @@\n  ],\n  "dnsPolicy": "ClusterFirst",\n  "enableServiceLinks": true,\n+ "nodeSelector": {\n+  "disk": "ssd"\n+ },\n  "preemptionPolicy": "PreemptLowerPriority",\n  "priority": 0,\n  "restartPolicy": "Always",\n',
    ])
  })

  test.each<[string, (pod: Pod) => void, string]>([
    [
      'add a container',
      (pod) => pod.spec.containers.push({ name: 'more', image: 'i' }),
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ],
    [
      'put the deadline off',
      (pod) => {
        pod.spec.activeDeadlineSeconds = 200
      },
      'spec.activeDeadlineSeconds: Invalid value: 200: must be less than or equal to previous value',
    ],
    [
      'take a toleration away',
      (pod) => {
        pod.spec.tolerations = []
      },
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ],
  ])('may not %s', (_, edit, fault) => expect(change(edit)).toEqual([fault]))

  test('of its status brings no container back that ended for good', () => {
    const ended = podOf({ restartPolicy: 'Never' })
    ended.status = {
      containerStatuses: [{ name: 'main', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated: { exitCode: 0 } } }],
    }
    const revived = structuredClone(ended)
    revived.status!.containerStatuses![0]!.state = { running: {} }
    expect(texts(pods.validateStatusUpdate(revived, ended, 'status'))).toEqual([
      'status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state',
    ])
  })
})

describe('deletion waits', () => {
  const stored = (spec: Partial<PodSpec>, phase: string): Pod => ({ ...podOf(spec), status: { phase } })
  test.each([
    ['not at all for a pod that was never bound', stored({}, 'Pending'), 0],
    ['as long as the pod says', stored({ nodeName: 'a', terminationGracePeriodSeconds: 7 }, 'Running'), 7],
    ['30 s if it says nothing', stored({ nodeName: 'a' }, 'Running'), 30],
    ['not at all for a pod that has finished', stored({ nodeName: 'a' }, 'Succeeded'), 0],
    ['a second for less than none', stored({ nodeName: 'a', terminationGracePeriodSeconds: -5 }, 'Running'), 1],
  ])('%s', (_, pod, seconds) => expect(pods.gracePeriodSeconds(pod)).toBe(seconds))
})
