import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type {
  ConfigMap,
  Deployment,
  EndpointSlice,
  Endpoints,
  Event,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Service,
} from '../api/generated/types.ts'
import {
  configMaps,
  deployments,
  endpointSlices,
  endpoints,
  events,
  namespaces,
  nodes,
  pods,
  replicaSets,
  serviceAccounts,
  services,
} from '../api/registry.ts'
import type { NewObject } from '../machinery/object.ts'
import { anyCertificate } from '../machinery/testing/certificate-requests.ts'
import { ControlPlane } from './testing/control-plane.ts'

let plane: ControlPlane
beforeEach(async () => {
  plane = await ControlPlane.start()
})
afterEach(async () => {
  await plane.close()
  expect(plane.errors).toEqual([])
})

const labels = { app: 'web' }
const template = (image = 'web:1') => ({
  metadata: { labels },
  spec: { containers: [{ name: 'web', image, ports: [{ name: 'http', containerPort: 8080 }] }] },
})
const deployment = (spec: object = {}): NewObject<Deployment> => ({
  metadata: { name: 'web' },
  spec: { replicas: 3, selector: { matchLabels: labels }, template: template(), ...spec },
})
const pod = (name: string, more: object = {}): NewObject<Pod> => ({
  metadata: { name, labels, ...more },
  spec: { nodeName: 'n', containers: template().spec.containers },
})
const of = {
  deployments: (namespace = 'default') => plane.client.resource<Deployment>(deployments, namespace),
  sets: (namespace = 'default') => plane.client.resource<ReplicaSet>(replicaSets, namespace),
  pods: (namespace = 'default') => plane.client.resource<Pod>(pods, namespace),
  services: (namespace = 'default') => plane.client.resource<Service>(services, namespace),
  slices: (namespace = 'default') => plane.client.resource<EndpointSlice>(endpointSlices, namespace),
  endpoints: (namespace = 'default') => plane.client.resource<Endpoints>(endpoints, namespace),
}
const addresses = async (service: string, namespace = 'default'): Promise<string[]> => {
  const slices = (await of.slices(namespace).list({ labelSelector: `kubernetes.io/service-name=${service}` })).items
  return slices
    .flatMap((slice) =>
      (slice.endpoints ?? []).flatMap((one) => one.addresses.map((ip) => `${ip}:${slice.ports?.map((port) => port.port).join('+')}`)),
    )
    .sort()
}
const messages = async (): Promise<string[]> =>
  (await plane.client.resource<Event>(events, 'default').list()).items.map((event) => event.message ?? '')

describe('a Deployment', () => {
  test('makes one ReplicaSet, which makes its pods; each once', async () => {
    await of.deployments().create(deployment())
    await plane.rest()
    const [set] = (await of.sets().list()).items
    expect(set?.metadata.name).toBe(`web-${set?.metadata.labels?.['pod-template-hash']}`)
    expect(set?.metadata.annotations).toMatchObject({
      'deployment.kubernetes.io/revision': '1',
      'deployment.kubernetes.io/desired-replicas': '3',
      'deployment.kubernetes.io/max-replicas': '4',
    })
    expect((await plane.pods()).length).toBe(3)
    const told = await messages()
    expect(told).toContain(`Scaled up replica set ${set?.metadata.name} from 0 to 3`)
    expect(told.filter((message) => message.startsWith('Created pod: ')).length).toBe(3)
  })

  test('tells how far its rollout is', async () => {
    await of.deployments().create(deployment({ replicas: 1 }))
    await plane.rest()
    const reasons = async () =>
      (await of.deployments().get('web')).status?.conditions?.map((one) => `${one.type}=${one.status} ${one.reason}`)
    expect(await reasons()).toContain('Available=False MinimumReplicasUnavailable')
    for (const one of await plane.pods()) await plane.run(one, '10.244.0.1')
    expect(await reasons()).toEqual(['Available=True MinimumReplicasAvailable', 'Progressing=True NewReplicaSetAvailable'])
    await of.deployments().patch('web', { type: 'merge', body: { spec: { progressDeadlineSeconds: 60, template: template('bad') } } })
    await plane.rest()
    expect(await reasons()).toContain('Progressing=True ReplicaSetUpdated')
    await plane.clock.advance(65_000)
    expect(await reasons()).toContain('Progressing=False ProgressDeadlineExceeded')
  })

  test('scaled while paused only changes its size; resumed it rolls', async () => {
    await of.deployments().create(deployment())
    await plane.rest()
    await of.deployments().patch('web', { type: 'merge', body: { spec: { paused: true, replicas: 5, template: template('web:2') } } })
    await plane.rest()
    expect((await of.sets().list()).items.map((set) => set.spec.replicas)).toEqual([5])
    await of.deployments().patch('web', { type: 'merge', body: { spec: { paused: false } } })
    await plane.rest()
    expect((await of.sets().list()).items.length).toBe(2)
  })

  test('that recreates waits for the last old pod', async () => {
    await of.deployments().create(deployment({ replicas: 1, strategy: { type: 'Recreate' } }))
    await plane.rest()
    const [old] = await plane.pods()
    await of.pods().createSubresource(old?.metadata.name ?? '', 'binding', {
      metadata: { name: old?.metadata.name },
      target: { kind: 'Node', name: 'n' },
    })
    await plane.run(old as Pod, '10.244.0.1')
    await of.deployments().patch('web', { type: 'merge', body: { spec: { template: template('web:2') } } })
    await plane.rest()
    expect((await plane.pods()).map((one) => [one.spec.containers[0]?.image, one.metadata.deletionTimestamp !== undefined])).toEqual([
      ['web:1', true],
    ])
    await of.pods().delete(old?.metadata.name ?? '', { gracePeriodSeconds: 0 })
    await plane.rest()
    expect((await plane.pods()).map((one) => one.spec.containers[0]?.image)).toEqual(['web:2'])
  })

  test('keeps as many old revisions as it is told', async () => {
    await of.deployments().create(deployment({ replicas: 0, revisionHistoryLimit: 1 }))
    for (const image of ['web:2', 'web:3', 'web:4']) {
      await plane.rest()
      await of.deployments().patch('web', { type: 'merge', body: { spec: { template: template(image) } } })
    }
    await plane.rest()
    const revisions = (await of.sets().list()).items.map((set) => set.metadata.annotations?.['deployment.kubernetes.io/revision'])
    expect(revisions.sort()).toEqual(['3', '4'])
  })
})

describe('a ReplicaSet', () => {
  const set = (replicas: number): NewObject<ReplicaSet> => ({
    metadata: { name: 'web' },
    spec: { replicas, selector: { matchLabels: labels }, template: template() },
  })
  test('adopts orphans that match, and lets go what no longer does', async () => {
    await of.pods().create(pod('orphan'))
    await of.sets().create(set(2))
    await plane.rest()
    expect((await plane.pods()).length).toBe(2)
    expect((await of.pods().get('orphan')).metadata.ownerReferences?.[0]?.name).toBe('web')
    await of.pods().patch('orphan', { type: 'merge', body: { metadata: { labels: { app: 'other' } } } })
    await plane.rest()
    expect((await of.pods().get('orphan')).metadata.ownerReferences).toBeUndefined()
    expect((await plane.pods()).length).toBe(3)
  })
  test('makes one for each that is deleted or fails', async () => {
    await of.sets().create(set(2))
    await plane.rest()
    const [first, second] = await plane.pods()
    await of.pods().delete(first?.metadata.name ?? '')
    await of.pods().updateStatus({ ...(second as Pod), status: { phase: 'Failed' } })
    await plane.rest()
    expect((await plane.pods()).filter((one) => one.status?.phase !== 'Failed').length).toBe(2)
    await of.sets().patch('web', { type: 'merge', body: { spec: { replicas: 0 } } })
    await plane.rest()
    expect((await plane.pods()).filter((one) => one.status?.phase !== 'Failed').length).toBe(0)
  })
})

describe('endpoints', () => {
  const service = (name: string, port: object): NewObject<Service> => ({
    metadata: { name },
    spec: { selector: labels, ports: [port as never] },
  })

  test('carry the target port, found by name or number, never the Service port', async () => {
    await of.pods().create(pod('p'))
    await plane.run(await of.pods().get('p'), '10.244.0.5')
    await of.services().create(service('by-name', { port: 80, targetPort: 'http' }))
    await of.services().create(service('by-number', { port: 80, targetPort: 9090 }))
    await plane.rest()
    expect(await addresses('by-name')).toEqual(['10.244.0.5:8080'])
    expect(await addresses('by-number')).toEqual(['10.244.0.5:9090'])
    expect((await of.endpoints().get('by-name')).subsets).toMatchObject([{ addresses: [{ ip: '10.244.0.5' }], ports: [{ port: 8080 }] }])
  })

  test('two Services whose ports have the same name both get theirs', async () => {
    await of.pods().create(pod('p'))
    await plane.run(await of.pods().get('p'), '10.244.0.5')
    for (const name of ['one', 'two']) await of.services().create(service(name, { name: 'http', port: 80, targetPort: 8080 }))
    await plane.rest()
    expect([await addresses('one'), await addresses('two')]).toEqual([['10.244.0.5:8080'], ['10.244.0.5:8080']])
  })

  test('of a namespace are not those of another whose name begins alike', async () => {
    for (const [name, ip] of [
      ['test', '10.244.0.1'],
      ['test2', '10.244.0.2'],
    ] as const) {
      await plane.client.resource<Namespace>(namespaces).create({ metadata: { name }, spec: {} } as NewObject<Namespace>)
      await plane.rest()
      await of.pods(name).create(pod('p'))
      await plane.run(await of.pods(name).get('p'), ip)
    }
    await of.services('test').create(service('web', { port: 80, targetPort: 8080 }))
    await plane.rest()
    expect(await addresses('web', 'test')).toEqual(['10.244.0.1:8080'])
  })

  test('of a recreated pod hold its new address and not the old', async () => {
    await of.services().create(service('web', { port: 80, targetPort: 8080 }))
    await of.pods().create(pod('p'))
    await plane.run(await of.pods().get('p'), '10.244.0.5')
    const before = (await of.slices().list()).items.map((slice) => slice.metadata.name)
    await of.pods().delete('p', { gracePeriodSeconds: 0 })
    await of.pods().create(pod('p'))
    await plane.run(await of.pods().get('p'), '10.244.0.6')
    expect(await addresses('web')).toEqual(['10.244.0.6:8080'])
    expect((await of.slices().list()).items.map((slice) => slice.metadata.name)).toEqual(before)
  })

  test('tell ready from serving from terminating', async () => {
    await of.services().create(service('web', { port: 80, targetPort: 8080 }))
    await of.pods().create(pod('p'))
    const conditions = async () =>
      (await of.slices().list({ labelSelector: 'kubernetes.io/service-name=web' })).items[0]?.endpoints?.[0]?.conditions
    await plane.run(await of.pods().get('p'), '10.244.0.5', false)
    expect(await conditions()).toEqual({ ready: false, serving: false, terminating: false })
    expect((await of.endpoints().get('web')).subsets?.[0]?.notReadyAddresses?.[0]?.ip).toBe('10.244.0.5')
    await plane.run(await of.pods().get('p'), '10.244.0.5')
    expect(await conditions()).toEqual({ ready: true, serving: true, terminating: false })
    await of.pods().delete('p')
    await plane.rest()
    expect(await conditions()).toEqual({ ready: false, serving: true, terminating: true })
  })

  test('go with their Service', async () => {
    await of.services().create(service('web', { port: 80 }))
    await plane.rest()
    expect((await of.slices().list({ labelSelector: 'kubernetes.io/service-name=web' })).items.length).toBe(1)
    await of.services().delete('web')
    await plane.rest()
    expect((await of.slices().list({ labelSelector: 'kubernetes.io/service-name=web' })).items).toEqual([])
    await expect(of.endpoints().get('web')).rejects.toThrow('not found')
  })
})

describe('ownership', () => {
  const tree = async (): Promise<void> => {
    await of.deployments().create(deployment({ replicas: 2 }))
    await plane.rest()
  }
  const left = async (): Promise<number[]> => [
    (await of.deployments().list()).items.length,
    (await of.sets().list()).items.length,
    (await plane.pods()).length,
  ]

  test('what is owned goes after its owner', async () => {
    await tree()
    await of.deployments().delete('web')
    await plane.rest()
    expect(await left()).toEqual([0, 0, 0])
  })
  test('foreground: the owner goes last', async () => {
    await tree()
    const [one] = await plane.pods()
    await of.pods().patch(one?.metadata.name ?? '', { type: 'merge', body: { metadata: { finalizers: ['example.com/wait'] } } })
    await of.deployments().delete('web', { propagationPolicy: 'Foreground' })
    await plane.rest()
    expect(await left()).toEqual([1, 1, 1])
    await of.pods().patch(one?.metadata.name ?? '', { type: 'merge', body: { metadata: { finalizers: null } } })
    await plane.rest()
    expect(await left()).toEqual([0, 0, 0])
  })
  test('orphaned: what was owned stays, unowned', async () => {
    await tree()
    await of.deployments().delete('web', { propagationPolicy: 'Orphan' })
    await plane.rest()
    expect(await left()).toEqual([0, 1, 2])
    expect((await of.sets().list()).items[0]?.metadata.ownerReferences).toBeUndefined()
  })
  test('what names an owner that never was goes; an owner that is left holds it', async () => {
    const owner = await plane.client.resource<ConfigMap>(configMaps, 'default').create({ metadata: { name: 'owner' } })
    const reference = (name: string, uid: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', name, uid })
    const maps = plane.client.resource<ConfigMap>(configMaps, 'default')
    await maps.create({ metadata: { name: 'lost', ownerReferences: [reference('nobody', 'u')] } })
    await maps.create({ metadata: { name: 'held', ownerReferences: [reference('nobody', 'u'), reference('owner', owner.metadata.uid)] } })
    await plane.rest()
    await expect(maps.get('lost')).rejects.toThrow('not found')
    expect((await maps.get('held')).metadata.ownerReferences?.map((one) => one.name)).toEqual(['owner'])
  })
  test('an object without a namespace that names an owner with one stays: nobody can say whether that is there', async () => {
    const spaces = plane.client.resource<Namespace>(namespaces)
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'somewhere', uid: 'u' }]
    await spaces.create({ metadata: { name: 'kept', ownerReferences } } as NewObject<Namespace>)
    await plane.rest()
    expect((await spaces.get('kept')).metadata.deletionTimestamp).toBeUndefined()
  })
})

describe('a node that is not ready', () => {
  test('has its pods marked once: what its kubelet says of them afterwards holds', async () => {
    const nodeClient = plane.client.resource<Node>(nodes)
    const tell = async (status: string, heartbeat: string): Promise<void> => {
      const node = await nodeClient.get('n1')
      const conditions = [{ type: 'Ready', status, lastHeartbeatTime: heartbeat, lastTransitionTime: '2026-01-01T00:00:00Z' }]
      await nodeClient.updateStatus({ ...node, status: { ...node.status, conditions } })
      await plane.rest()
    }
    await nodeClient.create({ metadata: { name: 'n1' }, spec: {} } as NewObject<Node>)
    await of.pods().create({ metadata: { name: 'a' }, spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] } } as NewObject<Pod>)
    const isReady = async (): Promise<string | undefined> =>
      (await of.pods().get('a')).status?.conditions?.find(({ type }) => type === 'Ready')?.status
    await plane.run(await of.pods().get('a'), '10.0.0.1')
    await tell('False', '2026-01-01T00:00:01Z')
    expect(await isReady()).toBe('False')
    await plane.run(await of.pods().get('a'), '10.0.0.1')
    await tell('False', '2026-01-01T00:00:11Z')
    expect(await isReady()).toBe('True')
  })
})

describe('a namespace', () => {
  test('begins with its service account and the cluster certificate, and gets them back', async () => {
    await plane.client.resource<Namespace>(namespaces).create({ metadata: { name: 'new' } } as NewObject<Namespace>)
    await plane.rest()
    await plane.client.resource(serviceAccounts, 'new').delete('default')
    await plane.client
      .resource<ConfigMap>(configMaps, 'new')
      .patch('kube-root-ca.crt', { type: 'merge', body: { data: { 'ca.crt': 'false' } } })
    await plane.rest()
    await plane.client.resource(serviceAccounts, 'new').get('default')
    expect((await plane.client.resource<ConfigMap>(configMaps, 'new').get('kube-root-ca.crt')).data).toEqual({ 'ca.crt': anyCertificate })
  })
  test('that is deleted says what it waits for, and goes when that has gone; one with a like name stays', async () => {
    const spaces = plane.client.resource<Namespace>(namespaces)
    for (const name of ['test', 'test2']) {
      await spaces.create({ metadata: { name } } as NewObject<Namespace>)
      await plane.client.resource<ConfigMap>(configMaps, name).create({ metadata: { name: 'held', finalizers: ['example.com/wait'] } })
    }
    await spaces.delete('test')
    await plane.rest()
    const conditions = (await spaces.get('test')).status?.conditions?.filter((one) => one.status === 'True').map((one) => one.message)
    expect(conditions).toEqual([
      'Some resources are remaining: configmaps. has 1 resource instances',
      'Some content in the namespace has finalizers remaining: example.com/wait in 1 resource instances',
    ])
    await plane.client.resource<ConfigMap>(configMaps, 'test').patch('held', { type: 'merge', body: { metadata: { finalizers: null } } })
    await plane.rest()
    await expect(spaces.get('test')).rejects.toThrow('not found')
    expect((await plane.client.resource<ConfigMap>(configMaps, 'test2').get('held')).metadata.deletionTimestamp).toBeUndefined()
  })
})
