import { isReady, isTerminated } from '../api/core/pod-facts.ts'
import type { Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '../api/generated/types.ts'
import { timestamp } from '../host/clock.ts'
import { leastValuable } from './deletion-ranking.ts'
import { availableAtMs, isActive } from './pod-state.ts'

/** So that one set cannot flood the API server in a single step. */
const burst = 500

export interface ReplicaPlan {
  readonly create: number
  readonly remove: readonly Pod[]
}

/** `owned` are the set's pods; `related` all pods under the same owner (of its Deployment), for spreading deletions over nodes. */
export function planReplicas(set: ReplicaSet, owned: readonly Pod[], related: readonly Pod[], nowMs: number): ReplicaPlan {
  if (set.metadata.deletionTimestamp !== undefined) return { create: 0, remove: [] }
  const active = owned.filter(isActive)
  const missing = (set.spec.replicas ?? 1) - active.length
  if (missing >= 0) return { create: Math.min(missing, burst), remove: [] }
  return { create: 0, remove: leastValuable(active, related.filter(isActive), nowMs).slice(0, Math.min(-missing, burst)) }
}

export interface ReplicaFailure {
  readonly reason: 'FailedCreate' | 'FailedDelete'
  readonly message: string
}

/** The status as it should read now, and when it will read differently by the mere passing of time. */
export function replicaStatus(
  set: ReplicaSet,
  owned: readonly Pod[],
  failure: ReplicaFailure | undefined,
  nowMs: number,
): { status: ReplicaSetStatus; changesAtMs: number | undefined } {
  const active = owned.filter(isActive)
  const labels = Object.entries(set.spec.template?.metadata?.labels ?? {})
  let changesAtMs: number | undefined
  let available = 0
  for (const pod of active) {
    const at = availableAtMs(pod, set.spec.minReadySeconds ?? 0)
    if (at === undefined) continue
    if (at <= nowMs) available++
    else changesAtMs = Math.min(at, changesAtMs ?? at)
  }
  const terminating = owned.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !isTerminated(pod))
  const conditions = withFailure(set.status?.conditions ?? [], failure, nowMs)
  const status: ReplicaSetStatus = {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => labels.every(([key, value]) => pod.metadata.labels?.[key] === value)).length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: available,
    terminatingReplicas: terminating.length,
    observedGeneration: set.metadata.generation ?? 0,
    ...(conditions.length ? { conditions } : {}),
  }
  return { status: withoutZeros(status), changesAtMs }
}

/** Numbers that are zero are left out, as upstream's encoding does, so that comparisons with what is stored hold. */
function withoutZeros(status: ReplicaSetStatus): ReplicaSetStatus {
  const entries = Object.entries(status).filter(([name, value]) => value !== 0 || name === 'replicas' || name === 'terminatingReplicas')
  return Object.fromEntries(entries) as unknown as ReplicaSetStatus
}

function withFailure(before: readonly ReplicaSetCondition[], failure: ReplicaFailure | undefined, nowMs: number): ReplicaSetCondition[] {
  const present = before.find((condition) => condition.type === 'ReplicaFailure')
  const others = before.filter((condition) => condition.type !== 'ReplicaFailure')
  if (!failure) return others
  if (present?.reason === failure.reason) return [...before]
  return [...others, { type: 'ReplicaFailure', status: 'True', lastTransitionTime: timestamp(nowMs), ...failure }]
}
