import type { KubeObject, OwnerReference } from '../machinery/object.ts'

export const orphanFinalizer = 'orphan'
export const foregroundFinalizer = 'foregroundDeletion'

/** What is known of an owner that an object names. */
export type OwnerState =
  | { readonly owner: OwnerReference; readonly state: 'absent' }
  /** It waits, in foreground deletion, for what it owns to go first. */
  | { readonly owner: OwnerReference; readonly state: 'waiting' }
  | { readonly owner: OwnerReference; readonly state: 'present' }

export type DependentStep =
  | { readonly do: 'nothing' }
  | { readonly do: 'delete'; readonly propagationPolicy: 'Orphan' | 'Background' | 'Foreground' }
  /** It has owners left: only the references to the others go. */
  | { readonly do: 'drop-owners'; readonly uids: readonly string[] }

const isGoing = (object: KubeObject): boolean => object.metadata.deletionTimestamp !== undefined
const has = (object: KubeObject, finalizer: string): boolean => object.metadata.finalizers?.includes(finalizer) ?? false

/** It asked for its dependents to go first, and waits for them. */
export function waitsForDependents(object: KubeObject): boolean {
  return isGoing(object) && has(object, foregroundFinalizer)
}

/** It asked for its dependents to be let go. */
export function orphansDependents(object: KubeObject): boolean {
  return isGoing(object) && has(object, orphanFinalizer)
}

/** What becomes of an object because of its owners. `hasDependents`: something names it as owner in turn. */
export function stepForDependent(object: KubeObject, owners: readonly OwnerState[], hasDependents: boolean): DependentStep {
  if (owners.length === 0 || isGoing(object)) return { do: 'nothing' }
  const gone = owners.filter((one) => one.state !== 'present')
  if (gone.length === 0) return { do: 'nothing' }
  if (gone.length < owners.length) return { do: 'drop-owners', uids: gone.map((one) => one.owner.uid) }
  if (gone.some((one) => one.state === 'waiting') && hasDependents) return { do: 'delete', propagationPolicy: 'Foreground' }
  if (has(object, orphanFinalizer)) return { do: 'delete', propagationPolicy: 'Orphan' }
  if (has(object, foregroundFinalizer)) return { do: 'delete', propagationPolicy: 'Foreground' }
  return { do: 'delete', propagationPolicy: 'Background' }
}

/** True: this dependent holds its owner's foreground deletion up. */
export function blocks(dependent: KubeObject, owner: KubeObject): boolean {
  return (dependent.metadata.ownerReferences ?? []).some((one) => one.uid === owner.metadata.uid && one.blockOwnerDeletion === true)
}
