import type { Pod, PodAffinityTerm } from '../api/generated/types.ts'
import { labelSelectorMatcher } from '../machinery/label-selector.ts'
import type { ClusterView } from './cluster-state.ts'

export type PodMatcher = (candidate: Pod) => boolean

/** Whether a pod is one of those that a term of `owner` speaks of. */
export function termMatcher(term: PodAffinityTerm, owner: Pod, view: Pick<ClusterView, 'namespaceLabels'>): PodMatcher {
  const matchesLabels = labelSelectorMatcher(term.labelSelector)
  const inNamespace = namespaceMatcher(term, owner, view)
  const same = ownValues(owner, term.matchLabelKeys)
  const different = ownValues(owner, term.mismatchLabelKeys)
  return (candidate) => {
    const labels = candidate.metadata.labels ?? {}
    return (
      matchesLabels(labels) &&
      same.every(([key, value]) => labels[key] === value) &&
      different.every(([key, value]) => labels[key] !== value) &&
      inNamespace(candidate.metadata.namespace ?? '')
    )
  }
}

/** The named namespaces and those selected; where the term says neither, the owner's. */
function namespaceMatcher(
  { namespaces = [], namespaceSelector }: PodAffinityTerm,
  owner: Pod,
  view: Pick<ClusterView, 'namespaceLabels'>,
): (namespace: string) => boolean {
  if (namespaces.length === 0 && !namespaceSelector) return (namespace) => namespace === owner.metadata.namespace
  const selected = labelSelectorMatcher(namespaceSelector)
  return (namespace) => namespaces.includes(namespace) || selected(view.namespaceLabels(namespace))
}

/** The labels that the owner has of these keys; those it lacks are left out of account. */
export function ownValues(owner: Pod, keys: readonly string[] | undefined): [string, string][] {
  return (keys ?? []).flatMap((key) => {
    const value = owner.metadata.labels?.[key]
    return value === undefined ? [] : [[key, value] as [string, string]]
  })
}

export const requiredAffinity = (pod: Pod): readonly PodAffinityTerm[] =>
  pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
export const requiredAntiAffinity = (pod: Pod): readonly PodAffinityTerm[] =>
  pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
