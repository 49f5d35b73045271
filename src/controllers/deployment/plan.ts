import { isTerminated } from '../../api/core/pod-facts.ts'
import type { Deployment, Pod, ReplicaSet } from '../../api/generated/types.ts'
import { type Annotations, newSetAnnotations, revisionOf, sizeAnnotations } from './annotations.ts'
import {
  isRolling,
  isSaturated,
  isScaling,
  maxSizeOf,
  nextNewSize,
  scaleInProportion,
  shrinkOld,
  sizeOf,
  sum,
  wantedOf,
} from './rolling.ts'
import { isComplete } from './status.ts'
import { byAge, newReplicaSetOf } from './template-hash.ts'

export interface SetChange {
  readonly set: ReplicaSet
  readonly replicas: number
  readonly annotations: Annotations
  readonly minReadySeconds: number
}

/** What to do now; carrying it out changes ReplicaSets, whose events ask again. */
export interface DeploymentPlan {
  readonly newSet: ReplicaSet | undefined
  readonly oldSets: readonly ReplicaSet[]
  /** The ReplicaSet of the current template has to be made, of this size and revision. */
  readonly create: { readonly replicas: number; readonly revision: bigint; readonly annotations: Annotations } | undefined
  readonly changes: readonly SetChange[]
  /** Old revisions beyond the limit. */
  readonly remove: readonly ReplicaSet[]
  /** What the Deployment's own revision annotation should say; undefined: leave it. */
  readonly revision: bigint | undefined
}

/** `podsOf` answers the pods of a ReplicaSet, those on their way out included. */
export function planDeployment(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  podsOf: (set: ReplicaSet) => readonly Pod[],
): DeploymentPlan {
  const newSet = newReplicaSetOf(deployment, sets)
  const oldSets = sets.filter((set) => set !== newSet)
  const revision = latest(oldSets.map(revisionOf)) + 1n
  const base = { newSet, oldSets, create: undefined, changes: [], remove: [], revision: undefined }
  if (deployment.metadata.deletionTimestamp !== undefined) return base
  const active = sets.filter((set) => sizeOf(set) > 0)
  const resized =
    deployment.spec.paused || isScaling(deployment, active)
      ? planScaling(deployment, newSet, oldSets)
      : planRollout(deployment, newSet, oldSets, podsOf)
  const create = resized.create
    ? { replicas: resized.create.replicas, revision, annotations: annotationsAtBirth(deployment, revision) }
    : undefined
  const changes = changesOf(deployment, { newSet, oldSets, revision, sizes: resized.sizes, stamp: resized.stamp })
  const settled = changes.length === 0 && !create
  const mayClean = deployment.spec.paused || (settled && isComplete(deployment, newSet, sets))
  const newRevision = newSet ? latest([revisionOf(newSet), revision]) : create ? revision : undefined
  return {
    ...base,
    create,
    changes,
    remove: mayClean ? beyondHistory(deployment, oldSets) : [],
    revision: newRevision !== undefined && newRevision !== revisionOf(deployment) ? newRevision : undefined,
  }
}

const latest = (revisions: readonly bigint[]): bigint => revisions.reduce((a, b) => (a > b ? a : b), 0n)

interface Resizing {
  readonly sizes: ReadonlyMap<string, number>
  readonly create?: { readonly replicas: number }
  /** Sets whose size annotations are renewed even where the size stays. */
  readonly stamp: ReadonlySet<string>
}

const nothing: Resizing = { sizes: new Map(), stamp: new Set() }

/** Only the wanted number has changed, or the rollout is paused. */
function planScaling(deployment: Deployment, newSet: ReplicaSet | undefined, oldSets: readonly ReplicaSet[]): Resizing {
  const all = newSet ? [...oldSets, newSet] : oldSets
  const active = all.filter((set) => sizeOf(set) > 0)
  const only = active.length > 1 ? undefined : (active[0] ?? newSet ?? [...oldSets].sort(byAge).at(-1))
  if (only) return { sizes: new Map([[only.metadata.uid, wantedOf(deployment)]]), stamp: new Set([only.metadata.uid]) }
  if (isSaturated(deployment, newSet)) {
    return { sizes: new Map(oldSets.map((set) => [set.metadata.uid, 0])), stamp: new Set() }
  }
  if (!isRolling(deployment)) return nothing
  return { sizes: scaleInProportion(deployment, active), stamp: new Set(active.map((set) => set.metadata.uid)) }
}

function planRollout(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
  podsOf: (set: ReplicaSet) => readonly Pod[],
): Resizing {
  if (!isRolling(deployment)) return planRecreate(deployment, newSet, oldSets, podsOf)
  const next = nextNewSize(deployment, newSet ? sizeOf(newSet) : 0, oldSets)
  if (!newSet) return { ...nothing, create: { replicas: next } }
  if (next !== sizeOf(newSet)) return { sizes: new Map([[newSet.metadata.uid, next]]), stamp: new Set() }
  return { sizes: shrinkOld(deployment, newSet, oldSets), stamp: new Set() }
}

/** All old pods end before the first new one begins. */
function planRecreate(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
  podsOf: (set: ReplicaSet) => readonly Pod[],
): Resizing {
  if (sum(oldSets, sizeOf) > 0) return { sizes: new Map(oldSets.map((set) => [set.metadata.uid, 0])), stamp: new Set() }
  if (oldSets.some((set) => podsOf(set).some((pod) => !isTerminated(pod)))) return nothing
  const wanted = wantedOf(deployment)
  if (!newSet) return { ...nothing, create: { replicas: wanted } }
  return { sizes: new Map([[newSet.metadata.uid, wanted]]), stamp: new Set() }
}

function annotationsAtBirth(deployment: Deployment, revision: bigint): Annotations {
  return sizeAnnotations(newSetAnnotations(deployment, {}, revision), wantedOf(deployment), maxSizeOf(deployment))
}

function changesOf(
  deployment: Deployment,
  plan: Resizing & { newSet: ReplicaSet | undefined; oldSets: readonly ReplicaSet[]; revision: bigint },
): SetChange[] {
  const changes: SetChange[] = []
  for (const set of plan.newSet ? [plan.newSet, ...plan.oldSets] : plan.oldSets) {
    const before = set.metadata.annotations ?? {}
    const isNew = set === plan.newSet
    const replicas = plan.sizes.get(set.metadata.uid) ?? sizeOf(set)
    const minReadySeconds = isNew ? (deployment.spec.minReadySeconds ?? 0) : (set.spec.minReadySeconds ?? 0)
    let annotations = isNew ? newSetAnnotations(deployment, before, plan.revision) : before
    if (replicas !== sizeOf(set) || plan.stamp.has(set.metadata.uid)) {
      annotations = sizeAnnotations(annotations, wantedOf(deployment), maxSizeOf(deployment))
    }
    const changed =
      replicas !== sizeOf(set) ||
      minReadySeconds !== (set.spec.minReadySeconds ?? 0) ||
      Object.entries(annotations).some(([key, value]) => before[key] !== value)
    if (changed) changes.push({ set, replicas, annotations, minReadySeconds })
  }
  return changes
}

/** Revisions that nobody can want back any more: empty sets, the oldest first, until the limit holds. */
function beyondHistory(deployment: Deployment, oldSets: readonly ReplicaSet[]): ReplicaSet[] {
  const alive = oldSets.filter((set) => set.metadata.deletionTimestamp === undefined)
  const excess = alive.length - (deployment.spec.revisionHistoryLimit ?? 10)
  if (excess <= 0) return []
  const sorted = [...alive].sort((a, b) => Number(revisionOf(a) - revisionOf(b)) || byAge(a, b))
  return sorted.slice(0, excess).filter((set) => {
    const seen = (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0)
    return sizeOf(set) === 0 && (set.status?.replicas ?? 0) === 0 && seen
  })
}
