import { describe, expect, test } from 'vitest'
import type { Container, Pod, PodSpec, Volume } from '../generated/types.ts'
import { defaultPullPolicy } from './container-defaults.ts'
import { pods } from './pod.ts'
import { setPodTemplateDefaults } from './pod-defaults.ts'

function defaulted(spec: Partial<PodSpec>): PodSpec {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: { containers: [], ...spec } } as unknown as Pod
  pods.setDefaults(pod)
  return pod.spec
}

const container = (more: Partial<Container>): Container | undefined =>
  defaulted({ containers: [{ name: 'main', image: 'nginx:1', ...more }] }).containers[0]

describe('a pod is filled in', () => {
  test('with what every pod has', () => {
    expect(defaulted({})).toEqual({
      containers: [],
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
      terminationGracePeriodSeconds: 30,
      schedulerName: 'default-scheduler',
      securityContext: {},
      enableServiceLinks: true,
      preemptionPolicy: 'PreemptLowerPriority',
      priority: 0,
    })
  })

  test('with what every container has', () => {
    expect(container({ ports: [{ containerPort: 80 }] })).toEqual({
      name: 'main',
      image: 'nginx:1',
      imagePullPolicy: 'IfNotPresent',
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
      resources: {},
      ports: [{ containerPort: 80, protocol: 'TCP' }],
    })
  })

  test.each([
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['nginx:1.27', 'IfNotPresent'],
    ['localhost:5000/nginx', 'Always'],
    ['localhost:5000/nginx:1', 'IfNotPresent'],
    ['nginx@sha256:0000', 'IfNotPresent'],
    ['nginx:latest@sha256:0000', 'IfNotPresent'],
    ['', 'IfNotPresent'],
  ])('pull policy of %j is %s', (image, policy) => expect(defaultPullPolicy(image)).toBe(policy))

  test('with the details of probes', () => {
    const filled = container({ livenessProbe: { httpGet: { port: 80 } }, readinessProbe: { grpc: { port: 1 } } })
    const times = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 }
    expect(filled?.livenessProbe).toEqual({ httpGet: { port: 80, path: '/', scheme: 'HTTP' }, ...times })
    expect(filled?.readinessProbe).toEqual({ grpc: { port: 1, service: '' }, ...times })
  })

  test('with requests where only limits are given', () => {
    const filled = container({ resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } } })
    expect(filled?.resources?.requests).toEqual({ cpu: '500m', memory: '1Gi' })
  })

  test('with host ports in the host’s network', () => {
    const spec = defaulted({ hostNetwork: true, containers: [{ name: 'a', ports: [{ containerPort: 80 }] }] })
    expect(spec.containers[0]?.ports?.[0]?.hostPort).toBe(80)
  })

  test('with both names of its service account', () => {
    expect(defaulted({ serviceAccount: 'robot' }).serviceAccountName).toBe('robot')
    expect(defaulted({ serviceAccountName: 'robot' }).serviceAccount).toBe('robot')
  })

  test.each<[Volume, Volume]>([
    [{ name: 'v' }, { name: 'v', emptyDir: {} }],
    [
      { name: 'v', configMap: { name: 'c' } },
      { name: 'v', configMap: { name: 'c', defaultMode: 420 } },
    ],
    [
      { name: 'v', secret: { secretName: 's' } },
      { name: 'v', secret: { secretName: 's', defaultMode: 420 } },
    ],
    [
      { name: 'v', hostPath: { path: '/' } },
      { name: 'v', hostPath: { path: '/', type: '' } },
    ],
    [
      { name: 'v', downwardAPI: { items: [{ path: 'a', fieldRef: { fieldPath: 'metadata.name' } }] } },
      {
        name: 'v',
        downwardAPI: { defaultMode: 420, items: [{ path: 'a', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } }] },
      },
    ],
    [
      { name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
      { name: 'v', projected: { defaultMode: 420, sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 3600 } }] } },
    ],
  ])('volume %j', (given, filled) => expect(defaulted({ volumes: [given] }).volumes).toEqual([filled]))
})

test('a template gets only what is the same in all of its pods', () => {
  const template = { spec: { containers: [{ name: 'a', image: 'i', resources: { limits: { cpu: '1' } } }] } }
  setPodTemplateDefaults(template)
  expect(template.spec).not.toHaveProperty('enableServiceLinks')
  expect(template.spec.containers[0]?.resources).toEqual({ limits: { cpu: '1' } })
})

describe('a new pod’s quality of service', () => {
  test.each<[string, Container['resources'][], string]>([
    ['nothing asked for', [{}], 'BestEffort'],
    ['some asked for', [{ requests: { cpu: '1' } }], 'Burstable'],
    ['limits for all', [{ limits: { cpu: '1', memory: '1Gi' } }], 'Guaranteed'],
    ['limits for some', [{ limits: { cpu: '1', memory: '1Gi' } }, {}], 'Burstable'],
    ['limits above requests', [{ requests: { cpu: '500m', memory: '1Gi' }, limits: { cpu: '1', memory: '1Gi' } }], 'Burstable'],
    ['the same in other words', [{ requests: { cpu: '1000m', memory: '1024Mi' }, limits: { cpu: '1', memory: '1Gi' } }], 'Guaranteed'],
  ])('%s: %s', (_, resources, qos) => {
    const spec = defaulted({ containers: resources.map((one, index) => ({ name: `c${index}`, image: 'i', resources: one })) })
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec } as Pod
    pods.prepareForCreate(pod)
    expect(pod.status).toEqual({ phase: 'Pending', qosClass: qos })
  })
})
