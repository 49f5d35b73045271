import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type {
  Deployment,
  Node,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  ResourceQuota,
} from '../api/generated/types.ts'
import { deployments, nodes, podDisruptionBudgets, pods, replicaSets, replicationControllers, resourceQuotas } from '../api/registry.ts'
import type { ResourceClient } from '../client/client.ts'
import type { NewObject } from '../machinery/object.ts'
import { StatusError } from '../machinery/status.ts'
import { ControlPlane } from './testing/control-plane.ts'

/** What upstream's conformance suite does with workloads, step by step; pods that are made run at once. */
let plane: ControlPlane
beforeEach(async () => {
  plane = await ControlPlane.start()
})
afterEach(async () => {
  await plane.close()
  expect(plane.errors).toEqual([])
})

const revisionKey = 'deployment.kubernetes.io/revision'
const labels = { name: 'sample-pod' }
const template = (image: string, more: Record<string, string> = {}) => ({
  metadata: { labels: { ...labels, ...more } },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image }] },
})
const set = (name: string, replicas: number, more: Record<string, string> = { pod: 'httpd' }): NewObject<ReplicaSet> => ({
  metadata: { name, labels: { ...labels, ...more } },
  spec: { replicas, selector: { matchLabels: { ...labels, ...more } }, template: template('httpd:1', more) },
})
const deployment = (name: string, spec: object = {}): NewObject<Deployment> => ({
  metadata: { name, labels: { static: 'true' } },
  spec: { replicas: 1, selector: { matchLabels: labels }, template: template('agnhost:1'), ...spec },
})
const of = {
  deployments: () => plane.client.resource<Deployment>(deployments, 'default'),
  sets: () => plane.client.resource<ReplicaSet>(replicaSets, 'default'),
  pods: () => plane.client.resource<Pod>(pods, 'default'),
  budgets: () => plane.client.resource<PodDisruptionBudget>(podDisruptionBudgets, 'default'),
}

let addresses = 0
/** Every pod that is there runs, until no more are made; those of a `stuck` image never do. */
async function allRun(stuck?: string): Promise<Pod[]> {
  await plane.rest()
  for (let turn = 0; turn < 100; turn++) {
    const waiting = (await plane.pods()).find((pod) => pod.status?.phase !== 'Running' && pod.spec.containers[0]?.image !== stuck)
    if (!waiting) break
    await plane.run(waiting, `10.244.1.${++addresses}`)
  }
  return await plane.pods()
}
const refused = async (work: Promise<unknown>): Promise<StatusError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof StatusError)) throw new Error(`it was not refused: ${String(error)}`)
  return error
}

/** The scale of a Deployment or ReplicaSet, as the suite changes it: unconditionally, then by a patch of a whole Scale. */
async function scales<T extends Deployment | ReplicaSet>(client: ResourceClient<T>, plural: string, name: string): Promise<void> {
  const path = `/apis/apps/v1/namespaces/default/${plural}/${name}/scale`
  const scale = await plane.ask('GET', path)
  expect(scale).toMatchObject({ spec: { replicas: 1 }, status: { replicas: 1, selector: expect.stringContaining('name=sample-pod') } })
  const { resourceVersion: _, ...metadata } = scale.metadata
  expect(await plane.ask('PUT', path, { ...scale, metadata, spec: { replicas: 2 } })).toMatchObject({
    kind: 'Scale',
    spec: { replicas: 2 },
  })
  expect((await client.get(name)).spec.replicas).toBe(2)
  const body = { metadata: { creationTimestamp: null }, spec: { replicas: 4 }, status: { replicas: 0 } }
  await client.patch(name, { type: 'strategic', body }, { subresource: 'scale' })
  expect((await client.get(name)).spec.replicas).toBe(4)
}

/** Another's conditions in a status: added by an update, put in place of all by a merge patch. */
async function statusTakes<T extends Deployment | ReplicaSet>(client: ResourceClient<T>, plural: string, name: string): Promise<void> {
  const read = (await plane.ask('GET', `/apis/apps/v1/namespaces/default/${plural}/${name}/status`)) as T
  const added = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from e2e test' }
  const updated = await client.updateStatus({
    ...read,
    status: { ...read.status, conditions: [...(read.status?.conditions ?? []), added] },
  } as T)
  expect(updated.status?.conditions).toContainEqual(added)
  const body = { status: { conditions: [{ type: 'StatusPatched', status: 'True' }] } }
  const patched = await client.patch(name, { type: 'merge', body }, { subresource: 'status' })
  expect(patched.status?.conditions).toEqual([{ type: 'StatusPatched', status: 'True' }])
}

describe('a Deployment', () => {
  test('takes over a ReplicaSet that was there before, and goes on numbering from its revision, however high', async () => {
    const before = set('test-rolling-update-controller', 1)
    await of.sets().create({ ...before, metadata: { ...before.metadata, annotations: { [revisionKey]: '3546343826724305832' } } })
    await allRun()
    await of.deployments().create(deployment('web'))
    expect((await allRun()).map((pod) => pod.spec.containers[0]?.image)).toEqual(['agnhost:1'])
    const { metadata, status } = await of.deployments().get('web')
    expect(metadata.annotations?.[revisionKey]).toBe('3546343826724305833')
    expect(status).toMatchObject({
      replicas: 1,
      updatedReplicas: 1,
      readyReplicas: 1,
      availableReplicas: 1,
      observedGeneration: metadata.generation,
    })
    const owned = (await of.sets().list()).items.map((one) => [one.metadata.annotations?.[revisionKey], one.spec.replicas])
    expect(owned.sort()).toEqual([
      ['3546343826724305832', 0],
      ['3546343826724305833', 1],
    ])
  })

  test('keeps no history where it is told so, and makes no pod more than it needs', async () => {
    await of.sets().create(set('test-cleanup-controller', 1))
    const [old] = await allRun()
    await of.deployments().create(deployment('web', { revisionHistoryLimit: 0 }))
    const after = await allRun()
    expect(after.map((pod) => pod.metadata.name)).not.toContain(old?.metadata.name)
    expect(after).toHaveLength(1)
    expect((await of.sets().list()).items).toHaveLength(1)
  })

  test('rolls over a roll-out that is stuck', async () => {
    await of.sets().create(set('test-rollover-controller', 1))
    await allRun()
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
    await of.deployments().create(deployment('web', { strategy, minReadySeconds: 10, template: template('nonexistent:1') }))
    await allRun('nonexistent:1')
    expect((await of.deployments().get('web')).metadata.annotations?.[revisionKey]).toBe('1')
    const stuck = (await of.sets().list()).items
    expect(stuck.map((one) => [one.spec.replicas, one.status?.replicas])).toEqual([
      [1, 1],
      [1, 1],
    ])
    await of.deployments().patch('web', { type: 'merge', body: { spec: { template: template('agnhost:1') } } })
    await allRun('nonexistent:1')
    await plane.clock.advance(15_000)
    await allRun('nonexistent:1')
    const { metadata, status } = await of.deployments().get('web')
    expect(metadata.annotations?.[revisionKey]).toBe('2')
    expect(status).toMatchObject({ replicas: 1, updatedReplicas: 1, availableReplicas: 1, observedGeneration: metadata.generation })
    for (const { metadata } of stuck)
      expect(await of.sets().get(metadata.name)).toMatchObject({ spec: { replicas: 0 }, status: { replicas: 0 } })
  })

  test('scaled in the middle of a roll-out that is stuck, grows in proportion', async () => {
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } }
    await of.deployments().create(deployment('web', { replicas: 10, strategy }))
    await allRun()
    await of.deployments().patch('web', { type: 'merge', body: { spec: { template: template('webserver:404') } } })
    await allRun('webserver:404')
    const sizes = async () =>
      Object.fromEntries((await of.sets().list()).items.map((one) => [one.spec.template?.spec?.containers[0]?.image, one.spec.replicas]))
    expect(await sizes()).toEqual({ 'agnhost:1': 8, 'webserver:404': 5 })
    await of.deployments().patch('web', { type: 'merge', body: { spec: { replicas: 30 } } })
    await allRun('webserver:404')
    expect(await sizes()).toEqual({ 'agnhost:1': 20, 'webserver:404': 13 })
  })

  test('through its life: patched, replaced without a version, its status written by others, deleted with its label', async () => {
    const { metadata: list } = await of.deployments().list({ labelSelector: 'static=true' })
    expect(list.resourceVersion).toBeDefined()
    const initial = deployment('web', { replicas: 2 })
    await of.deployments().create(initial)
    await allRun()
    expect((await of.deployments().get('web')).status).toMatchObject({ readyReplicas: 2 })
    const spec = { replicas: 1, template: { spec: { terminationGracePeriodSeconds: 2, containers: [{ name: 'web', image: 'pause:1' }] } } }
    await of.deployments().patch('web', { type: 'strategic', body: { metadata: { labels: { test: 'patched' } }, spec } })
    await allRun()
    const patched = await of.deployments().get('web')
    expect(patched.spec.template.spec).toMatchObject({ terminationGracePeriodSeconds: 2, containers: [{ image: 'pause:1' }] })
    expect(patched.status).toMatchObject({ readyReplicas: 1, updatedReplicas: 1 })
    expect(patched.status?.unavailableReplicas ?? 0).toBe(0)
    const replacement = {
      ...{
        ...initial,
        metadata: { ...initial.metadata, creationTimestamp: null, labels: { static: 'true', test: 'updated' } },
        status: {},
      },
      spec: { ...initial.spec, template: template('httpd:2') },
    }
    await of.deployments().update(replacement as unknown as Deployment)
    await allRun()
    const replaced = await of.deployments().get('web')
    expect(replaced.status).toMatchObject({ readyReplicas: 2, updatedReplicas: 2 })
    // The labels that come with a status are not taken; what its controller counts it counts again.
    const body = { metadata: { labels: { test: 'patched-status' } }, status: { readyReplicas: 0, availableReplicas: 0 } }
    const answered = await of.deployments().patch('web', { type: 'strategic', body }, { subresource: 'status' })
    expect([answered.metadata.labels, answered.status?.readyReplicas ?? 0]).toEqual([{ static: 'true', test: 'updated' }, 0])
    await plane.rest()
    expect((await of.deployments().get('web')).status).toMatchObject({ readyReplicas: 2, updatedReplicas: 2, availableReplicas: 2 })
    await of.deployments().deleteCollection({ labelSelector: 'static=true' })
    await plane.rest()
    expect((await of.deployments().list()).items).toEqual([])
    await plane.clock.advance(5_000)
    expect([...(await of.sets().list()).items, ...(await plane.pods())]).toEqual([])
  })

  test('has a scale and a status of its own', async () => {
    await of.deployments().create(deployment('web'))
    await allRun()
    await statusTakes(of.deployments(), 'deployments', 'web')
    await plane.rest()
    await scales(of.deployments(), 'deployments', 'web')
  })
})

describe('a ReplicaSet', () => {
  test('is patched to another size, label and image, which only new pods have', async () => {
    await of.sets().create(set('test-rs', 1))
    await allRun()
    const containers = [{ name: 'web', image: 'pause:1' }]
    const spec = { replicas: 3, template: { spec: { terminationGracePeriodSeconds: 0, containers } } }
    await of.sets().patch('test-rs', { type: 'strategic', body: { metadata: { labels: { 'test-rs': 'patched' } }, spec } })
    const images = (await allRun()).map((pod) => pod.spec.containers[0]?.image)
    expect(images.sort()).toEqual(['httpd:1', 'pause:1', 'pause:1'])
    const { metadata, status } = await of.sets().get('test-rs')
    expect(metadata.labels).toMatchObject({ 'test-rs': 'patched' })
    expect(status).toMatchObject({ replicas: 3, readyReplicas: 3, availableReplicas: 3, fullyLabeledReplicas: 1 + 2 })
    await of.sets().deleteCollection({ labelSelector: 'pod=httpd' })
    expect((await of.sets().list()).items).toEqual([])
  })

  test('has a scale and a status of its own', async () => {
    await of.sets().create(set('test-rs', 1))
    await allRun()
    await statusTakes(of.sets(), 'replicasets', 'test-rs')
    await plane.rest()
    await scales(of.sets(), 'replicasets', 'test-rs')
  })

  test('says that it cannot have the pods it wants, until it wants fewer', async () => {
    const quotas = plane.client.resource<ResourceQuota>(resourceQuotas, 'default')
    await quotas.create({ metadata: { name: 'condition-test' }, spec: { hard: { pods: '2' } } })
    await plane.rest()
    expect((await quotas.get('condition-test')).status?.hard).toEqual({ pods: '2' })
    await of.sets().create(set('condition-test', 3))
    await plane.rest()
    const failing = await of.sets().get('condition-test')
    expect(failing.status?.conditions).toMatchObject([{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate' }])
    expect(failing.status?.conditions?.[0]?.message).toContain(
      'exceeded quota: condition-test, requested: pods=1, used: pods=2, limited: pods=2',
    )
    await of.sets().patch('condition-test', { type: 'merge', body: { spec: { replicas: 2 } } })
    await plane.clock.advance(30_000)
    expect((await of.sets().get('condition-test')).status?.conditions ?? []).toEqual([])
  })
})

describe('a ReplicationController', () => {
  const controllers = () => plane.client.resource<ReplicationController>(replicationControllers, 'default')
  const controller = (name: string, replicas: number): NewObject<ReplicationController> => ({
    metadata: { name, labels: { static: 'true' } },
    spec: { replicas, selector: labels, template: template('httpd:1') },
  })

  test('through its life: its pods run, it is patched and scaled, its status is taken from others, it goes by its label', async () => {
    await controllers().create(controller('rc-test', 1))
    await allRun()
    const { status } = await controllers().get('rc-test')
    expect(status).toEqual({ replicas: 1, fullyLabeledReplicas: 1, readyReplicas: 1, availableReplicas: 1, observedGeneration: 1 })
    await controllers().patch('rc-test', { type: 'strategic', body: { metadata: { labels: { test: 'patched' } } } })
    const body = { status: { readyReplicas: 0, availableReplicas: 0 } }
    const patched = await controllers().patch('rc-test', { type: 'strategic', body }, { subresource: 'status' })
    expect([patched.metadata.labels?.test, patched.status?.readyReplicas ?? 0]).toEqual(['patched', 0])
    await plane.rest()
    expect((await controllers().get('rc-test')).status?.readyReplicas).toBe(1)
    const path = '/api/v1/namespaces/default/replicationcontrollers/rc-test/scale'
    const scale = await plane.ask('GET', path)
    expect(scale).toMatchObject({ spec: { replicas: 1 }, status: { replicas: 1, selector: 'name=sample-pod' } })
    expect(await plane.ask('PUT', path, { ...scale, spec: { replicas: 2 } })).toMatchObject({ spec: { replicas: 2 } })
    expect(await allRun()).toHaveLength(2)
    const read = await controllers().get('rc-test')
    expect(read.status).toMatchObject({ replicas: 2, readyReplicas: 2, observedGeneration: read.metadata.generation })
    await controllers().deleteCollection({ labelSelector: 'static=true', propagationPolicy: 'Background' })
    await plane.clock.advance(10_000)
    expect([...(await controllers().list()).items, ...(await plane.pods())]).toEqual([])
  })

  test('takes over a pod that matches, and lets go one that does no longer', async () => {
    const spec = { containers: [{ name: 'web', image: 'httpd:1' }] }
    await of.pods().create({ metadata: { name: 'pod-adoption', labels }, spec })
    await controllers().create(controller('pod-adoption', 1))
    const [adopted] = await allRun()
    expect([adopted?.metadata.name, adopted?.metadata.ownerReferences]).toMatchObject([
      'pod-adoption',
      [{ apiVersion: 'v1', kind: 'ReplicationController', name: 'pod-adoption', controller: true }],
    ])
    await of.pods().patch('pod-adoption', { type: 'merge', body: { metadata: { labels: { name: 'not-matching-name' } } } })
    expect(await allRun()).toHaveLength(2)
    expect((await of.pods().get('pod-adoption')).metadata.ownerReferences).toBeUndefined()
  })

  test('says that it cannot have the pods it wants, until it wants fewer', async () => {
    const quotas = plane.client.resource<ResourceQuota>(resourceQuotas, 'default')
    await quotas.create({ metadata: { name: 'condition-test' }, spec: { hard: { pods: '2' } } })
    await plane.rest()
    await controllers().create(controller('condition-test', 3))
    await plane.rest()
    expect((await controllers().get('condition-test')).status?.conditions).toMatchObject([
      {
        type: 'ReplicaFailure',
        status: 'True',
        reason: 'FailedCreate',
        message: expect.stringContaining('exceeded quota: condition-test'),
      },
    ])
    await controllers().patch('condition-test', { type: 'merge', body: { spec: { replicas: 2 } } })
    await plane.clock.advance(30_000)
    expect((await controllers().get('condition-test')).status?.conditions ?? []).toEqual([])
  })
})

describe('a PodDisruptionBudget', () => {
  const budget = (name: string, spec: object): NewObject<PodDisruptionBudget> => ({
    metadata: { name, labels: { testing: 'yes' } },
    spec: { selector: { matchLabels: labels }, ...spec },
  })
  const evict = (pod: Pod | undefined) =>
    of.pods().createSubresource(pod?.metadata.name ?? '', 'eviction', { metadata: { name: pod?.metadata.name } })
  const allowed = async (name: string) => (await of.budgets().get(name)).status?.disruptionsAllowed

  test('is made, changed, patched and deleted; its status is counted anew, and taken from others', async () => {
    await of.budgets().create(budget('foo', { minAvailable: '1%' }))
    await plane.rest()
    expect((await of.budgets().get('foo')).status).toMatchObject({ observedGeneration: 1, expectedPods: 0, disruptionsAllowed: 0 })
    const read = await of.budgets().get('foo')
    await of.budgets().update({ ...read, spec: { ...read.spec, minAvailable: '2%' } })
    await of.budgets().patch('foo', { type: 'strategic', body: { spec: { minAvailable: '3%' } } })
    await plane.rest()
    expect(await of.budgets().get('foo')).toMatchObject({ spec: { minAvailable: '3%' }, status: { observedGeneration: 3 } })
    const changed = { ...(await of.budgets().get('foo')) }
    const updated = await of
      .budgets()
      .updateStatus({ ...changed, status: { ...changed.status!, disruptedPods: { p: '2030-01-01T00:00:00Z' } } })
    expect(Object.keys(updated.status?.disruptedPods ?? {})).toEqual(['p'])
    const patched = await of.budgets().patch('foo', { type: 'merge', body: { status: { disruptedPods: null } } }, { subresource: 'status' })
    expect(patched.status?.disruptedPods).toBeUndefined()
    await of.budgets().delete('foo')
    expect((await refused(of.budgets().get('foo'))).code).toBe(404)
  })

  test('is listed over all namespaces, and goes by its label', async () => {
    for (const name of ['foo', 'foo2']) await of.budgets().create(budget(name, { minAvailable: 1 }))
    const everywhere = plane.client.resource<PodDisruptionBudget>(podDisruptionBudgets)
    expect((await everywhere.list({ labelSelector: 'testing=yes' })).items.map(({ metadata }) => metadata.name)).toEqual(['foo', 'foo2'])
    await of.budgets().deleteCollection({ labelSelector: 'testing=yes' })
    expect((await of.budgets().list()).items).toEqual([])
  })

  test('holds an eviction back until it is changed to allow it', async () => {
    await plane.client.resource<Node>(nodes).create({ metadata: { name: 'n' }, spec: {} })
    await of.sets().create(set('rs', 3))
    const [first, second] = await allRun()
    await of.budgets().create(budget('foo', { minAvailable: 3 }))
    await plane.rest()
    expect(await allowed('foo')).toBe(0)
    const why = await refused(evict(first))
    expect([why.code, why.message]).toEqual([429, "Cannot evict pod as it would violate the pod's disruption budget."])
    expect(why.status.details?.causes).toMatchObject([{ reason: 'DisruptionBudget' }])
    await of.budgets().patch('foo', { type: 'strategic', body: { spec: { minAvailable: 2 } } })
    await plane.rest()
    expect(await allowed('foo')).toBe(1)
    await evict(first)
    expect((await refused(evict(second))).code).toBe(429)
    await plane.rest()
    expect((await plane.pods()).map(({ metadata }) => metadata.name)).not.toContain(first?.metadata.name)
    await of.budgets().delete('foo')
    await evict(second)
  })

  test('of a share of what a ReplicaSet wants', async () => {
    await of.sets().create(set('rs', 10))
    await allRun()
    await of.budgets().create(budget('most', { maxUnavailable: '10%' }))
    await plane.rest()
    expect((await of.budgets().get('most')).status).toMatchObject({
      ...{ currentHealthy: 10, desiredHealthy: 9, expectedPods: 10, disruptionsAllowed: 1 },
      conditions: [{ type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods' }],
    })
  })
})

describe('a node that is tainted', () => {
  const taint = { key: 'evict', value: 'yes', effect: 'NoExecute' }
  const guest = (name: string, tolerationSeconds?: number): NewObject<Pod> => ({
    metadata: { name },
    spec: {
      nodeName: 'n',
      containers: [{ name: 'main', image: 'pause:1' }],
      tolerations: tolerationSeconds === undefined ? [] : [{ ...taint, operator: 'Equal', tolerationSeconds }],
    },
  })
  const taints = (list: object[]) => plane.client.resource<Node>(nodes).patch('n', { type: 'merge', body: { spec: { taints: list } } })
  const leaving = async () => (await plane.pods()).filter(({ metadata }) => metadata.deletionTimestamp).map(({ metadata }) => metadata.name)

  test('is left by each pod when it tolerates that no longer, told from the taint on, with the reason on it', async () => {
    await plane.client.resource<Node>(nodes).create({ metadata: { name: 'n' }, spec: {} })
    for (const [name, seconds] of [['now'], ['soon', 5], ['later', 60]] as const) await of.pods().create(guest(name, seconds))
    await plane.clock.advance(100_000)
    await taints([taint])
    await plane.rest()
    expect(await leaving()).toEqual(['now'])
    expect((await of.pods().get('now')).status?.conditions).toMatchObject([
      {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'DeletionByTaintManager',
        message: 'Taint manager: deleting due to NoExecute taint',
      },
    ])
    await plane.clock.advance(8_000)
    expect(await leaving()).toEqual(['now', 'soon'])
    await plane.clock.advance(60_000)
    expect(await leaving()).toEqual(['later', 'now', 'soon'])
  })

  test('is not left when the taint goes in time; it is counted anew when it comes back', async () => {
    await plane.client.resource<Node>(nodes).create({ metadata: { name: 'n' }, spec: {} })
    await of.pods().create(guest('patient', 65))
    await taints([taint])
    await plane.clock.advance(30_000)
    await taints([])
    await plane.clock.advance(200_000)
    expect(await leaving()).toEqual([])
    await taints([taint])
    await plane.clock.advance(60_000)
    expect(await leaving()).toEqual([])
    await plane.clock.advance(10_000)
    expect(await leaving()).toEqual(['patient'])
  })
})
