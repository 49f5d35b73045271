import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../api/generated/types.ts'
import { matchesLabels, type Requirement } from '../machinery/label-selector.ts'

const operators: Readonly<Record<string, Requirement['operator']>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!exists',
  Gt: 'gt',
  Lt: 'lt',
}

/** Requirements that cannot be read (an unknown operator, Gt of no number) match nothing. */
function holds({ key, operator, values = [] }: NodeSelectorRequirement, labels: Readonly<Record<string, string>>): boolean {
  const known = operators[operator]
  if (!known) return false
  if ((known === 'gt' || known === 'lt') && !/^[-+]?\d+$/.test(values[0] ?? '')) return false
  return matchesLabels([{ key, operator: known, values }], labels)
}

/** A term without conditions matches no node. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term
  if (matchExpressions.length + matchFields.length === 0) return false
  const labels = node.metadata.labels ?? {}
  const fields = { 'metadata.name': node.metadata.name }
  return matchExpressions.every((each) => holds(each, labels)) && matchFields.every((each) => holds(each, fields))
}

/** The pod's nodeSelector and its required node affinity. */
export function matchesNodeAffinity(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {}
  if (!Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return !required || (required.nodeSelectorTerms ?? []).some((term) => matchesTerm(term, node))
}
