import type { FieldError } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { tolerationsFaults } from '../core/scheduling-validation.ts'
import { defineKind } from '../define-kind.ts'
import { dnsLabelFaults, type Faults, immutableFaults, labelsFaults } from '../field-checks.ts'
import type { RuntimeClass } from '../generated/types.ts'

function* runtimeClassFaults({ handler, scheduling }: RuntimeClass): Faults {
  yield* dnsLabelFaults('handler', handler ?? '')
  if (!scheduling) return
  yield* labelsFaults('scheduling.nodeSelector', scheduling.nodeSelector)
  yield* tolerationsFaults('scheduling.tolerations', scheduling.tolerations ?? [])
}

export const runtimeClasses = defineKind<RuntimeClass>({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  namespaced: false,
  columns: [nameColumn, column('Handler', 'string', 'What the container runtime calls it.', ({ handler }) => handler ?? ''), ageColumn],
  validate: (one): FieldError[] => [...runtimeClassFaults(one)],
  validateUpdate: (one, previous) => [...immutableFaults('handler', one.handler, previous.handler)],
})
