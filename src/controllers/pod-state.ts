import { isTerminated, podCondition } from '../api/core/pod-facts.ts'
import type { Pod } from '../api/generated/types.ts'

/** Counts towards its controller's replicas. */
export function isActive(pod: Pod): boolean {
  return !isTerminated(pod) && pod.metadata.deletionTimestamp === undefined
}

/** When it will have been ready for long enough, in ms since the epoch; undefined: it isn't ready. */
export function availableAtMs(pod: Pod, minReadySeconds: number): number | undefined {
  const ready = podCondition(pod, 'Ready')
  if (ready?.status !== 'True') return undefined
  if (minReadySeconds === 0) return 0
  return ready.lastTransitionTime ? Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 : undefined
}
