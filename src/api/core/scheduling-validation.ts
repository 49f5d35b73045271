import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import {
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  labelSelectorFaults,
  labelValueFaults,
  labelValueMessages,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type {
  Affinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from '../generated/types.ts'

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

export function* taintEffectFaults(path: string, effect: string): Faults {
  if (!effect) yield required(path)
  else if (!effects.includes(effect)) yield notSupported(path, effect, effects)
}

function* tolerationFaults(path: string, { key, operator, value = '', effect, tolerationSeconds }: Toleration): Faults {
  if (key) yield* qualifiedNameFaults(`${path}.key`, key)
  else if (operator !== 'Exists') {
    const why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
    yield invalidValue(`${path}.operator`, operator ?? '', why)
  }
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
    yield invalidValue(`${path}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set")
  }
  if (!operator || operator === 'Equal') {
    const messages = labelValueMessages(value)
    if (messages.length > 0) yield invalidValue(`${path}.operator`, value, messages.join(';'))
  } else if (operator === 'Exists') {
    if (value) yield invalidValue(`${path}.operator`, value, "value must be empty when `operator` is 'Exists'")
  } else yield notSupported(`${path}.operator`, operator, ['Equal', 'Exists'])
  if (effect) yield* taintEffectFaults(`${path}.effect`, effect)
}

export function* tolerationsFaults(path: string, tolerations: readonly Toleration[]): Faults {
  for (const [index, toleration] of tolerations.entries()) yield* tolerationFaults(`${path}[${index}]`, toleration)
}

function* nodeExpressionFaults(path: string, { key, operator, values = [] }: NodeSelectorRequirement): Faults {
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) yield required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      yield forbiddenField(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    }
  } else if (operator === 'Gt' || operator === 'Lt') {
    if (values.length !== 1) yield required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'")
  } else yield invalidValue(`${path}.operator`, operator ?? '', 'not a valid selector operator')
  yield* qualifiedNameFaults(`${path}.key`, key ?? '')
  for (const [index, value] of values.entries()) yield* labelValueFaults(`${path}.values[${index}]`, value)
}

/** Fields of a node can be asked for by name only, one value each. */
function* nodeFieldFaults(path: string, { key, operator, values = [] }: NodeSelectorRequirement): Faults {
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length !== 1)
      yield required(`${path}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector")
  } else yield invalidValue(`${path}.operator`, operator ?? '', 'not a valid selector operator')
  if (key !== 'metadata.name') yield invalidValue(`${path}.key`, key ?? '', 'not a valid field selector key')
  else for (const [index, value] of values.entries()) yield* dnsSubdomainFaults(`${path}.values[${index}]`, value)
}

function* nodeTermFaults(path: string, { matchExpressions = [], matchFields = [] }: NodeSelectorTerm): Faults {
  for (const [index, one] of matchExpressions.entries()) yield* nodeExpressionFaults(`${path}.matchExpressions[${index}]`, one)
  for (const [index, one] of matchFields.entries()) yield* nodeFieldFaults(`${path}.matchFields[${index}]`, one)
}

function* weightFaults(path: string, weight: number): Faults {
  if (!(weight >= 1 && weight <= 100)) yield invalidValue(path, weight, 'must be in the range 1-100')
}

function* nodeAffinityFaults(path: string, { nodeAffinity }: Affinity): Faults {
  const wanted = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (wanted) {
    const at = `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`
    const terms = wanted.nodeSelectorTerms ?? []
    if (terms.length === 0) yield required(at, 'must have at least one node selector term')
    for (const [index, term] of terms.entries()) yield* nodeTermFaults(`${at}[${index}]`, term)
  }
  for (const [index, term] of (nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`
    yield* weightFaults(`${at}.weight`, term.weight)
    yield* nodeTermFaults(`${at}.preference`, term.preference ?? {})
  }
}

function* podTermFaults(path: string, term: PodAffinityTerm): Faults {
  yield* labelSelectorFaults(`${path}.labelSelector`, term.labelSelector)
  yield* labelSelectorFaults(`${path}.namespaceSelector`, term.namespaceSelector)
  for (const name of term.namespaces ?? []) yield* dnsLabelFaults(`${path}.namespace`, name)
  if (!term.topologyKey) yield required(`${path}.topologyKey`, 'can not be empty')
  yield* qualifiedNameFaults(`${path}.topologyKey`, term.topologyKey ?? '')
}

function* podAffinityFaults(path: string, affinity: PodAffinity | undefined): Faults {
  for (const [index, term] of (affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    yield* podTermFaults(`${path}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`, term)
  }
  for (const [index, { weight, podAffinityTerm }] of (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`
    yield* weightFaults(`${at}.weight`, weight)
    yield* podTermFaults(`${at}.podAffinityTerm`, podAffinityTerm ?? { topologyKey: '' })
  }
}

export function* affinityFaults(path: string, affinity: Affinity): Faults {
  yield* nodeAffinityFaults(`${path}.nodeAffinity`, affinity)
  yield* podAffinityFaults(`${path}.podAffinity`, affinity.podAffinity)
  yield* podAffinityFaults(`${path}.podAntiAffinity`, affinity.podAntiAffinity)
}

const whenUnsatisfiable = ['DoNotSchedule', 'ScheduleAnyway']
const inclusionPolicies = ['Honor', 'Ignore']

function* spreadConstraintFaults(path: string, constraint: TopologySpreadConstraint): Faults {
  const { maxSkew, minDomains, topologyKey, whenUnsatisfiable: action } = constraint
  if (!(maxSkew > 0)) yield invalidValue(`${path}.maxSkew`, maxSkew ?? 0, 'must be greater than zero')
  if (!topologyKey) yield required(`${path}.topologyKey`, 'can not be empty')
  else yield* qualifiedNameFaults(`${path}.topologyKey`, topologyKey)
  if (!whenUnsatisfiable.includes(action)) yield notSupported(`${path}.whenUnsatisfiable`, action ?? '', whenUnsatisfiable)
  if (minDomains !== undefined) {
    if (minDomains <= 0) yield invalidValue(`${path}.minDomains`, minDomains, 'must be greater than zero')
    if (action !== 'DoNotSchedule') {
      const why = 'can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway'
      yield invalidValue(`${path}.minDomains`, minDomains, why)
    }
  }
  for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
    const policy = constraint[field]
    if (policy !== undefined && !inclusionPolicies.includes(policy)) yield notSupported(`${path}.${field}`, policy, inclusionPolicies)
  }
  for (const [index, key] of (constraint.matchLabelKeys ?? []).entries()) {
    yield* qualifiedNameFaults(`${path}.matchLabelKeys[${index}]`, key)
  }
  yield* labelSelectorFaults(`${path}.labelSelector`, constraint.labelSelector)
}

export function* topologySpreadFaults(path: string, constraints: readonly TopologySpreadConstraint[]): Faults {
  const seen = new Set<string>()
  for (const [index, constraint] of constraints.entries()) {
    yield* spreadConstraintFaults(`${path}[${index}]`, constraint)
    const pair = `{${constraint.topologyKey}, ${constraint.whenUnsatisfiable}}`
    if (seen.has(pair)) yield duplicate(`${path}[${index}].{topologyKey, whenUnsatisfiable}`, pair)
    seen.add(pair)
  }
}
