import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import {
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  labelSelectorFaults,
  labelValueFaults,
  labelValueMessages,
  optionalChoiceFaults,
  positiveFaults,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type {
  Affinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from '../generated/types.ts'

const decimalInteger = 'must be a valid decimal integer in canonical form'
const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

export function* taintEffectFaults(path: string, effect: string): Faults {
  if (!effect) yield required(path)
  else if (!effects.includes(effect)) yield notSupported(path, effect, effects)
}

/** What a taint's value is compared with: a 64-bit integer. */
function* integerFaults(path: string, value: string): Faults {
  if (!/^(0|-?[1-9]\d*)$/.test(value)) yield invalidValue(path, value, decimalInteger)
  const quoted = JSON.stringify(value)
  if (!/^[-+]?\d+$/.test(value)) yield invalidValue(path, value, `strconv.ParseInt: parsing ${quoted}: invalid syntax`)
  else if (BigInt.asIntN(64, BigInt(value)) !== BigInt(value)) {
    yield invalidValue(path, value, `strconv.ParseInt: parsing ${quoted}: value out of range`)
  }
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
  } else if (operator === 'Lt' || operator === 'Gt') yield* integerFaults(`${path}.value`, value)
  else yield notSupported(`${path}.operator`, operator, ['Equal', 'Exists'])
  if (effect) yield* taintEffectFaults(`${path}.effect`, effect)
}

export function* tolerationsFaults(path: string, tolerations: readonly Toleration[]): Faults {
  for (const [index, toleration] of tolerations.entries()) yield* tolerationFaults(`${path}[${index}]`, toleration)
}

function* nodeExpressionFaults(
  path: string,
  { key, operator, values = [] }: NodeSelectorRequirement,
  { anyValue }: { anyValue: boolean },
): Faults {
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
  if (!anyValue) for (const [index, value] of values.entries()) yield* labelValueFaults(`${path}.values[${index}]`, value)
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

/** `anyValue`: a preference may be for what no label can be. */
function* nodeTermFaults(path: string, { matchExpressions = [], matchFields = [] }: NodeSelectorTerm, anyValue = false): Faults {
  for (const [index, one] of matchExpressions.entries())
    yield* nodeExpressionFaults(`${path}.matchExpressions[${index}]`, one, { anyValue })
  for (const [index, one] of matchFields.entries()) yield* nodeFieldFaults(`${path}.matchFields[${index}]`, one)
}

function* weightFaults(path: string, weight: number): Faults {
  if (!(weight >= 1 && weight <= 100)) yield invalidValue(path, weight, 'must be in the range 1-100')
}

/** Also of the nodes from which a volume can be reached. */
export function* nodeSelectorFaults(path: string, { nodeSelectorTerms: terms = [] }: Partial<NodeSelector>): Faults {
  const at = `${path}.nodeSelectorTerms`
  if (terms.length === 0) yield required(at, 'must have at least one node selector term')
  for (const [index, term] of terms.entries()) yield* nodeTermFaults(`${at}[${index}]`, term)
}

function* nodeAffinityFaults(path: string, { nodeAffinity }: Affinity): Faults {
  const wanted = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (wanted) yield* nodeSelectorFaults(`${path}.requiredDuringSchedulingIgnoredDuringExecution`, wanted)
  for (const [index, term] of (nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`
    yield* weightFaults(`${at}.weight`, term.weight)
    yield* nodeTermFaults(`${at}.preference`, term.preference ?? {}, true)
  }
}

/**
 * Keys whose values at the pod become part of the selector when the pod is made: a key that stands there already, before
 * the requirement that comes of it, is one too many.
 */
function* labelKeysFaults(
  path: string,
  {
    labelSelector: selector,
    matchLabelKeys = [],
    mismatchLabelKeys = [],
  }: Pick<PodAffinityTerm, 'labelSelector' | 'matchLabelKeys' | 'mismatchLabelKeys'>,
): Faults {
  for (const [field, keys] of Object.entries({ matchLabelKeys, mismatchLabelKeys })) {
    if (keys.length === 0) continue
    if (!selector) yield forbiddenField(`${path}.${field}`, 'must not be specified when labelSelector is not set')
    else for (const [index, key] of keys.entries()) yield* qualifiedNameFaults(`${path}.${field}[${index}]`, key)
  }
  const seen = new Set(Object.keys(selector?.matchLabels ?? {}))
  for (const { key } of selector?.matchExpressions ?? []) {
    const index = matchLabelKeys.lastIndexOf(key)
    if (index >= 0 && seen.has(key)) yield invalidValue(`${path}[${index}]`, key, 'exists in both matchLabelKeys and labelSelector')
    seen.add(key)
  }
  for (const [index, key] of matchLabelKeys.entries()) {
    if (!mismatchLabelKeys.includes(key)) continue
    yield invalidValue(`${path}.matchLabelKeys[${index}]`, key, 'exists in both matchLabelKeys and mismatchLabelKeys')
  }
}

function* podTermFaults(path: string, term: PodAffinityTerm): Faults {
  yield* labelSelectorFaults(`${path}.labelSelector`, term.labelSelector)
  yield* labelSelectorFaults(`${path}.namespaceSelector`, term.namespaceSelector)
  for (const name of term.namespaces ?? []) yield* dnsLabelFaults(`${path}.namespace`, name)
  yield* labelKeysFaults(path, term)
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

function* minDomainsFaults(path: string, { minDomains, whenUnsatisfiable: action }: TopologySpreadConstraint): Faults {
  if (minDomains === undefined) return
  yield* positiveFaults(path, minDomains)
  if (action === 'DoNotSchedule') return
  yield invalidValue(path, minDomains, `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${action}`)
}

function* spreadConstraintFaults(path: string, constraint: TopologySpreadConstraint, later: readonly TopologySpreadConstraint[]): Faults {
  const { maxSkew, topologyKey, whenUnsatisfiable: action } = constraint
  yield* positiveFaults(`${path}.maxSkew`, maxSkew ?? 0)
  if (!topologyKey) yield required(`${path}.topologyKey`, 'can not be empty')
  if (!whenUnsatisfiable.includes(action)) yield notSupported(`${path}.whenUnsatisfiable`, action ?? '', whenUnsatisfiable)
  if (later.some((one) => one.topologyKey === topologyKey && one.whenUnsatisfiable === action)) {
    yield duplicate(`${path}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey}, ${action}}`)
  }
  yield* minDomainsFaults(`${path}.minDomains`, constraint)
  for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
    yield* optionalChoiceFaults(`${path}.${field}`, constraint[field], inclusionPolicies)
  }
  yield* labelKeysFaults(path, constraint)
  yield* labelSelectorFaults(`${path}.labelSelector`, constraint.labelSelector)
}

export function* topologySpreadFaults(path: string, constraints: readonly TopologySpreadConstraint[]): Faults {
  for (const [index, constraint] of constraints.entries()) {
    yield* spreadConstraintFaults(`${path}[${index}]`, constraint, constraints.slice(index + 1))
  }
}
