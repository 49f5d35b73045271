import { isTerminated } from '../api/core/pod-facts.ts'
import type { Pod, PodCondition } from '../api/generated/types.ts'
import { pods as podKind } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/event-recorder.ts'
import { type Clock, timestamp } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import { objectKey } from '../machinery/object.ts'
import { isConflict, isNotFound } from '../machinery/status.ts'
import type { ClusterState, ClusterView } from './cluster-state.ts'
import { type ClusterEvent, explainRefusal, filterNodes } from './filter.ts'
import { filters } from './filters/in-order.ts'
import type { SchedulingQueue } from './scheduling-queue.ts'
import { bestNode } from './scorer.ts'
import { scorers } from './scorers/weighted.ts'

export const schedulerName = 'default-scheduler'

/** Bindings under way at once; while more would be, no further pod is placed. */
const mostBindings = 64

export interface SchedulerDeps {
  readonly client: Client
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signal: AbortSignal
  readonly recorder: EventRecorder
  readonly queue: SchedulingQueue
  readonly state: ClusterState
  /** As the API has it now. */
  readonly podAt: (key: string) => Pod | undefined
  readonly namespaceLabels: ClusterView['namespaceLabels']
}

/** What a pod needs for the scheduler to look for its node. */
export function wantsNode(pod: Pod): boolean {
  const { spec, metadata, status } = pod
  if (spec.nodeName || metadata.deletionTimestamp || spec.schedulingGates?.length) return false
  return (spec.schedulerName ?? schedulerName) === schedulerName && !isTerminated({ status })
}

export type Decision =
  | { readonly type: 'place'; readonly node: string }
  | { readonly type: 'refuse'; readonly message: string; readonly helpedBy: readonly ClusterEvent[] }

/** Where a pod should go, or why it can go nowhere now. */
export function decide(pod: Pod, view: ClusterView, random: Random): Decision {
  const filtered = filterNodes(pod, view, filters)
  if (filtered.feasible.length > 0) return { type: 'place', node: bestNode(pod, filtered.feasible, view, random, scorers).name }
  const helpedBy = new Set<ClusterEvent>(['node'])
  for (const { filter } of filtered.refused.values()) for (const event of filter.helpedBy) helpedBy.add(event)
  return { type: 'refuse', message: explainRefusal(filtered), helpedBy: [...helpedBy] }
}

/** Takes pod after pod until the signal: decides, assumes, and binds behind. */
export async function runScheduler(deps: SchedulerDeps): Promise<void> {
  const bindings = new Set<Promise<void>>()
  for (let key = await deps.queue.take(); key !== undefined; key = await deps.queue.take()) {
    const pod = deps.podAt(key)
    if (!pod || !wantsNode(pod) || deps.state.isPlaced(pod.metadata.uid)) {
      deps.queue.delete(key)
      continue
    }
    const binding = placeOne(pod, key, deps).finally(() => bindings.delete(binding))
    bindings.add(binding)
    if (bindings.size >= mostBindings) await Promise.race(bindings)
  }
  await Promise.allSettled(bindings)
}

/** The decision and its consequences here are one step, without a gap in which an event could be missed; the API is told after. */
async function placeOne(pod: Pod, key: string, deps: SchedulerDeps): Promise<void> {
  const { state, queue, random, log, namespaceLabels } = deps
  try {
    const decision = decide(pod, { nodes: state.nodes(), namespaceLabels }, random)
    if (decision.type === 'refuse') {
      queue.rejected(key, decision.helpedBy)
      log.debug('no node for pod', { pod: key, why: decision.message })
      await tellFailure(pod, 'Unschedulable', decision.message, deps)
      return
    }
    queue.delete(key)
    state.place(pod, decision.node)
    await bindPod(pod, decision.node, deps)
  } catch (error) {
    if (deps.signal.aborted) return
    log.error('a pod could not be scheduled; trying again', { pod: key, error })
    queue.failed(key)
    await tellFailure(pod, 'SchedulerError', (error as Error).message, deps)
  }
}

async function bindPod(pod: Pod, node: string, deps: SchedulerDeps): Promise<void> {
  const { name, namespace = '', uid } = pod.metadata
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name, namespace, uid },
    target: { apiVersion: 'v1', kind: 'Node', name: node },
  }
  try {
    await deps.client.resource<Pod>(podKind, namespace).createSubresource(name, 'binding', binding)
    deps.recorder.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${node}`)
    deps.log.debug('pod assigned', { pod: objectKey(pod), node })
  } catch (error) {
    takeBack(pod, error as Error, deps)
  }
}

/** The node was assumed and is not the pod's: its room is free again, and the pod is looked at anew unless it has gone. */
function takeBack(pod: Pod, error: Error, deps: SchedulerDeps): void {
  if (deps.signal.aborted) return
  const key = objectKey(pod)
  const now = deps.podAt(key)
  if (now?.metadata.uid === pod.metadata.uid && now.spec.nodeName) return // the answer was lost, or another was quicker
  deps.state.remove(pod.metadata.uid)
  deps.queue.happened('pod-gone')
  if (isNotFound(error)) return
  deps.log[isConflict(error) ? 'info' : 'warn']('a binding was refused', { pod: key, error })
  if (!now || !wantsNode(now)) return
  deps.recorder.event(pod, 'Warning', 'FailedScheduling', `binding rejected: ${error.message}`)
  deps.queue.retry(key, now.spec.priority ?? 0)
}

async function tellFailure(pod: Pod, reason: string, message: string, deps: SchedulerDeps): Promise<void> {
  deps.recorder.event(pod, 'Warning', 'FailedScheduling', message)
  const condition = failureCondition(pod, reason, message, deps.clock.now())
  if (!condition) return
  try {
    await deps.client
      .resource<Pod>(podKind, pod.metadata.namespace)
      .patch(pod.metadata.name, { type: 'strategic', body: { status: { conditions: [condition] } } }, { subresource: 'status' })
  } catch (error) {
    if (!isNotFound(error) && !deps.signal.aborted) deps.log.warn('a pod could not be told why it waits', { pod: objectKey(pod), error })
  }
}

/** Undefined: the pod says so already. */
export function failureCondition(pod: Pod, reason: string, message: string, nowMs: number): PodCondition | undefined {
  const before = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled')
  if (before?.status === 'False' && before.reason === reason && before.message === message) return undefined
  const lastTransitionTime = before?.status === 'False' && before.lastTransitionTime ? before.lastTransitionTime : timestamp(nowMs)
  return { type: 'PodScheduled', status: 'False', reason, message, lastTransitionTime }
}
