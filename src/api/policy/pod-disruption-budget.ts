import { type FieldError, invalidValue, notSupported } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { conditionsFaults } from '../condition-validation.ts'
import { countFaults, notMoreThanAllFaults } from '../count-validation.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, labelSelectorFaults, nonNegativeFaults } from '../field-checks.ts'
import type { PodDisruptionBudget } from '../generated/types.ts'

const evictionPolicies = ['AlwaysAllow', 'IfHealthyBudget']
const notSet = 'N/A'

function* budgetFaults({ spec = {} }: PodDisruptionBudget): Faults {
  const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = spec
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    yield invalidValue('spec', spec, 'minAvailable and maxUnavailable cannot be both set')
  }
  for (const [path, value] of Object.entries({ 'spec.minAvailable': minAvailable, 'spec.maxUnavailable': maxUnavailable })) {
    yield* countFaults(path, value)
    yield* notMoreThanAllFaults(path, value)
  }
  yield* labelSelectorFaults('spec.selector', spec.selector)
  if (policy !== undefined && !evictionPolicies.includes(policy)) {
    yield notSupported('spec.unhealthyPodEvictionPolicy', policy, evictionPolicies)
  }
}

function* statusFaults({ status }: PodDisruptionBudget): Faults {
  yield* conditionsFaults('status.conditions', status?.conditions)
  for (const field of ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const) {
    yield* nonNegativeFaults(`status.${field}`, status?.[field])
  }
}

export const podDisruptionBudgets = defineKind<PodDisruptionBudget>({
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  namespaced: true,
  shortNames: ['pdb'],
  hasStatus: true,
  newStatus: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 },
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Min Available', 'string', 'Pods that must stay.', ({ spec }) => String(spec?.minAvailable ?? notSet)),
    column('Max Unavailable', 'string', 'Pods that may be missing.', ({ spec }) => String(spec?.maxUnavailable ?? notSet)),
    column('Allowed Disruptions', 'integer', 'Pods that may be evicted now.', ({ status }) => status?.disruptionsAllowed ?? 0),
    ageColumn,
  ],
  setDefaults: (budget) => {
    budget.spec ??= {}
  },
  validate: (budget): FieldError[] => [...budgetFaults(budget)],
  validateStatusUpdate: (budget): FieldError[] => [...statusFaults(budget)],
})
