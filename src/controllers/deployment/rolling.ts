import type { Deployment, ReplicaSet } from '../../api/generated/types.ts'
import { scaledValue } from '../../machinery/int-or-string.ts'
import { desiredAnnotation, maxAnnotation } from './annotations.ts'
import { byAge } from './template-hash.ts'

/** New sizes of ReplicaSets, by uid. Those not in it stay as they are. */
export type Sizes = ReadonlyMap<string, number>

export const sizeOf = (set: ReplicaSet): number => set.spec.replicas ?? 0
export const wantedOf = (deployment: Deployment): number => deployment.spec.replicas ?? 1
const availableOf = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0
export const sum = (sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number): number => sets.reduce((total, set) => total + of(set), 0)
export const isRolling = (deployment: Deployment): boolean => (deployment.spec.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate'

/** How many pods may be there beyond the wanted ones, and how many may be missing, while rolling. Never both 0. */
export function limitsOf(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  if (!isRolling(deployment)) return { maxSurge: 0, maxUnavailable: 0 }
  const wanted = wantedOf(deployment)
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {}
  const surge = scaledValue(maxSurge, wanted, 'up')
  const unavailable = scaledValue(maxUnavailable, wanted, 'down')
  return { maxSurge: surge, maxUnavailable: Math.min(surge === 0 && unavailable === 0 ? 1 : unavailable, wanted) }
}

export const maxSizeOf = (deployment: Deployment): number => wantedOf(deployment) + limitsOf(deployment).maxSurge

/** The size that the new ReplicaSet may have next, `others` being all the old ones. */
export function nextNewSize(deployment: Deployment, newSize: number, others: readonly ReplicaSet[]): number {
  const wanted = wantedOf(deployment)
  if (!isRolling(deployment) || newSize > wanted) return wanted
  const room = maxSizeOf(deployment) - newSize - sum(others, sizeOf)
  return room <= 0 ? newSize : newSize + Math.min(room, wanted - newSize)
}

/**
 * Takes old pods away while enough stay available: first those that aren't healthy anyway (they serve nobody), then,
 * oldest set first, as many as the available ones allow.
 */
export function shrinkOld(deployment: Deployment, newSet: ReplicaSet, old: readonly ReplicaSet[]): Sizes {
  const sizes = new Map<string, number>()
  const everyone = [...old, newSet]
  const minAvailable = wantedOf(deployment) - limitsOf(deployment).maxUnavailable
  const newUnavailable = sizeOf(newSet) - availableOf(newSet)
  const removable = sum(everyone, sizeOf) - minAvailable - newUnavailable
  if (sum(old, sizeOf) === 0 || removable <= 0) return sizes
  const sorted = [...old].sort(byAge)
  let removed = 0
  for (const set of sorted) {
    const unhealthy = Math.min(removable - removed, sizeOf(set) - availableOf(set))
    if (unhealthy <= 0) continue
    removed += unhealthy
    sizes.set(set.metadata.uid, sizeOf(set) - unhealthy)
  }
  let spare = sum(everyone, availableOf) - minAvailable
  for (const set of sorted) {
    const size = sizes.get(set.metadata.uid) ?? sizeOf(set)
    const taken = Math.min(size, spare)
    if (taken <= 0) continue
    spare -= taken
    sizes.set(set.metadata.uid, size - taken)
  }
  return sizes
}

/** Spreads a change of the wanted number over all sets that have pods, in proportion to their sizes, so that a rollout under way goes on as it was. */
export function scaleInProportion(deployment: Deployment, active: readonly ReplicaSet[]): Sizes {
  const allowed = wantedOf(deployment) > 0 ? maxSizeOf(deployment) : 0
  const toAdd = allowed - sum(active, sizeOf)
  const newestLast = (a: ReplicaSet, b: ReplicaSet): number => byAge(a, b)
  const sorted = [...active].sort((a, b) => sizeOf(b) - sizeOf(a) || (toAdd > 0 ? newestLast(b, a) : newestLast(a, b)))
  const sizes = new Map<string, number>()
  let added = 0
  for (const set of sorted) {
    const share = toAdd === 0 ? 0 : proportion(deployment, set, toAdd, added)
    added += share
    sizes.set(set.metadata.uid, sizeOf(set) + share)
  }
  const largest = sorted[0]
  if (largest && toAdd !== 0) {
    const size = (sizes.get(largest.metadata.uid) ?? 0) + toAdd - added
    sizes.set(largest.metadata.uid, Math.max(0, size))
  }
  return sizes
}

function proportion(deployment: Deployment, set: ReplicaSet, toAdd: number, added: number): number {
  const size = sizeOf(set)
  if (size === 0 || toAdd === added) return 0
  const left = toAdd - added
  const share = fraction(deployment, set)
  return toAdd > 0 ? Math.min(share, left) : Math.max(share, left)
}

/** How much this set alone would change for its share of the Deployment to stay the same. */
function fraction(deployment: Deployment, set: ReplicaSet): number {
  const size = sizeOf(set)
  if (wantedOf(deployment) === 0) return -size
  const before = Number(set.metadata.annotations?.[maxAnnotation]) || deployment.status?.replicas || 0
  return before === 0 ? 0 : Math.round((size * maxSizeOf(deployment)) / before) - size
}

/** The wanted number has changed since the sets were last sized. */
export function isScaling(deployment: Deployment, active: readonly ReplicaSet[]): boolean {
  return active.some((set) => {
    const desired = set.metadata.annotations?.[desiredAnnotation]
    return desired !== undefined && Number(desired) !== wantedOf(deployment)
  })
}

/** All wanted pods belong to the new set and are available. */
export function isSaturated(deployment: Deployment, newSet: ReplicaSet | undefined): boolean {
  const wanted = wantedOf(deployment)
  return (
    newSet !== undefined &&
    sizeOf(newSet) === wanted &&
    Number(newSet.metadata.annotations?.[desiredAnnotation]) === wanted &&
    availableOf(newSet) === wanted
  )
}
