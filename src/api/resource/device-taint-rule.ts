import { type FieldError, notSupported, required } from '../../machinery/field-error.ts'
import { ageColumn, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, qualifiedNameFaults } from '../field-checks.ts'
import type { DeviceTaintRule, DeviceTaintRuleSpec } from '../generated/types.ts'

const effects = ['NoExecute', 'NoSchedule', 'None']

function* ruleFaults({ spec }: DeviceTaintRule): Faults {
  const { key, effect } = spec.taint ?? {}
  if (!key) yield required('spec.taint.key')
  else yield* qualifiedNameFaults('spec.taint.key', key)
  if (!effect) yield required('spec.taint.effect')
  else if (!effects.includes(effect)) yield notSupported('spec.taint.effect', effect, effects)
}

export const deviceTaintRules = defineKind<DeviceTaintRule>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceTaintRule',
  plural: 'devicetaintrules',
  namespaced: false,
  hasStatus: true,
  countsGeneration: true,
  columns: [nameColumn, ageColumn],
  setDefaults: (rule) => {
    rule.spec ??= {} as DeviceTaintRuleSpec
  },
  validate: (rule): FieldError[] => [...ruleFaults(rule)],
})
