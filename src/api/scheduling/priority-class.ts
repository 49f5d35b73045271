import { type FieldError, forbiddenField, notSupported } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, immutableFaults } from '../field-checks.ts'
import type { PriorityClass } from '../generated/types.ts'

/** Above this only the system's own classes go. */
const highestUserPriority = 1_000_000_000
const systemPrefix = 'system-'
/** The system's own, which its namespaces' pods may name. */
const systemClasses: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2 * highestUserPriority,
  'system-node-critical': 2 * highestUserPriority + 1000,
}
const preemptionPolicies = ['Never', 'PreemptLowerPriority']

function* priorityClassFaults({ metadata, value = 0, globalDefault, preemptionPolicy }: PriorityClass): Faults {
  const name = metadata.name ?? ''
  if (name.startsWith(systemPrefix)) {
    if (systemClasses[name] !== value || globalDefault) {
      yield forbiddenField(
        'metadata.name',
        `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: ${systemFault(name, value, globalDefault)}`,
      )
    }
  } else if (value > highestUserPriority) {
    yield forbiddenField('value', `maximum allowed value of a user defined priority is ${highestUserPriority}`)
  }
  if (preemptionPolicy !== undefined && !preemptionPolicies.includes(preemptionPolicy)) {
    yield notSupported('preemptionPolicy', preemptionPolicy, preemptionPolicies)
  }
}

function systemFault(name: string, value: number, globalDefault: boolean | undefined): string {
  const known = systemClasses[name]
  if (known === undefined) return `${name} is not a known system priority class`
  if (known !== value) return `value of ${name} PriorityClass must be ${known}`
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : ''
}

function* updateFaults(next: PriorityClass, previous: PriorityClass): Faults {
  if (next.value !== previous.value) yield forbiddenField('value', 'may not be changed in an update.')
  yield* immutableFaults('preemptionPolicy', next.preemptionPolicy, previous.preemptionPolicy)
}

export const priorityClasses = defineKind<PriorityClass>({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  namespaced: false,
  shortNames: ['pc'],
  countsGeneration: true,
  // As upstream: it begins to count, and leaves it at that.
  isNewGeneration: () => false,
  columns: [
    nameColumn,
    column('Value', 'integer', 'The priority of its pods.', ({ value }) => value ?? 0),
    column('Global-Default', 'boolean', 'Whether pods that name no class get it.', ({ globalDefault }) => globalDefault ?? false),
    ageColumn,
    column('PreemptionPolicy', 'string', 'Whether its pods drive others away.', ({ preemptionPolicy }) => preemptionPolicy ?? ''),
  ],
  setDefaults: (one) => {
    one.value ??= 0
    one.preemptionPolicy ??= 'PreemptLowerPriority'
  },
  validate: (one): FieldError[] => [...priorityClassFaults(one)],
  validateUpdate: (one, previous): FieldError[] => [...updateFaults(one, previous)],
})
