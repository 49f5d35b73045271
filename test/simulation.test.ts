import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Deployment, EndpointSlice, Lease, Namespace, Node, Pod, ReplicaSet, Service } from '../src/api/generated/types.ts'
import { deployments, endpointSlices, kinds, leases, namespaces, nodes, pods, replicaSets, services } from '../src/api/registry.ts'
import { createApiServer } from '../src/apiserver/apiserver.ts'
import { directClient } from '../src/client/direct-client.ts'
import { startInformer } from '../src/client/informer.ts'
import { startControllers } from '../src/controllers/start.ts'
import { microTimestamp, timestamp } from '../src/host/clock.ts'
import { lineLog } from '../src/host/log.ts'
import { seededRandom } from '../src/host/seeded-random.ts'
import { VirtualClock } from '../src/host/virtual-clock.ts'
import type { KubeObject } from '../src/machinery/object.ts'
import { isConflict, isNotFound } from '../src/machinery/status.ts'
import { anyCertificate } from '../src/machinery/testing/certificate-requests.ts'
import { startScheduler } from '../src/scheduler/start.ts'
import { MemoryStore } from '../src/storage/memory-store.ts'

const admin = { name: 'system:admin', uid: '', groups: ['system:masters', 'system:authenticated'], extra: {} }
const minute = 60_000

/** A whole control plane on a virtual clock, and nodes without containers. */
async function simulate(seed: number) {
  const clock = new VirtualClock()
  const random = seededRandom(seed)
  const stop = new AbortController()
  const { signal } = stop
  const lines: string[] = []
  const log = lineLog((line) => lines.push(line), { level: 'info', now: () => clock.now() })
  const store = new MemoryStore({ clock })
  const apiServer = await createApiServer({
    store,
    clock,
    random,
    log,
    serviceCidr: '10.96.0.0/16',
    nodePortRange: { from: 30000, to: 32767 },
  })
  const client = directClient(apiServer.handle, admin, 'simulation')
  await settled(
    Promise.all([
      startControllers({
        client,
        clock,
        random,
        log,
        signal,
        clusterCa: anyCertificate,
        signCertificate: undefined,
        signAccountToken: undefined,
      }),
      startScheduler({ client, clock, random, log, signal }),
    ]),
    clock,
  )
  const running = new Set<string>()
  const kubelet = hollowKubelets({ client, clock, random, log, signal, running })
  const passes = async (what: string, limitMs: number, done: () => Promise<boolean>): Promise<void> => {
    for (let waited = 0; waited <= limitMs; waited += 500) {
      if (await done()) return
      await clock.advance(500)
    }
    throw new Error(`not within ${limitMs / 1000} s: ${what}\n${lines.slice(-40).join('')}`)
  }
  return {
    clock,
    client,
    lines,
    passes,
    startNode: kubelet.start,
    stopNode: (name: string) => running.delete(name),
    async close() {
      stop.abort(new Error('the simulation is over'))
      await apiServer.close()
      await store.close()
      for (let turn = 0; turn < 20; turn++) await nextTurn()
    },
  }
}

/** Waits for something that may itself wait for virtual time. */
async function settled<T>(promise: Promise<T>, clock: VirtualClock): Promise<T> {
  let over = false
  const watched = promise.finally(() => {
    over = true
  })
  for (let turn = 0; turn < 1_000 && !over; turn++) await clock.advance(10)
  return await watched
}

type HollowDeps = Parameters<typeof startInformer>[0] extends infer D ? Omit<D & object, 'resource'> & { running: Set<string> } : never

/** Kubelets that only say what real ones would: pods run after a moment, end when told to, leases are renewed. */
function hollowKubelets(deps: HollowDeps) {
  const { client, clock, random, running, signal } = deps
  const informer = startInformer<Pod>({ ...deps, resource: pods } as Parameters<typeof startInformer<Pod>>[0])
  let address = 0
  const tolerant = async (run: () => Promise<unknown>): Promise<void> => {
    try {
      await run()
    } catch (error) {
      if (!signal.aborted && !isConflict(error) && !isNotFound(error)) throw error
    }
  }
  const sync = (pod: Pod): void => {
    if (!pod.spec.nodeName || !running.has(pod.spec.nodeName)) return
    const of = client.resource<Pod>(pods, pod.metadata.namespace)
    if (pod.metadata.deletionTimestamp) {
      clock.after(
        random.float() * 2_000,
        () => void tolerant(() => of.delete(pod.metadata.name, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } })),
      )
    } else if (pod.status?.phase !== 'Running') {
      clock.after(random.float() * 3_000, () => {
        const now = timestamp(clock.now())
        const ip = `10.244.${Math.floor(++address / 250)}.${(address % 250) + 1}`
        const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
          type,
          status: 'True',
          lastTransitionTime: now,
        }))
        const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }], startTime: now, conditions }
        void tolerant(async () => {
          const fresh = await of.get(pod.metadata.name)
          if (fresh.metadata.uid !== pod.metadata.uid || !running.has(pod.spec.nodeName ?? '') || fresh.status?.phase === 'Running') return
          await of.updateStatus({ ...fresh, status: { ...fresh.status, ...status } })
        })
      })
    }
  }
  informer.on({ added: sync, updated: sync })
  const renew = (name: string): void => {
    if (!running.has(name) || signal.aborted) return
    void tolerant(async () => {
      const of = client.resource<Lease>(leases, 'kube-node-lease')
      await of.patch(name, { type: 'merge', body: { spec: { renewTime: microTimestamp(clock.now()) } } })
    })
    clock.after(10_000, () => renew(name))
  }
  return {
    async start(name: string): Promise<void> {
      running.add(name)
      const now = timestamp(clock.now())
      const allocatable = { cpu: '4', memory: '8Gi', pods: '110' }
      const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: now, lastTransitionTime: now }]
      const created = await client.resource<Node>(nodes).create({ metadata: { name }, spec: {} })
      await client.resource<Node>(nodes).updateStatus({ ...created, status: { capacity: allocatable, allocatable, conditions } })
      await client
        .resource<Lease>(leases, 'kube-node-lease')
        .create({ metadata: { name }, spec: { holderIdentity: name, leaseDurationSeconds: 40 } })
      renew(name)
    },
  }
}

function web(image: string): Deployment {
  return {
    metadata: { name: 'web' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'web', image, ports: [{ name: 'http', containerPort: 8080 }] }] },
      },
    },
  } as unknown as Deployment
}

const seeds = process.env.SIMULATION_SEED ? [Number(process.env.SIMULATION_SEED)] : [1, 2, 3]

describe.each(seeds)('a cluster through its life (SIMULATION_SEED=%i)', (seed) => {
  it('rolls out, rolls back, survives a node, and leaves nothing', async () => {
    const sim = await simulate(seed)
    const { client, passes } = sim
    const of = <T extends KubeObject>(kind: Parameters<typeof client.resource>[0]) => client.resource<T>(kind, 'shop')
    const complete = async (): Promise<boolean> => {
      const { status, metadata } = await of<Deployment>(deployments).get('web')
      const whole = status?.updatedReplicas === 3 && status.availableReplicas === 3 && status.replicas === 3
      return whole && status.observedGeneration === metadata.generation && (await of<Pod>(pods).list()).items.length === 3
    }
    const serving = async (): Promise<boolean> => {
      const ready = (await of<Pod>(pods).list()).items.filter((pod) =>
        pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
      )
      const slices = (await of<EndpointSlice>(endpointSlices).list()).items
      const addresses = slices
        .flatMap((slice) => slice.endpoints ?? [])
        .filter((one) => one.conditions?.ready)
        .flatMap((one) => one.addresses)
      return String(addresses.sort()) === String(ready.map((pod) => pod.status?.podIP).sort()) && addresses.length === 3
    }
    const image = async (): Promise<string[]> => (await of<Pod>(pods).list()).items.map((pod) => pod.spec.containers[0]?.image ?? '')
    try {
      for (const name of ['kube-node-lease', 'shop']) {
        const present = await client.resource<Namespace>(namespaces).list()
        if (!present.items.some((one) => one.metadata.name === name))
          await client.resource<Namespace>(namespaces).create({ metadata: { name } } as Namespace)
      }
      for (const name of ['a', 'b', 'c']) await sim.startNode(name)
      await of<Service>(services).create({
        metadata: { name: 'web' },
        spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
      })
      await of<Deployment>(deployments).create(web('web:1'))
      await passes('three pods come up', minute, complete)
      await passes('the Service has them', minute, serving)
      expect((await of<EndpointSlice>(endpointSlices).list()).items.map((slice) => slice.ports?.[0]?.port)).toEqual([8080])

      await of<Deployment>(deployments).patch('web', {
        type: 'strategic',
        body: { spec: { template: { spec: { containers: [{ name: 'web', image: 'web:2' }] } } } },
      })
      await sim.clock.advance(100)
      await passes('it rolls over', 2 * minute, complete)
      expect(await image()).toEqual(['web:2', 'web:2', 'web:2'])
      await of<Deployment>(deployments).patch('web', {
        type: 'strategic',
        body: { spec: { template: { spec: { containers: [{ name: 'web', image: 'web:1' }] } } } },
      })
      await sim.clock.advance(100)
      await passes('it rolls back', 2 * minute, complete)
      expect(await image()).toEqual(['web:1', 'web:1', 'web:1'])
      const sets = (await of<ReplicaSet>(replicaSets).list()).items
      expect(sets.map((set) => set.metadata.annotations?.['deployment.kubernetes.io/revision']).sort()).toEqual(['2', '3'])
      expect((await of<Deployment>(deployments).get('web')).metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('3')
      await passes('the Service has the new ones', minute, serving)

      sim.stopNode('a')
      await passes('the node is noticed', 2 * minute, async () => {
        const node = await client.resource<Node>(nodes).get('a')
        return node.spec.taints?.some((taint) => taint.key === 'node.kubernetes.io/unreachable' && taint.effect === 'NoExecute') ?? false
      })
      await passes('its pods are replaced', 10 * minute, async () => {
        const elsewhere = (await of<Pod>(pods).list()).items.filter((pod) => pod.spec.nodeName !== 'a' && pod.status?.phase === 'Running')
        return elsewhere.length === 3
      })
      await passes('the Service has only those that live', minute, serving)
      await client.resource<Node>(nodes).delete('a')
      await passes('the lost pods go with the node', 3 * minute, complete)

      await client.resource<Namespace>(namespaces).delete('shop')
      await passes('the namespace goes', 3 * minute, async () => {
        const all = await client.resource<Namespace>(namespaces).list()
        return !all.items.some((one) => one.metadata.name === 'shop')
      })
      for (const kind of kinds.filter((one) => one.namespaced)) {
        const left = (await client.resource(kind).list()).items.filter((object) => object.metadata.namespace === 'shop')
        expect(left.map((object) => `${object.kind} ${object.metadata.name}`)).toEqual([])
      }
      expect(sim.lines.filter((line) => line.includes(' ERROR '))).toEqual([])
    } finally {
      await sim.close()
    }
  })
})
