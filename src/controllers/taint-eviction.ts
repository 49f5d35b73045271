import { disruptionTarget } from '../api/core/disruption-target.ts'
import type { Node, Pod, Taint } from '../api/generated/types.ts'
import { nodes as nodeKind, pods as podKind } from '../api/registry.ts'
import { EventRecorder } from '../client/event-recorder.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { timestamp } from '../host/clock.ts'
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
  const ages = new TaintAges()
  nodes.on({
    added(node) {
      ages.note(node, deps.clock.now())
      pods.byIndex('node', node.metadata.name).forEach(add)
    },
    updated(node, previous) {
      if (deepEqual(node.spec.taints, previous.spec.taints)) return
      ages.note(node, deps.clock.now())
      pods.byIndex('node', node.metadata.name).forEach(add)
    },
    deleted: (node) => ages.forget(node),
  })

  const sync = async (key: string): Promise<void> => {
    const pod = pods.get(key)
    const node = pod?.spec.nodeName ? nodes.get(pod.spec.nodeName) : undefined
    if (!pod || !node || pod.metadata.deletionTimestamp !== undefined) return
    const at = evictionAtMs(pod, node, deps.clock.now(), (taint) => ages.seenAtMs(node, taint) ?? deps.clock.now())
    if (at === undefined) return
    if (at > deps.clock.now()) {
      queue.addAfter(key, at - deps.clock.now())
      return
    }
    recorder.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`)
    const client = deps.client.resource<Pod>(podKind, pod.metadata.namespace)
    try {
      const message = 'Taint manager: deleting due to NoExecute taint'
      const condition = disruptionTarget(pod, { reason: 'DeletionByTaintManager', message, time: timestamp(deps.clock.now()) })
      const body = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } }
      await client.patch(pod.metadata.name, { type: 'strategic', body }, { subresource: 'status' })
      await client.delete(pod.metadata.name, { preconditions: { uid: pod.metadata.uid } })
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error // gone, or another one under its name
    }
  }
  return () => queue.runWorkers(4, sync)
}

/** When taints came that don't say so themselves, such as those by hand: for pods that tolerate them for a while. */
class TaintAges {
  readonly #seen = new Map<string, ReadonlyMap<string, number>>()

  note({ metadata, spec }: Node, nowMs: number): void {
    const before = this.#seen.get(metadata.uid)
    const taints = (spec.taints ?? []).filter(({ effect, timeAdded }) => effect === 'NoExecute' && !timeAdded)
    if (taints.length === 0) this.#seen.delete(metadata.uid)
    else this.#seen.set(metadata.uid, new Map(taints.map((taint) => [textOf(taint), before?.get(textOf(taint)) ?? nowMs])))
  }

  forget({ metadata }: Node): void {
    this.#seen.delete(metadata.uid)
  }

  seenAtMs({ metadata }: Node, taint: Taint): number | undefined {
    return this.#seen.get(metadata.uid)?.get(textOf(taint))
  }
}

const textOf = ({ key, value = '' }: Taint): string => `${key}=${value}`
