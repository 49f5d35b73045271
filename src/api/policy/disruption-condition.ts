import type { Condition, PodDisruptionBudgetStatus } from '../generated/types.ts'

/** A budget's DisruptionAllowed condition as its counts have it. `time` (RFC 3339) counts where it changes. */
export function withDisruptionCondition(
  status: PodDisruptionBudgetStatus,
  at: { generation: number | undefined; time: string; fault?: string },
): PodDisruptionBudgetStatus {
  const isAllowed = at.fault === undefined && (status.disruptionsAllowed ?? 0) > 0
  const reason = at.fault === undefined ? (isAllowed ? 'SufficientPods' : 'InsufficientPods') : 'SyncFailed'
  const others = (status.conditions ?? []).filter(({ type }) => type !== 'DisruptionAllowed')
  const before = status.conditions?.find(({ type }) => type === 'DisruptionAllowed')
  const condition: Condition = {
    type: 'DisruptionAllowed',
    status: isAllowed ? 'True' : 'False',
    reason,
    message: at.fault ?? '',
    lastTransitionTime: before && (before.status === 'True') === isAllowed ? before.lastTransitionTime : at.time,
    ...(at.generation === undefined ? {} : { observedGeneration: at.generation }),
  }
  return { ...status, conditions: [...others, condition] }
}
