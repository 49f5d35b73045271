import { isTerminated } from '../api/core/pod-facts.ts'
import type { Namespace, Node, Pod } from '../api/generated/types.ts'
import { namespaces as namespaceKind, nodes as nodeKind, pods as podKind } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { EventRecorder } from '../client/event-recorder.ts'
import { type InformerHandler, startInformer, withoutManagedFields } from '../client/informer.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import { deepEqual } from '../machinery/equality.ts'
import { objectKey } from '../machinery/object.ts'
import { ClusterState } from './cluster-state.ts'
import { runScheduler, schedulerName, wantsNode } from './scheduler.ts'
import { SchedulingQueue } from './scheduling-queue.ts'

/** Gives pods their nodes until the signal. Resolves once it knows the cluster. */
export async function startScheduler(deps: {
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  /** It has stopped though it should not have. */
  failed?: (error: unknown) => void
}): Promise<void> {
  const log = deps.log.named('scheduler')
  const inner = { ...deps, log }
  const state = new ClusterState()
  const queue = new SchedulingQueue(deps)
  const namespaces = startInformer<Namespace>({ ...inner, resource: namespaceKind })
  const nodes = startInformer<Node>({ ...inner, resource: nodeKind, trim: withoutManagedFields })
  const pods = startInformer<Pod>({ ...inner, resource: podKind, trim: withoutManagedFields })
  namespaces.on({
    updated: (now, before) => {
      if (!deepEqual(now.metadata.labels, before.metadata.labels)) queue.happened('namespace')
    },
  })
  nodes.on(nodeHandler(state, queue))
  pods.on(podHandler(state, queue))
  await Promise.all([namespaces.synced(), nodes.synced(), pods.synced()])
  const run = runScheduler({
    ...inner,
    recorder: new EventRecorder({ ...inner, component: schedulerName }),
    queue,
    state,
    podAt: (key) => pods.get(key),
    namespaceLabels: (name) => namespaces.get(name)?.metadata.labels ?? {},
  })
  run.catch((error) => {
    log.error('the scheduler has stopped', { error })
    deps.failed?.(error)
  })
}

/** Heartbeats change a node's status every few seconds: only what filters look at may help a pod. */
function nodeHandler(state: ClusterState, queue: SchedulingQueue): InformerHandler<Node> {
  const relevant = ({ metadata, spec, status }: Node): unknown => [
    metadata.labels ?? {},
    spec?.taints ?? [],
    spec?.unschedulable ?? false,
    status?.allocatable ?? {},
  ]
  return {
    added(node) {
      state.setNode(node)
      queue.happened('node')
    },
    updated(node, previous) {
      state.setNode(node)
      if (!deepEqual(relevant(node), relevant(previous))) queue.happened('node')
    },
    deleted(node) {
      state.removeNode(node.metadata.name)
      queue.happened('node')
    },
  }
}

function podHandler(state: ClusterState, queue: SchedulingQueue): InformerHandler<Pod> {
  const gone = ({ metadata }: Pod): void => {
    const wasPlaced = state.isPlaced(metadata.uid)
    state.remove(metadata.uid)
    if (wasPlaced) queue.happened('pod-gone')
  }
  const placed = (pod: Pod, node: string, previous: Pod | undefined): void => {
    queue.delete(objectKey(pod))
    const isNew = previous?.spec.nodeName !== node || !deepEqual(pod.metadata.labels, previous.metadata.labels)
    state.place(pod, node)
    if (isNew) queue.happened('pod-placed')
  }
  const seen = (pod: Pod, previous: Pod | undefined): void => {
    const key = objectKey(pod)
    const { nodeName, priority = 0 } = pod.spec
    if (isTerminated(pod)) {
      queue.delete(key)
      gone(pod)
    } else if (nodeName) placed(pod, nodeName, previous)
    else if (!wantsNode(pod)) queue.delete(key)
    // While it is assumed to be on a node, what the API says of it without one is old.
    else if (!state.isPlaced(pod.metadata.uid) && (!previous || changesItsChances(pod, previous))) queue.add(key, priority)
  }
  return {
    added: (pod) => seen(pod, undefined),
    updated(pod, previous) {
      const isReplaced = pod.metadata.uid !== previous.metadata.uid
      if (isReplaced) {
        queue.delete(objectKey(previous))
        gone(previous)
      }
      seen(pod, isReplaced ? undefined : previous)
    },
    deleted(pod) {
      queue.delete(objectKey(pod))
      gone(pod)
    },
  }
}

/** Status changes, our own notes of failure among them, are no reason to try again. */
function changesItsChances(pod: Pod, previous: Pod): boolean {
  return !deepEqual(pod.spec, previous.spec) || !deepEqual(pod.metadata.labels, previous.metadata.labels)
}
