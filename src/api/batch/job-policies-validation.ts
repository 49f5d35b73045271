import {
  duplicate,
  type FieldError,
  invalidAsSuch,
  invalidValue,
  notSupported,
  required,
  tooLong,
  tooMany,
} from '../../machinery/field-error.ts'
import { type Faults, nonNegativeFaults, qualifiedNameFaults } from '../field-checks.ts'
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
  SuccessPolicyRule,
} from '../generated/types.ts'
import { countIndexes, IndexesError } from './indexes.ts'

const maxRules = 20
const maxExitCodes = 255
const maxIndexesLength = 64 * 1024
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore']
const statuses = ['False', 'True', 'Unknown']
const operators = ['In', 'NotIn']

/** Go prints a list of choices so. */
const choices = (values: readonly string[]): string => `valid values: [${values.map((value) => JSON.stringify(value)).join(' ')}]`
function* exitCodesFaults(
  path: string,
  { operator, containerName, values = [] }: PodFailurePolicyOnExitCodesRequirement,
  names: readonly string[],
): Faults {
  if (!operator) yield required(`${path}.operator`, choices(operators))
  else if (!operators.includes(operator)) yield notSupported(`${path}.operator`, operator, operators)
  if (containerName !== undefined && !names.includes(containerName)) {
    yield invalidValue(`${path}.containerName`, containerName, 'must be one of the container or initContainer names in the pod template')
  }
  if (values.length === 0) yield invalidValue(`${path}.values`, values, 'at least one value is required')
  else if (values.length > maxExitCodes) yield tooMany(`${path}.values`, values.length, maxExitCodes)
  const seen = new Set<number>()
  for (const [index, code] of values.entries()) {
    if (operator === 'In' && code === 0) yield invalidValue(`${path}.values[${index}]`, code, 'must not be 0 for the In operator')
    if (seen.has(code)) yield duplicate(`${path}.values[${index}]`, code)
    seen.add(code)
  }
  if (values.some((code, index) => index > 0 && (values[index - 1] as number) > code))
    yield invalidValue(`${path}.values`, values, 'must be ordered')
}

function* conditionsFaults(path: string, patterns: readonly PodFailurePolicyOnPodConditionsPattern[]): Faults {
  if (patterns.length > maxRules) yield tooMany(path, patterns.length, maxRules)
  for (const [index, { type, status }] of patterns.entries()) {
    yield* qualifiedNameFaults(`${path}[${index}].type`, type ?? '')
    if (!status) yield required(`${path}[${index}].status`, choices(statuses))
    else if (!statuses.includes(status)) yield notSupported(`${path}[${index}].status`, status, statuses)
  }
}

function* failureRuleFaults(path: string, rule: PodFailurePolicyRule, spec: JobSpec, names: readonly string[]): Faults {
  const { action, onExitCodes, onPodConditions = [] } = rule
  if (!action) yield required(`${path}.action`, choices(actions))
  else if (action === 'FailIndex') {
    if (spec.backoffLimitPerIndex === undefined) yield invalidValue(`${path}.action`, action, 'requires the backoffLimitPerIndex to be set')
  } else if (!actions.includes(action)) yield notSupported(`${path}.action`, action, actions)
  if (onExitCodes) yield* exitCodesFaults(`${path}.onExitCodes`, onExitCodes, names)
  yield* conditionsFaults(`${path}.onPodConditions`, onPodConditions)
  if (onExitCodes && onPodConditions.length > 0)
    yield invalidAsSuch(path, 'specifying both OnExitCodes and OnPodConditions is not supported')
  if (!onExitCodes && onPodConditions.length === 0)
    yield invalidAsSuch(path, 'specifying one of OnExitCodes and OnPodConditions is required')
}

/** What becomes of the job when a pod fails. */
export function* failurePolicyFaults(path: string, spec: JobSpec): Faults {
  const rules = spec.podFailurePolicy?.rules ?? []
  if (rules.length > maxRules) yield tooMany(`${path}.rules`, rules.length, maxRules)
  const { containers = [], initContainers = [] } = spec.template?.spec ?? { containers: [] }
  const names = [...containers, ...initContainers].map(({ name }) => name)
  for (const [index, rule] of rules.entries()) yield* failureRuleFaults(`${path}.rules[${index}]`, rule, spec, names)
}

function* successRuleFaults(
  path: string,
  { succeededCount: count, succeededIndexes: indexes }: SuccessPolicyRule,
  completions: number,
): Faults {
  if (count === undefined && indexes === undefined)
    yield required(path, 'at least one of succeededCount or succeededIndexes must be specified')
  let total = 0
  if (indexes !== undefined) {
    if (indexes.length > maxIndexesLength) yield tooLong(`${path}.succeededIndexes`, maxIndexesLength)
    try {
      total = countIndexes(indexes, completions)
    } catch (error) {
      if (!(error instanceof IndexesError)) throw error
      yield invalidValue(`${path}.succeededIndexes`, indexes, `error parsing succeededIndexes: ${error.message}`)
    }
  }
  if (count === undefined) return
  yield* nonNegativeFaults(`${path}.succeededCount`, count)
  const atMost = (most: number, what: string): FieldError =>
    invalidValue(`${path}.succeededCount`, count, `must be less than or equal to ${most} (the number of ${what})`)
  if (count > completions) yield atMost(completions, 'specified completions')
  if (indexes !== undefined && count > total) yield atMost(total, 'indexes in the specified succeededIndexes field')
}

/** When an indexed job is done before all of its indexes are. */
export function* successPolicyFaults(path: string, { successPolicy, completionMode, completions = 0 }: JobSpec): Faults {
  if (!successPolicy) return
  if (completionMode !== 'Indexed') return yield invalidValue(path, successPolicy, 'requires indexed completion mode')
  const { rules = [] } = successPolicy
  if (rules.length === 0) yield required(`${path}.rules`, 'at least one rules must be specified when the successPolicy is specified')
  if (rules.length > maxRules) yield tooMany(`${path}.rules`, rules.length, maxRules)
  for (const [index, rule] of rules.entries()) yield* successRuleFaults(`${path}.rules[${index}]`, rule, completions)
}
