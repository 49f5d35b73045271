import type { Node, NodeCondition, Pod, PodCondition } from '../api/generated/types.ts'
import { nodes, pods } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { type Clock, timestamp } from '../host/clock.ts'
import type { KubeObject } from '../machinery/object.ts'
import { isConflict, isNotFound } from '../machinery/status.ts'

const message = 'the cluster was taken down'

/**
 * Writes down that a node's pods no longer run, so that after the next boot nothing takes yesterday's readiness for today's.
 * The pods stay: the kubelet starts them again.
 */
export async function markStopped(client: Client, nodeName: string, clock: Clock): Promise<void> {
  const at = timestamp(clock.now())
  const { items } = await client.resource<Pod>(pods).list({ fieldSelector: `spec.nodeName=${nodeName}` })
  await Promise.all(items.map((pod) => updateStatus(client, pods, pod, (latest) => stoppedPod(latest, at))))
  const node = await client.resource<Node>(nodes).get(nodeName)
  await updateStatus(client, nodes, node, (latest) => stoppedNode(latest, at))
}

/** Undefined where the pod wasn't ready anyway. */
export function stoppedPod(pod: Pod, at: string): Pod | undefined {
  const status = pod.status
  if (!status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True')) return undefined
  const conditions = status.conditions.map((condition): PodCondition => {
    const falls = condition.type === 'Ready' || condition.type === 'ContainersReady'
    return falls ? { ...condition, status: 'False', reason: 'NodeDown', message, lastTransitionTime: at } : condition
  })
  const containerStatuses = status.containerStatuses?.map((container) => ({ ...container, ready: false, started: false }))
  return { ...pod, status: { ...status, conditions, ...(containerStatuses ? { containerStatuses } : {}) } }
}

export function stoppedNode(node: Node, at: string): Node | undefined {
  const conditions = node.status?.conditions?.map(
    (condition): NodeCondition =>
      condition.type === 'Ready' && condition.status === 'True'
        ? { ...condition, status: 'False', reason: 'NodeDown', message, lastTransitionTime: at, lastHeartbeatTime: at }
        : condition,
  )
  return conditions ? { ...node, status: { ...node.status, conditions } } : undefined
}

async function updateStatus<T extends KubeObject>(
  client: Client,
  resource: typeof pods | typeof nodes,
  object: T,
  change: (latest: T) => T | undefined,
): Promise<void> {
  const api = client.resource<T>(resource, object.metadata.namespace)
  for (let latest = object, attempt = 0; attempt < 5; attempt++) {
    const changed = change(latest)
    if (!changed) return
    try {
      await api.updateStatus(changed)
      return
    } catch (error) {
      if (isNotFound(error)) return
      if (!isConflict(error)) throw error
      latest = await api.get(object.metadata.name)
    }
  }
}
