import type { Namespace, NamespaceCondition } from '../api/generated/types.ts'
import { timestamp } from '../host/clock.ts'

/** What is still in a namespace that is being deleted, for one kind. */
export interface Remaining {
  /** `pods.`, `deployments.apps`: as the message names it. */
  readonly resource: string
  readonly count: number
  /** Finalizers of those that are left, and how many have each. */
  readonly finalizers: ReadonlyMap<string, number>
}

/** The conditions by which `kubectl get namespace -o yaml` tells why a namespace doesn't go. */
export function terminationConditions(
  namespace: Namespace,
  remaining: readonly Remaining[],
  failure: string | undefined,
  nowMs: number,
): NamespaceCondition[] {
  const left = remaining.map(({ resource, count }) => `${resource} has ${count} resource instances`)
  const finalizers = new Map<string, number>()
  for (const one of remaining) for (const [name, count] of one.finalizers) finalizers.set(name, (finalizers.get(name) ?? 0) + count)
  const held = [...finalizers].sort().map(([name, count]) => `${name} in ${count} resource instances`)
  const wanted: Omit<NamespaceCondition, 'lastTransitionTime'>[] = [
    condition('NamespaceDeletionDiscoveryFailure', false, 'ResourcesDiscovered', 'All resources successfully discovered'),
    condition('NamespaceDeletionGroupVersionParsingFailure', false, 'ParsedGroupVersions', 'All legacy kube types successfully parsed'),
    failure === undefined
      ? condition(
          'NamespaceDeletionContentFailure',
          false,
          'ContentDeleted',
          'All content successfully deleted, may be waiting on finalization',
        )
      : condition('NamespaceDeletionContentFailure', true, 'ContentDeletionFailed', failure),
    left.length
      ? condition('NamespaceContentRemaining', true, 'SomeResourcesRemain', `Some resources are remaining: ${left.join(', ')}`)
      : condition('NamespaceContentRemaining', false, 'ContentRemoved', 'All content successfully removed'),
    held.length
      ? condition(
          'NamespaceFinalizersRemaining',
          true,
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${held.join(', ')}`,
        )
      : condition('NamespaceFinalizersRemaining', false, 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'),
  ]
  const before = new Map((namespace.status?.conditions ?? []).map((one) => [one.type, one]))
  return wanted.map((one) => {
    const present = before.get(one.type)
    const same = present?.status === one.status
    const lastTransitionTime = same && present.lastTransitionTime ? present.lastTransitionTime : timestamp(nowMs)
    return { ...one, lastTransitionTime }
  })
}

function condition(type: string, holds: boolean, reason: string, message: string): Omit<NamespaceCondition, 'lastTransitionTime'> {
  return { type, status: holds ? 'True' : 'False', reason, message }
}

/** Of what is there: how many, and what holds them. */
export function remainingOf(resource: string, objects: readonly { metadata: { finalizers?: readonly string[] } }[]): Remaining {
  const finalizers = new Map<string, number>()
  for (const { metadata } of objects) for (const name of metadata.finalizers ?? []) finalizers.set(name, (finalizers.get(name) ?? 0) + 1)
  return { resource, count: objects.length, finalizers }
}
