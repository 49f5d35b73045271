import { describe, expect, test } from 'vitest'
import type { Container } from '../generated/types.ts'
import { type ContainerCase, containerFaults, podFaults, type SpecCase } from '../testing/pod-cases.ts'

const claims = { resourceClaims: [{ name: 'gpu', resourceClaimName: 'g' }] }
const label = (name: string): string =>
  `Invalid value: "${name}": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`

describe('a container’s resources', () => {
  test.each<ContainerCase>([
    ['of a vendor', { resources: { limits: { 'acme.io/gpu': '2' } } }],
    [
      'of a vendor, in parts',
      { resources: { limits: { 'acme.io/gpu': '500m' } } },
      [
        'resources.limits[acme.io/gpu]: Invalid value: "500m": must be an integer',
        'resources.requests[acme.io/gpu]: Invalid value: "500m": must be an integer',
      ],
    ],
    [
      'of a vendor, fewer than the limit',
      { resources: { limits: { 'acme.io/gpu': '2' }, requests: { 'acme.io/gpu': '1' } } },
      ['resources.requests: Invalid value: "1": must be equal to acme.io/gpu limit of 2'],
    ],
    [
      'of a vendor, without a limit',
      { resources: { requests: { 'acme.io/gpu': '1' } } },
      ['resources.limits: Required value: Limit must be set for non overcommitable resources'],
    ],
    [
      'named as a quota names them',
      { resources: { limits: { 'requests.acme.io/gpu': '1' }, requests: { 'requests.acme.io/gpu': '1' } } },
      [
        'resources.limits[requests.acme.io/gpu]: Invalid value: "requests.acme.io/gpu": doesn\'t follow extended resource name standard',
        'resources.requests[requests.acme.io/gpu]: Invalid value: "requests.acme.io/gpu": doesn\'t follow extended resource name standard',
      ],
    ],
    [
      'of huge pages alone',
      { resources: { limits: { 'hugepages-2Mi': '4Mi' } } },
      ['resources: Forbidden: HugePages require cpu or memory'],
    ],
    [
      'of half a huge page',
      { resources: { limits: { 'hugepages-2Mi': '3Mi', cpu: '1' } } },
      [
        'resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
        'resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
      ],
    ],
    [
      'from a claim that the pod has not',
      { resources: { claims: [{ name: 'tpu' }] } },
      ['resources.claims[0]: Not found: "tpu": must be one of the names in pod.spec.resourceClaims: gpu'],
    ],
    [
      'from one claim twice',
      { resources: { claims: [{ name: 'gpu', request: 'a' }, { name: 'gpu' }] } },
      ['resources.claims[1]: Duplicate value: "gpu"'],
    ],
    [
      'from one request twice',
      {
        resources: {
          claims: [
            { name: 'gpu', request: 'a' },
            { name: 'gpu', request: 'a' },
          ],
        },
      },
      ['resources.claims[1]: Duplicate value: "gpu/a"'],
    ],
  ])('%s', (_, container, faults = []) => expect(containerFaults(container, claims)).toEqual(faults))

  test('name claims of a pod that has none', () => {
    expect(containerFaults({ resources: { claims: [{ name: 'gpu' }] } })).toEqual([
      'resources.claims[0]: Not found: "gpu": must be one of the names in pod.spec.resourceClaims which is empty',
    ])
  })

  test.each<[string, Container['resizePolicy'], string, string[]]>([
    ['of memory', [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }], 'Always', []],
    [
      'of one resource twice',
      [
        { resourceName: 'cpu', restartPolicy: 'NotRequired' },
        { resourceName: 'cpu', restartPolicy: 'NotRequired' },
      ],
      'Always',
      ['resizePolicy[1]: Duplicate value: "cpu"'],
    ],
    [
      'of a disk',
      [{ resourceName: 'disk', restartPolicy: 'NotRequired' }],
      'Always',
      ['resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"'],
    ],
    [
      'by a restart of what never restarts',
      [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }],
      'Never',
      ["resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when pod `restartPolicy` is 'Never'"],
    ],
  ])('are resized %s', (_, resizePolicy, restartPolicy, faults) => {
    expect(containerFaults({ ...(resizePolicy ? { resizePolicy } : {}) }, { restartPolicy })).toEqual(faults)
  })
})

describe('a container’s variables', () => {
  const volumes = [
    { name: 'shared', emptyDir: {} },
    { name: 'other', configMap: { name: 'c' } },
  ]
  test.each<ContainerCase>([
    ['from a file', { env: [{ name: 'A', valueFrom: { fileKeyRef: { key: 'A', volumeName: 'shared', path: 'vars' } } }] }],
    [
      'from a file of no volume',
      { env: [{ name: 'A', valueFrom: { fileKeyRef: { key: 'A', volumeName: 'none', path: '../vars' } } }] },
      [
        'env[0].valueFrom.fileKeyRef.path: Invalid value: "../vars": must not contain \'..\'',
        'env[0].valueFrom.fileKeyRef.volumeName: Not found: "none"',
      ],
    ],
    [
      'from a file of what is written elsewhere',
      { env: [{ name: 'A', valueFrom: { fileKeyRef: { key: 'A', volumeName: 'other', path: 'v' } } }] },
      ['env[0].valueFrom.fileKeyRef.volumeName: Invalid value: "other": referenced volume must be of type emptyDir'],
    ],
    [
      'from nowhere',
      { env: [{ name: 'A', valueFrom: {} }] },
      [
        'env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      ],
    ],
    [
      'from two places',
      { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' }, secretKeyRef: { name: 's', key: 'k' } } }] },
      ['env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time'],
    ],
    [
      'in odd units',
      { env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '2' } } }] },
      [
        'env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m and 1 are supported with the cpu resource',
      ],
    ],
    [
      'of a field that only files show',
      { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.labels' } } }] },
      [
        'env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
      ],
    ],
    ['from all of an unnamed map', { envFrom: [{ configMapRef: {} }] }, ['envFrom[0].configMapRef.name: Required value']],
  ])('%s', (_, container, faults = []) => expect(containerFaults(container, { volumes })).toEqual(faults))
})

describe('a container’s end', () => {
  const rule = { action: 'Restart', exitCodes: { operator: 'In', values: [42] } }
  test.each<ContainerCase>([
    ['by its own policy', { restartPolicy: 'Never', restartPolicyRules: [rule] }],
    [
      'by rules alone',
      { restartPolicyRules: [rule] },
      ['restartPolicy: Required value: must specify restartPolicy when restart rules are used'],
    ],
    [
      'by an unknown policy',
      { restartPolicy: 'Maybe' },
      ['restartPolicy: Unsupported value: "Maybe": supported values: "Always", "Never", "OnFailure"'],
    ],
    [
      'by rules of nothing',
      { restartPolicy: 'Never', restartPolicyRules: [{ action: 'Stop' }] },
      [
        'restartPolicyRules[0].action: Unsupported value: "Stop": supported values: "Restart", "RestartAllContainers"',
        'restartPolicyRules[0].exitCodes: Required value: must be specified',
      ],
    ],
    [
      'by too many rules',
      { restartPolicy: 'Never', restartPolicyRules: Array.from({ length: 21 }, () => rule) },
      ['restartPolicyRules: Too many: 21: must have at most 20 items'],
    ],
    [
      'by a signal, on an unnamed system',
      { lifecycle: { stopSignal: 'SIGINT' } },
      ['lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`'],
    ],
  ])('%s', (_, container, faults = []) => expect(containerFaults(container)).toEqual(faults))

  test('by a signal of the pod’s system', () => {
    expect(containerFaults({ lifecycle: { stopSignal: 'SIGRTMIN+3' } }, { os: { name: 'linux' } })).toEqual([])
    expect(containerFaults({ lifecycle: { stopSignal: 'SIGINT' } }, { os: { name: 'windows' } })).toEqual([
      'lifecycle.stopSignal: Unsupported value: "SIGINT": supported values: "SIGKILL", "SIGTERM"',
    ])
  })
})

describe('a container’s probes', () => {
  test.each<ContainerCase>([
    ['over HTTP/2', { livenessProbe: { httpGet: { port: 80, protocol: 'HTTP2' } } }],
    [
      'over encrypted HTTP/2',
      { livenessProbe: { httpGet: { port: 80, protocol: 'HTTP2', scheme: 'HTTPS' } } },
      ['livenessProbe.httpGet.protocol: Invalid value: "HTTP2": is only supported with HTTP (H2C)'],
    ],
    [
      'over gRPC in an unknown way',
      { livenessProbe: { grpc: { port: 80, mode: 'Loud' } } },
      ['livenessProbe.grpc.mode: Unsupported value: "Loud": supported values: "Plaintext", "TLS"'],
    ],
    [
      'with a grace period where nothing ends',
      { readinessProbe: { tcpSocket: { port: 80 }, terminationGracePeriodSeconds: 1 } },
      ['readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes'],
    ],
    [
      'at less than no time',
      { startupProbe: { exec: { command: ['x'] }, periodSeconds: -1 } },
      ['startupProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0'],
    ],
  ])('%s', (_, container, faults = []) => expect(containerFaults(container)).toEqual(faults))
})

describe('a container’s mounts', () => {
  const volumes = [
    { name: 'disk', persistentVolumeClaim: { claimName: 'c' } },
    { name: 'files', image: { reference: 'i' } },
  ]
  test.each<ContainerCase>([
    ['of a part of an image', { volumeMounts: [{ name: 'files', mountPath: '/f', subPath: 'bin' }] }],
    [
      'of an image, with options',
      { volumeMounts: [{ name: 'files', mountPath: '/f', bindMountOptions: ['noexec'] }] },
      ['volumeMounts[0].bindMountOptions: Invalid value: ["noexec"]: bindMountOptions may not be used with image volumes'],
    ],
    [
      'with options that are none',
      { volumeMounts: [{ name: 'disk', mountPath: '/d', bindMountOptions: ['ro', 'ro'] }] },
      [
        'volumeMounts[0].bindMountOptions[0]: Unsupported value: "ro": supported values: "nodev", "noexec", "nosuid"',
        'volumeMounts[0].bindMountOptions[1]: Unsupported value: "ro": supported values: "nodev", "noexec", "nosuid"',
        'volumeMounts[0].bindMountOptions[1]: Duplicate value: "ro"',
      ],
    ],
    [
      'of a disk both raw and mounted',
      { volumeMounts: [{ name: 'disk', mountPath: '/d' }], volumeDevices: [{ name: 'disk', devicePath: '/dev/d' }] },
      [
        'volumeMounts[0].name: Invalid value: "disk": must not already exist in volumeDevices',
        'volumeDevices[0].name: Invalid value: "disk": must not already exist in volumeMounts',
      ],
    ],
    [
      'of files as a device',
      { volumeDevices: [{ name: 'files', devicePath: '/dev/../d' }] },
      [
        'volumeDevices[0].name: Invalid value: "files": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
        'volumeDevices[0].devicePath: Invalid value: "/dev/../d": can not contain backsteps (\'..\')',
      ],
    ],
    [
      'read-only all through, and writable',
      { volumeMounts: [{ name: 'disk', mountPath: '/d', recursiveReadOnly: 'Enabled' }] },
      ['volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true'],
    ],
  ])('%s', (_, container, faults = []) => expect(containerFaults(container, { volumes })).toEqual(faults))
})

describe('a pod with', () => {
  test.each<SpecCase>([
    [
      'an init container that restarts to grow',
      { initContainers: [{ name: 'i', image: 'i', resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }] },
      [
        'spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": must not be set to \'RestartContainer\' for non-sidecar initContainers',
      ],
    ],
    [
      'claims of no name or source',
      { resourceClaims: [{ name: 'A' }, { name: 'b', resourceClaimName: 'x', resourceClaimTemplateName: 'y' }] },
      [
        `spec.resourceClaims[0].name: ${label('A')}`,
        'spec.resourceClaims[0]: Invalid value: {"name":"A"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
        'spec.resourceClaims[1]: Invalid value: {"name":"b","resourceClaimName":"x","resourceClaimTemplateName":"y"}: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
      ],
    ],
    [
      'less than its containers',
      {
        resources: { requests: { cpu: '1' }, limits: { cpu: '1' } },
        containers: ['a', 'b'].map((name) => ({ name, image: 'i', resources: { requests: { cpu: '600m' }, limits: { cpu: '2' } } })),
      },
      [
        'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 1200m',
        'spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1',
        'spec.resources.containers[1][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1',
      ],
    ],
    [
      'a disk of its own',
      { resources: { requests: { 'ephemeral-storage': '1Gi' } } },
      ['spec.resources.requests[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "memory"'],
    ],
    [
      'an overhead of what is none',
      { overhead: { speed: '1' } },
      [
        'spec.overhead.limits[speed]: Invalid value: "speed": must be a standard resource type or fully qualified',
        'spec.overhead.limits[speed]: Invalid value: "speed": must be a standard resource for containers',
      ],
    ],
  ])('%s', (_, spec, faults = []) => expect(podFaults(spec)).toEqual(faults))
})
