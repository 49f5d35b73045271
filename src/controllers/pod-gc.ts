import { withDisruptionTarget } from '../api/core/disruption-target.ts'
import { isTerminated } from '../api/core/pod-facts.ts'
import type { Pod } from '../api/generated/types.ts'
import { nodes as nodeKind, pods as podKind } from '../api/registry.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { timestamp } from '../host/clock.ts'
import { objectKey } from '../machinery/object.ts'
import { isConflict, isNotFound } from '../machinery/status.ts'
import type { Controller, ControllerDeps } from './controller-deps.ts'
import { unlessGone } from './unless-gone.ts'

const name = 'pod-garbage-collector'

/** A node may be away only for a moment, as when it registers anew. */
const quarantineMs = 40_000
/** Upstream's default: pods that have ended are kept for their logs and status, but not without end. */
const terminatedLimit = 12_500

/** Removes pods that nobody else can: of nodes that don't exist, going but never scheduled, and ended ones in excess. */
export const podGarbageCollector: Controller = (deps) => {
  const log = deps.log.named(name)
  const queue = new WorkQueue({ ...deps, log, name })
  const nodes = deps.informers.of(nodeKind)
  const pods = deps.informers.of(podKind)
  let terminated = 0
  const count = (pod: Pod, by: 1 | -1): void => {
    if (isTerminated(pod)) terminated += by
    if (terminated > terminatedLimit) queue.add('terminated')
  }
  const look = (pod: Pod): void => {
    const { nodeName } = pod.spec
    if (!nodeName) {
      if (pod.metadata.deletionTimestamp !== undefined) queue.add(objectKey(pod))
    } else if (!nodes.get(nodeName)) queue.addAfter(objectKey(pod), quarantineMs)
  }
  pods.on({
    added(pod) {
      count(pod, 1)
      look(pod)
    },
    updated(pod, previous) {
      count(previous, -1)
      count(pod, 1)
      look(pod)
    },
    deleted: (pod) => count(pod, -1),
  })
  nodes.on({ deleted: (node) => pods.byIndex('node', node.metadata.name).forEach(look) })

  const sync = async (key: string): Promise<void> => {
    if (key === 'terminated') {
      await removeExcess(deps, pods.list())
      return
    }
    const pod = pods.get(key)
    if (!pod) return
    const { nodeName } = pod.spec
    if (!nodeName) {
      if (pod.metadata.deletionTimestamp !== undefined) await remove(deps, pod)
    } else if (!nodes.get(nodeName) && !(await exists(deps, nodeName))) await remove(deps, pod)
  }
  return () => queue.runWorkers(2, sync)
}

/** Before a pod goes because of its node, the server itself is asked: the informer may be late. */
async function exists(deps: ControllerDeps, nodeName: string): Promise<boolean> {
  return (await unlessGone(() => deps.client.resource(nodeKind).get(nodeName))) !== undefined
}

async function remove(deps: ControllerDeps, pod: Pod): Promise<void> {
  const client = deps.client.resource<Pod>(podKind, pod.metadata.namespace)
  try {
    if (!isTerminated(pod)) {
      const time = timestamp(deps.clock.now())
      const marked = withDisruptionTarget(pod, { reason: 'DeletionByPodGC', message: 'PodGC: node no longer exists', time })
      await client.updateStatus({ ...marked, status: { ...marked.status, phase: 'Failed' } })
    }
    await client.delete(pod.metadata.name, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } })
  } catch (error) {
    if (isNotFound(error)) return
    if (isConflict(error) && error.message.includes('Precondition')) return
    throw error
  }
}

async function removeExcess(deps: ControllerDeps, pods: readonly Pod[]): Promise<void> {
  const ended = pods.filter(isTerminated)
  const oldestFirst = ended.sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1))
  for (const pod of oldestFirst.slice(0, Math.max(0, ended.length - terminatedLimit))) await remove(deps, pod)
}
