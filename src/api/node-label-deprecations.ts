import { labelValueFaults } from '../machinery/names.ts'
import type { LabelSelector, NodeSelectorTerm } from './generated/types.ts'

/** Labels of nodes that have gone, or have another name by now. */
const deprecations: ReadonlyMap<string, string> = new Map([
  ['beta.kubernetes.io/arch', 'deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ['beta.kubernetes.io/os', 'deprecated since v1.14; use "kubernetes.io/os" instead'],
  ['failure-domain.beta.kubernetes.io/region', 'deprecated since v1.17; use "topology.kubernetes.io/region" instead'],
  ['failure-domain.beta.kubernetes.io/zone', 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'],
  ['beta.kubernetes.io/instance-type', 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'],
  ['app.kubernetes.io/created-by', 'deprecated since v1.9'],
  ['scheduler.alpha.kubernetes.io/preferAvoidPods', 'deprecated since v1.22; use Taints and Tolerations instead'],
  ['node-role.kubernetes.io/master', 'use "node-role.kubernetes.io/control-plane" instead'],
])

export const nodeLabelDeprecation = (label: string): string | undefined => deprecations.get(label)

interface Expression {
  readonly key: string
  readonly values?: readonly string[]
}

function* keyWarnings(path: string, expressions: readonly Expression[] = []): Iterable<string> {
  for (const [index, { key }] of expressions.entries()) {
    const message = nodeLabelDeprecation(key)
    if (message) yield `${path}.matchExpressions[${index}].key: ${key} is ${message}`
  }
}

/** `anyValue`: values that no label can have are refused where they are required, and told of where they are preferred. */
export function* nodeTermWarnings(
  path: string,
  { matchExpressions = [] }: NodeSelectorTerm,
  { anyValue }: { anyValue: boolean },
): Iterable<string> {
  yield* keyWarnings(path, matchExpressions)
  if (!anyValue) return
  for (const [index, { values = [] }] of matchExpressions.entries()) {
    for (const [position, value] of values.entries()) {
      for (const message of labelValueFaults(value))
        yield `${path}.matchExpressions[${index}].values[${position}]: ${value} is invalid, ${message}`
    }
  }
}

export function* nodeSelectorWarnings(path: string, selector: LabelSelector | undefined): Iterable<string> {
  yield* keyWarnings(path, selector?.matchExpressions)
  for (const label of Object.keys(selector?.matchLabels ?? {})) {
    const message = nodeLabelDeprecation(label)
    if (message) yield `${path}.matchLabels.${label}: ${message}`
  }
}
