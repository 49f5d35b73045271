import type { Pod } from '../api/generated/types.ts'
import { nodes as nodeKind, pods as podKind } from '../api/registry.ts'
import { EventRecorder } from '../client/event-recorder.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { deepEqual } from '../machinery/equality.ts'
import { objectKey } from '../machinery/object.ts'
import { isConflict, isNotFound } from '../machinery/status.ts'
import type { Controller } from './controller-deps.ts'
import { evictionAtMs } from './node-plan.ts'

const name = 'taint-eviction-controller'

/** Deletes pods from nodes whose NoExecute taints they don't tolerate, or not any longer. */
export const taintEvictionController: Controller = (deps) => {
  const log = deps.log.named(name)
  const queue = new WorkQueue({ ...deps, log, name })
  const nodes = deps.informers.of(nodeKind)
  const pods = deps.informers.of(podKind)
  const recorder = new EventRecorder({ ...deps, log, component: name })
  const add = (pod: Pod): void => {
    if (nodes.get(pod.spec.nodeName ?? '')?.spec.taints?.length) queue.add(objectKey(pod))
  }
  pods.on({
    added: add,
    updated(pod, previous) {
      if (pod.spec.nodeName !== previous.spec.nodeName || !deepEqual(pod.spec.tolerations, previous.spec.tolerations)) add(pod)
    },
  })
  nodes.on({
    added: (node) => pods.byIndex('node', node.metadata.name).forEach(add),
    updated(node, previous) {
      if (!deepEqual(node.spec.taints, previous.spec.taints)) pods.byIndex('node', node.metadata.name).forEach(add)
    },
  })

  const sync = async (key: string): Promise<void> => {
    const pod = pods.get(key)
    const node = pod?.spec.nodeName ? nodes.get(pod.spec.nodeName) : undefined
    if (!pod || !node || pod.metadata.deletionTimestamp !== undefined) return
    const at = evictionAtMs(pod, node, deps.clock.now())
    if (at === undefined) return
    if (at > deps.clock.now()) {
      queue.addAfter(key, at - deps.clock.now())
      return
    }
    recorder.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`)
    try {
      await deps.client
        .resource<Pod>(podKind, pod.metadata.namespace)
        .delete(pod.metadata.name, { preconditions: { uid: pod.metadata.uid } })
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error // gone, or another one under its name
    }
  }
  return () => queue.runWorkers(4, sync)
}
