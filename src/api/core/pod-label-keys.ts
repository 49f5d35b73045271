import type { LabelSelector, Pod, PodAffinity, PodAffinityTerm } from '../generated/types.ts'

type Labels = Readonly<Record<string, string>>

function addRequirements(selector: LabelSelector, keys: readonly string[] = [], operator: 'In' | 'NotIn', labels: Labels): void {
  const asked = keys.flatMap((key) => (labels[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }]))
  if (asked.length > 0) selector.matchExpressions = [...(selector.matchExpressions ?? []), ...asked]
}

function termsOf(affinity: PodAffinity | undefined): PodAffinityTerm[] {
  const preferred = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
  return [...preferred.map((term) => term.podAffinityTerm), ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [])]
}

/**
 * Selectors of a new pod that ask for pods with the same (or another) value of a label get that value: from then on they
 * say by themselves which pods they mean. A term without a selector means none, with whatever keys.
 */
export function mergeLabelKeys({ metadata, spec }: Pod): void {
  const labels = metadata.labels ?? {}
  for (const term of [...termsOf(spec.affinity?.podAffinity), ...termsOf(spec.affinity?.podAntiAffinity)]) {
    if (!term?.labelSelector) continue
    addRequirements(term.labelSelector, term.matchLabelKeys, 'In', labels)
    addRequirements(term.labelSelector, term.mismatchLabelKeys, 'NotIn', labels)
  }
  for (const { labelSelector, matchLabelKeys } of spec.topologySpreadConstraints ?? []) {
    if (labelSelector) addRequirements(labelSelector, matchLabelKeys, 'In', labels)
  }
}
