import { duplicate, invalidValue, notSupported, required, tooLong } from '../machinery/field-error.ts'
import { type Faults, qualifiedNameFaults } from './field-checks.ts'
import type { Condition } from './generated/types.ts'

const statuses = ['False', 'True', 'Unknown']
const maxReasonLength = 1024
const maxMessageLength = 32 * 1024
const reasonShape = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?'
const reasonRule = `a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '${reasonShape}')`

function* conditionFaults(path: string, condition: Partial<Condition>): Faults {
  const { type, status, observedGeneration = 0, lastTransitionTime, reason, message = '' } = condition
  if (!type) yield required(`${path}.type`, 'is required')
  else yield* qualifiedNameFaults(`${path}.type`, type)
  if (!status) yield required(`${path}.status`)
  else if (!statuses.includes(status)) yield notSupported(`${path}.status`, status, statuses)
  if (observedGeneration < 0) yield invalidValue(`${path}.observedGeneration`, observedGeneration, 'must be greater than or equal to zero')
  if (!lastTransitionTime) yield required(`${path}.lastTransitionTime`)
  if (!reason) yield required(`${path}.reason`)
  else if (!new RegExp(`^${reasonShape}$`).test(reason)) yield invalidValue(`${path}.reason`, reason, reasonRule)
  if ((reason ?? '').length > maxReasonLength) yield tooLong(`${path}.reason`, maxReasonLength)
  if (message.length > maxMessageLength) yield tooLong(`${path}.message`, maxMessageLength)
}

/** Conditions of the newer form, each with a reason. */
export function* conditionsFaults(path: string, conditions: readonly Condition[] = []): Faults {
  const seen = new Set<string>()
  for (const [index, condition] of conditions.entries()) {
    if (seen.has(condition.type)) yield duplicate(`${path}[${index}].type`, condition.type)
    seen.add(condition.type)
    yield* conditionFaults(`${path}[${index}]`, condition)
  }
}
