import type { Pod, PodCondition } from '../generated/types.ts'

/** Why a pod is about to be ended by the cluster. `time`: RFC 3339. https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions */
export interface Disruption {
  readonly reason: 'EvictionByEvictionAPI' | 'DeletionByTaintManager' | 'DeletionByPodGC'
  readonly message: string
  readonly time: string
}

export function disruptionTarget({ metadata: { generation } }: Pod, { reason, message, time }: Disruption): PodCondition {
  const observed = generation === undefined ? {} : { observedGeneration: generation }
  return { type: 'DisruptionTarget', status: 'True', reason, message, lastTransitionTime: time, ...observed }
}

export function withDisruptionTarget(pod: Pod, disruption: Disruption): Pod {
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget')
  return { ...pod, status: { ...pod.status, conditions: [...others, disruptionTarget(pod, disruption)] } }
}
