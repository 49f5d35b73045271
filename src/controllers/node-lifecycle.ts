import { isReady } from '../api/core/pod-facts.ts'
import type { Lease, Node, Pod } from '../api/generated/types.ts'
import { leases as leaseKind, nodes as nodeKind, pods as podKind } from '../api/registry.ts'
import { EventRecorder } from '../client/event-recorder.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { timestamp } from '../host/clock.ts'
import { isNotFound } from '../machinery/status.ts'
import type { Controller, ControllerDeps } from './controller-deps.ts'
import { nodeGraceMs, nodeReady, silentConditions, wantedTaints } from './node-plan.ts'

const name = 'node-controller'
const leaseNamespace = 'kube-node-lease'

/** Notices nodes that have fallen silent, and taints nodes after their state. */
export const nodeLifecycleController: Controller = (deps) => {
  const { clock } = deps
  const log = deps.log.named(name)
  const queue = new WorkQueue({ ...deps, log, name })
  const nodes = deps.informers.of(nodeKind)
  const recorder = new EventRecorder({ ...deps, log, component: name })
  /** When each node last gave a sign of life, by our own clock: theirs may go wrong. */
  const seenMs = new Map<string, number>()
  /** Nodes whose pods have been marked, with the transition that called for it: once each, since the kubelet may know better. */
  const marked = new Map<string, string>()
  const sign = (nodeName: string): void => {
    seenMs.set(nodeName, clock.monotonic())
    if (nodes.get(nodeName)) queue.addAfter(nodeName, nodeGraceMs)
  }
  const onLease = (lease: Lease): void => {
    if (lease.metadata.namespace === leaseNamespace) sign(lease.metadata.name)
  }
  nodes.on({
    added(node) {
      sign(node.metadata.name)
      queue.add(node.metadata.name)
    },
    updated(node, previous) {
      if (heartbeat(node) !== heartbeat(previous)) sign(node.metadata.name)
      queue.add(node.metadata.name)
    },
    deleted: (node) => {
      seenMs.delete(node.metadata.name)
      marked.delete(node.metadata.name)
    },
  })
  deps.informers.of(leaseKind).on({
    added: (lease) => onLease(lease),
    updated: (lease, previous) => {
      if (lease.spec.renewTime !== previous.spec.renewTime) onLease(lease)
    },
  })

  const sync = async (key: string): Promise<void> => {
    const node = nodes.get(key)
    if (!node) return
    const silentMs = clock.monotonic() - (seenMs.get(key) ?? clock.monotonic())
    let current = node
    if (silentMs < nodeGraceMs) queue.addAfter(key, nodeGraceMs - silentMs)
    else current = await markSilent(deps, node)
    const taints = wantedTaints(current, clock.now())
    const client = deps.client.resource<Node>(nodeKind)
    if (taints) await client.update({ ...current, spec: { ...current.spec, taints } })
    const ready = nodeReady(current)
    const transition = ready?.lastTransitionTime ?? ''
    if (!ready || ready.status === 'True') marked.delete(key)
    else if (marked.get(key) !== transition) {
      await markPodsNotReady(deps, current, recorder)
      marked.set(key, transition)
    }
  }
  return () => queue.runWorkers(2, sync)
}

/** The newest heartbeat in the node's own status. */
const heartbeat = (node: Node): string => nodeReady(node)?.lastHeartbeatTime ?? ''

async function markSilent(deps: ControllerDeps, node: Node): Promise<Node> {
  const conditions = silentConditions(node, deps.clock.now())
  if (!conditions) return node
  deps.log.named(name).warn('a node has fallen silent', { node: node.metadata.name })
  return await deps.client.resource<Node>(nodeKind).updateStatus({ ...node, status: { ...node.status, conditions } })
}

/** Nobody else can say it: pods of a lost node must not get traffic any more. */
async function markPodsNotReady(deps: ControllerDeps, node: Node, recorder: EventRecorder): Promise<void> {
  for (const pod of deps.informers.of(podKind).byIndex('node', node.metadata.name)) {
    if (!isReady(pod)) continue
    const conditions = (pod.status?.conditions ?? []).map((one) =>
      one.type === 'Ready' ? { ...one, status: 'False', lastTransitionTime: timestamp(deps.clock.now()) } : one,
    )
    try {
      await deps.client.resource<Pod>(podKind, pod.metadata.namespace).updateStatus({ ...pod, status: { ...pod.status, conditions } })
      recorder.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready')
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }
}
