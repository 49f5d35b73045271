import { afterAll, beforeAll, describe, test } from 'vitest'
import type { EndpointSlice, Node } from '../../src/api/generated/types.ts'
import { endpoint, type PodName, service, slice, world } from '../../src/proxy/testing/scenes.ts'
import { TableApi } from '../../src/proxy/testing/table-api.ts'
import { eventually, everyWay, familyOn, ProxyBed, type RunningProxy } from './proxy-back-ends.ts'
import { buildWorld, type PacketWorld } from './proxy-world.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: the proxy tests need root')

/** Where the endpoint is and whether it is ready; hints as the EndpointSlice controller gives them for each distribution. */
interface Placed {
  readonly pod: PodName
  readonly node: string
  readonly zone?: string
  readonly conditions?: Parameters<typeof endpoint>[1]
}
type Distribution = 'PreferSameZone' | 'PreferSameNode'

function slicesOf(placed: readonly Placed[], distribution: Distribution): EndpointSlice {
  const endpoints = placed.map(({ pod, node, zone, conditions }) => {
    const ready = conditions?.ready ?? true
    const hints = {
      ...(zone ? { forZones: [{ name: zone }] } : {}),
      ...(distribution === 'PreferSameNode' ? { forNodes: [{ name: node }] } : {}),
    }
    return { ...endpoint(pod, conditions), nodeName: node, ...(zone ? { zone } : {}), ...(ready ? { hints } : {}) }
  })
  return slice('spread', endpoints)
}

/** Zones, nodes and pods on their way out, with real packets: who is asked, and who is not. */
describe.skipIf(!root).each(everyWay)('topology through $way', ({ backEnd, tested: { family, twin } }) => {
  let packets: PacketWorld
  let running: RunningProxy | undefined
  const api = new TableApi()
  const inZone = (zone?: string): Node => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      ...{ name: world.node, uid: 'node', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
      labels: zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone },
    },
    spec: {},
    status: {},
  })
  const ending = { ready: false, serving: true, terminating: true }
  const gone = { ready: false, serving: false, terminating: true }
  const asked = async (to: string, from: 'far' | 'outside', times = 25): Promise<string> => {
    const answers = await packets.ask(from, 'tcp', twin(to), times)
    return [...new Set(answers.map((answer) => answer.split('|')[0]))].sort().join()
  }
  const askedAre = (pods: string, to = '10.96.8.60:80', from: 'far' | 'outside' = 'far'): Promise<void> =>
    eventually(async () => (await asked(to, from)) === pods)

  beforeAll(async () => {
    packets = await buildWorld()
    api.put(inZone('x'))
    api.put(twin(service('spread', '10.96.8.60', [{ nodePort: 30_860 }], { type: 'NodePort', externalTrafficPolicy: 'Cluster' })))
    running = await new ProxyBed(packets, backEnd).start(api, { families: [familyOn[family]] })
  })
  afterAll(async () => {
    await running?.stop()
    await packets?.dismantle()
  })

  const put = (distribution: Distribution, ...placed: Placed[]): void => api.put(twin(slicesOf(placed, distribution)))
  const a: Placed = { pod: 'a', node: world.node, zone: 'x' }
  const b: Placed = { pod: 'b', node: 'there', zone: 'x' }
  const c: Placed = { pod: 'c', node: 'there', zone: 'y' }

  test('the own zone is asked, from pods and by the node port; all where it has nobody, or one has no zone', async () => {
    put('PreferSameZone', a, b, c)
    await askedAre('a,b')
    await askedAre('a,b', `${world.nodeAddress}:30860`, 'outside')
    put('PreferSameZone', c)
    await askedAre('c')
    put('PreferSameZone', a, { pod: 'b', node: 'there' }, c)
    await askedAre('a,b,c')
  })

  test('the own node is asked first, then the own zone, then all', async () => {
    put('PreferSameNode', a, b, c)
    await askedAre('a')
    put('PreferSameNode', { ...a, node: 'elsewhere' }, b, c)
    await askedAre('a,b')
    put('PreferSameNode', { ...a, node: 'elsewhere', zone: 'y' }, { ...b, zone: 'z' }, c)
    await askedAre('a,b,c')
  })

  test('the node moves to another zone while the proxy runs, and then has none', async () => {
    put('PreferSameZone', a, b, c)
    await askedAre('a,b')
    api.put(inZone('y'))
    await askedAre('c')
    api.put(inZone())
    await askedAre('a,b,c')
    api.put(inZone('x'))
    await askedAre('a,b')
  })

  test('endpoints on their way out are asked only when no ready one is left anywhere, in whatever zone', async () => {
    put('PreferSameZone', { ...a, conditions: ending }, { ...b, conditions: ending }, c)
    await askedAre('c')
    put('PreferSameZone', { ...a, conditions: ending }, { ...b, conditions: gone }, { ...c, conditions: ending })
    await askedAre('a,c')
    put('PreferSameZone', { ...a, conditions: gone }, { ...b, conditions: gone })
    await askedAre('ECONNREFUSED')
  })

  test('a Local policy asks its own node whatever the hints say, on its way out too', async () => {
    api.put(twin(service('spread', '10.96.8.60', [{ nodePort: 30_860 }], { type: 'NodePort', externalTrafficPolicy: 'Local' })))
    const nodePort = `${world.nodeAddress}:30860`
    put('PreferSameZone', { ...a, zone: 'y' }, b, c)
    await askedAre('a', nodePort, 'outside')
    await askedAre('b')
    put('PreferSameZone', { ...a, conditions: ending }, b, c)
    await askedAre('a', nodePort, 'outside')
    put('PreferSameZone', b, c)
    await eventually(async () => (await asked(nodePort, 'outside', 1)) === 'timeout')
  })
})
