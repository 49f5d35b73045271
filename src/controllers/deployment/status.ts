import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../api/generated/types.ts'
import { timestamp } from '../../host/clock.ts'
import { limitsOf, sizeOf, sum, wantedOf } from './rolling.ts'

export interface StatusInput {
  readonly deployment: Deployment
  readonly newSet: ReplicaSet | undefined
  readonly sets: readonly ReplicaSet[]
  /** Why the new ReplicaSet could not be made, if it couldn't. */
  readonly createError: string | undefined
  /** The new ReplicaSet has been made just now. */
  readonly created: boolean
  readonly collisionCount: number | undefined
  readonly nowMs: number
}

/** A Deployment that should not be told to be late: upstream's way to write "no deadline". */
const noDeadline = 2 ** 31 - 1

const counts = (newSet: ReplicaSet | undefined, sets: readonly ReplicaSet[]) => ({
  replicas: sum(sets, (set) => set.status?.replicas ?? 0),
  updatedReplicas: newSet?.status?.replicas ?? 0,
  readyReplicas: sum(sets, (set) => set.status?.readyReplicas ?? 0),
  availableReplicas: sum(sets, (set) => set.status?.availableReplicas ?? 0),
  terminatingReplicas: sum(sets, (set) => set.status?.terminatingReplicas ?? 0),
})

/** Every wanted pod is new and available, and no old one is left. */
export function isComplete(deployment: Deployment, newSet: ReplicaSet | undefined, sets: readonly ReplicaSet[]): boolean {
  const wanted = wantedOf(deployment)
  const now = counts(newSet, sets)
  return now.updatedReplicas === wanted && now.replicas === wanted && now.availableReplicas === wanted
}

export function deploymentStatus(input: StatusInput): { status: DeploymentStatus; checkAgainAtMs: number | undefined } {
  const { deployment, newSet, sets, nowMs } = input
  const now = counts(newSet, sets)
  const unavailable = Math.max(0, sum(sets, sizeOf) - now.availableReplicas)
  let conditions = availability(deployment, now.availableReplicas, nowMs)
  const progress = progressing(input, now)
  conditions = conditions.filter((condition) => condition.type !== 'Progressing')
  if (progress) conditions.push(progress)
  conditions = withFailures(conditions, input)
  const status: DeploymentStatus = {
    observedGeneration: deployment.metadata.generation ?? 0,
    ...(now.replicas ? { replicas: now.replicas } : {}),
    ...(now.updatedReplicas ? { updatedReplicas: now.updatedReplicas } : {}),
    ...(now.readyReplicas ? { readyReplicas: now.readyReplicas } : {}),
    ...(now.availableReplicas ? { availableReplicas: now.availableReplicas } : {}),
    ...(unavailable ? { unavailableReplicas: unavailable } : {}),
    terminatingReplicas: now.terminatingReplicas,
    ...(input.collisionCount === undefined ? {} : { collisionCount: input.collisionCount }),
    conditions,
  }
  return { status, checkAgainAtMs: deadlineAtMs(deployment, progress, nowMs) }
}

function find(conditions: readonly DeploymentCondition[] | undefined, type: string): DeploymentCondition | undefined {
  return conditions?.find((condition) => condition.type === type)
}

/** A condition keeps the time of its transition while its status stays, and all its times while its reason does too. */
function renewed(
  before: DeploymentCondition | undefined,
  type: string,
  status: string,
  reason: string,
  message: string,
  nowMs: number,
): DeploymentCondition {
  if (before?.status === status && before.reason === reason) return before
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timestamp(nowMs)
  return { type, status, lastUpdateTime: timestamp(nowMs), ...(lastTransitionTime ? { lastTransitionTime } : {}), reason, message }
}

function availability(deployment: Deployment, available: number, nowMs: number): DeploymentCondition[] {
  const before = deployment.status?.conditions ?? []
  const enough = available >= wantedOf(deployment) - limitsOf(deployment).maxUnavailable
  const condition = enough
    ? renewed(find(before, 'Available'), 'Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.', nowMs)
    : renewed(
        find(before, 'Available'),
        'Available',
        'False',
        'MinimumReplicasUnavailable',
        'Deployment does not have minimum availability.',
        nowMs,
      )
  return [condition, ...before.filter((other) => other.type !== 'Available')]
}

const hasDeadline = (deployment: Deployment): boolean => (deployment.spec.progressDeadlineSeconds ?? 600) !== noDeadline

function progressing(input: StatusInput, now: ReturnType<typeof counts>): DeploymentCondition | undefined {
  const { deployment, newSet, sets, nowMs } = input
  const before = find(deployment.status?.conditions, 'Progressing')
  const renew = (status: string, reason: string, message: string): DeploymentCondition =>
    renewed(before, 'Progressing', status, reason, message, nowMs)
  if (!hasDeadline(deployment)) return undefined
  if (deployment.spec.paused) return renew('Unknown', 'DeploymentPaused', 'Deployment is paused')
  if (before?.reason === 'DeploymentPaused') return renew('Unknown', 'DeploymentResumed', 'Deployment is resumed')
  if (input.createError !== undefined) return renew('False', 'ReplicaSetCreateError', input.createError)
  if (input.created && newSet) return renew('True', 'NewReplicaSetCreated', `Created new replica set "${newSet.metadata.name}"`)
  const settled = now.replicas === now.updatedReplicas && before?.reason === 'NewReplicaSetAvailable'
  if (settled && wasFor(before, newSet)) return before
  const subject = newSet ? `ReplicaSet "${newSet.metadata.name}"` : `Deployment "${deployment.metadata.name}"`
  if (isComplete(deployment, newSet, sets)) {
    const condition = renew('True', 'NewReplicaSetAvailable', `${subject} has successfully progressed.`)
    return condition === before && !wasFor(before, newSet) ? moved(before, `${subject} has successfully progressed.`, nowMs) : condition
  }
  if (hasProgressed(deployment, now)) {
    return before?.status === 'True'
      ? { ...moved(before, `${subject} is progressing.`, nowMs), reason: 'ReplicaSetUpdated' }
      : renew('True', 'ReplicaSetUpdated', `${subject} is progressing.`)
  }
  if (newSet && !before) return renew('True', 'FoundNewReplicaSet', `Found new replica set "${newSet.metadata.name}"`)
  if (isLate(deployment, before, nowMs)) return renew('False', 'ProgressDeadlineExceeded', `${subject} has timed out progressing.`)
  return before
}

const wasFor = (condition: DeploymentCondition | undefined, newSet: ReplicaSet | undefined): boolean =>
  !newSet || (condition?.message ?? '').includes(`"${newSet.metadata.name}"`)

const moved = (before: DeploymentCondition, message: string, nowMs: number): DeploymentCondition => ({
  ...before,
  message,
  lastUpdateTime: timestamp(nowMs),
})

function hasProgressed(deployment: Deployment, now: ReturnType<typeof counts>): boolean {
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = deployment.status ?? {}
  return (
    now.updatedReplicas !== updatedReplicas ||
    now.replicas - now.updatedReplicas < replicas - updatedReplicas ||
    now.readyReplicas > readyReplicas ||
    now.availableReplicas > availableReplicas
  )
}

function deadlineOf(deployment: Deployment, condition: DeploymentCondition | undefined): number | undefined {
  if (!condition?.lastUpdateTime || condition.reason === 'NewReplicaSetAvailable') return undefined
  return Date.parse(condition.lastUpdateTime) + (deployment.spec.progressDeadlineSeconds ?? 600) * 1000
}

function isLate(deployment: Deployment, condition: DeploymentCondition | undefined, nowMs: number): boolean {
  if (condition?.reason === 'ProgressDeadlineExceeded') return true
  const deadline = deadlineOf(deployment, condition)
  return deadline !== undefined && deadline < nowMs
}

function deadlineAtMs(deployment: Deployment, condition: DeploymentCondition | undefined, nowMs: number): number | undefined {
  if (deployment.spec.paused || condition?.reason === 'ProgressDeadlineExceeded') return undefined
  const deadline = deadlineOf(deployment, condition)
  // A second late, as times are stored in whole seconds.
  return deadline === undefined ? undefined : Math.max(nowMs, deadline) + 1000
}

/** What keeps ReplicaSets from making pods (a quota, say) shows on the Deployment, the new one's before the old ones'. */
function withFailures(conditions: readonly DeploymentCondition[], input: StatusInput): DeploymentCondition[] {
  const { newSet, sets, nowMs } = input
  const others = conditions.filter((condition) => condition.type !== 'ReplicaFailure')
  const failures = [newSet, ...sets].flatMap((set) => set?.status?.conditions ?? []).filter((one) => one.type === 'ReplicaFailure')
  const failure = failures[0]
  if (!failure) return others
  const before = find(conditions, 'ReplicaFailure')
  return [...others, renewed(before, 'ReplicaFailure', failure.status, failure.reason ?? '', failure.message ?? '', nowMs)]
}
