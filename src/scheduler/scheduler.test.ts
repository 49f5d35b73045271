import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Event, Node, Pod } from '../api/generated/types.ts'
import { events as eventKind, nodes as nodeKind, pods as podKind } from '../api/registry.ts'
import { type ApiServer, createApiServer } from '../apiserver/apiserver.ts'
import type { Client } from '../client/client.ts'
import { directClient } from '../client/direct-client.ts'
import { type Informer, startInformer } from '../client/informer.ts'
import { systemClock } from '../host/clock.ts'
import { silentLog } from '../host/log.ts'
import { systemRandom } from '../host/random.ts'
import type { NewObject } from '../machinery/object.ts'
import { MemoryStore } from '../storage/memory-store.ts'
import { failureCondition } from './scheduler.ts'
import { startScheduler } from './start.ts'
import { node, pod } from './testing/cluster.ts'

describe('the scheduler over the API', () => {
  let store: MemoryStore
  let server: ApiServer
  let client: Client
  let stop: AbortController
  let pods: Informer<Pod>
  const deps = { clock: systemClock, random: systemRandom, log: silentLog }

  beforeEach(async () => {
    store = new MemoryStore()
    server = await createApiServer({ ...deps, store, serviceCidr: '10.96.0.0/16', nodePortRange: { from: 30000, to: 32767 } })
    client = directClient(server.handle, { name: 'system:admin', uid: '', groups: ['system:masters'], extra: {} }, 'test')
    stop = new AbortController()
    pods = startInformer<Pod>({ ...deps, client, resource: podKind, signal: stop.signal })
    await pods.synced()
  })
  afterEach(async () => {
    stop.abort()
    await server.close()
    await store.close()
  })

  const start = (): Promise<void> => startScheduler({ ...deps, client, signal: stop.signal })
  async function addNode(name: string, parts: Parameters<typeof node>[1] = {}): Promise<void> {
    const { status, metadata, spec } = node(name, parts)
    const nodes = client.resource<Node>(nodeKind)
    const made = await nodes.create({ metadata: { name, labels: metadata.labels ?? {} }, spec })
    const ready = await nodes.updateStatus({ ...made, status: status! })
    // A new node is tainted as not ready; the node life cycle controller, which is not here, would take that away.
    await nodes.update({ ...ready, spec })
  }
  async function addPod(name: string, parts: Parameters<typeof pod>[1] = {}): Promise<void> {
    const { metadata, spec } = pod(name, parts)
    const object: NewObject<Pod> = {
      metadata: {
        name,
        ...(metadata.labels ? { labels: metadata.labels } : {}),
        ...(metadata.ownerReferences ? { ownerReferences: metadata.ownerReferences } : {}),
      },
      spec,
    }
    await client.resource<Pod>(podKind, 'default').create(object)
  }
  /** Resolves once the informer shows the pod as wanted. */
  function until(name: string, wanted: (pod: Pod) => boolean): Promise<Pod> {
    return new Promise((resolve) => {
      const look = (each: Pod): void => {
        if (each.metadata.name === name && wanted(each)) resolve(each)
      }
      pods.on({ added: look, updated: look })
    })
  }
  const isPlaced = (each: Pod): boolean => Boolean(each.spec.nodeName)
  const scheduled = (each: Pod) => each.status?.conditions?.find((condition) => condition.type === 'PodScheduled')
  async function eventsOf(name: string, reason: string): Promise<string[]> {
    for (;;) {
      const { items } = await client.resource<Event>(eventKind, 'default').list({ fieldSelector: `involvedObject.name=${name}` })
      const found = items.filter((event) => event.reason === reason).map((event) => event.message ?? '')
      if (found.length > 0) return found
      await systemClock.sleep(5)
    }
  }

  test('a pod gets a node, the condition and the event', async () => {
    await addNode('a')
    await start()
    await addPod('web')
    const placed = await until('web', isPlaced)
    expect(placed.spec.nodeName).toBe('a')
    expect(scheduled(placed)).toMatchObject({ status: 'True' })
    expect(await eventsOf('web', 'Scheduled')).toEqual(['Successfully assigned default/web to a'])
  })

  test('a pod that fits nowhere says why, and gets a node as soon as there is one', async () => {
    await addNode('small', { allocatable: { cpu: '100m' } })
    await addNode('tainted', { spec: { taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] } })
    await start()
    await addPod('web', { requests: { cpu: '1' } })
    const waiting = await until('web', (each) => scheduled(each)?.status === 'False')
    const message = '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.'
    expect(scheduled(waiting)).toMatchObject({ reason: 'Unschedulable', message })
    expect(await eventsOf('web', 'FailedScheduling')).toEqual([message])
    await addNode('large')
    expect((await until('web', isPlaced)).spec.nodeName).toBe('large')
  })

  test('pods that are there before the scheduler starts are counted and served', async () => {
    await addNode('a', { allocatable: { pods: '1' } })
    await addNode('b', { allocatable: { pods: '1' } })
    await addPod('there', { nodeName: 'a' })
    await addPod('waits')
    await start()
    expect((await until('waits', isPlaced)).spec.nodeName).toBe('b')
  })

  test('pods created all at once never get more of a node than it has, and room given back is used', async () => {
    await addNode('a', { allocatable: { cpu: '1' } })
    await addNode('b', { allocatable: { cpu: '1' } })
    await start()
    const names = ['0', '1', '2', '3', '4'].map((i) => `web-${i}`)
    await Promise.all(names.map((name) => addPod(name, { owner: 'web', requests: { cpu: '500m' } })))
    const settled = await Promise.all(names.map((name) => until(name, (each) => isPlaced(each) || scheduled(each)?.status === 'False')))
    const onA = settled.filter((each) => each.spec.nodeName === 'a')
    const left = settled.filter((each) => !isPlaced(each))
    expect([onA.length, left.length]).toEqual([2, 1])
    await client.resource<Pod>(podKind, 'default').delete(onA[0]!.metadata.name, { gracePeriodSeconds: 0 })
    expect((await until(left[0]!.metadata.name, isPlaced)).spec.nodeName).toBe('a')
  })

  test('a pod that names another scheduler, or is gated, is left alone', async () => {
    await addNode('a')
    await start()
    await addPod('other', { schedulerName: 'mine' })
    await addPod('gated', { schedulingGates: [{ name: 'wait' }] })
    await addPod('ours')
    await until('ours', isPlaced)
    expect(isPlaced(pods.get('default/other')!)).toBe(false)
    expect(isPlaced(pods.get('default/gated')!)).toBe(false)
    await client.resource<Pod>(podKind, 'default').patch('gated', { type: 'merge', body: { spec: { schedulingGates: null } } })
    await until('gated', isPlaced)
  })

  test('the more important pod goes first where there is room for one', async () => {
    await addPod('minor', { requests: { cpu: '3' } })
    await addPod('major', { requests: { cpu: '3' }, priorityClassName: 'system-cluster-critical' })
    await addNode('a')
    await start()
    await until('major', isPlaced)
    await until('minor', (each) => scheduled(each)?.status === 'False')
  })
})

describe('the condition of a pod that waits', () => {
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason: 'Unschedulable',
    message: 'm',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  }
  const waiting = { ...pod('p'), status: { conditions: [condition] } }
  test('is not written twice', () => {
    expect(failureCondition(waiting, 'Unschedulable', 'm', 0)).toBeUndefined()
  })
  test('keeps its time while it stays false', () => {
    expect(failureCondition(waiting, 'Unschedulable', 'other', 0)?.lastTransitionTime).toBe('2026-01-01T00:00:00Z')
    expect(failureCondition(pod('p'), 'Unschedulable', 'other', 0)?.lastTransitionTime).toBe('1970-01-01T00:00:00Z')
  })
})
