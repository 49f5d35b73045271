import { duplicate, type FieldError } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { resourceFaults } from '../core/resource-validation.ts'
import { tolerationsFaults } from '../core/scheduling-validation.ts'
import { defineKind } from '../define-kind.ts'
import { dnsLabelFaults, type Faults, immutableFaults, labelsFaults } from '../field-checks.ts'
import type { RuntimeClass, Toleration } from '../generated/types.ts'
import { nodeLabelDeprecation } from '../node-label-deprecations.ts'

function* runtimeClassFaults({ handler, overhead, scheduling }: RuntimeClass): Faults {
  yield* dnsLabelFaults('handler', handler ?? '')
  if (overhead) yield* resourceFaults('overhead', { limits: overhead.podFixed ?? {} }, [])
  if (!scheduling) return
  yield* labelsFaults('scheduling.nodeSelector', scheduling.nodeSelector)
  const tolerations = scheduling.tolerations ?? []
  yield* tolerationsFaults('scheduling.tolerations.tolerations', tolerations)
  const seen = new Set<string>()
  for (const [index, one] of tolerations.entries()) {
    const text = JSON.stringify([one.key, one.operator, one.value, one.effect])
    if (seen.has(text)) yield duplicate(`scheduling.tolerations[${index}]`, tolerationAsGo(one))
    seen.add(text)
  }
}

/** As upstream shows it. */
const tolerationAsGo = ({ key = '', operator = '', value = '', effect = '', tolerationSeconds }: Toleration): object => ({
  Key: key,
  Operator: operator,
  Value: value,
  Effect: effect,
  TolerationSeconds: tolerationSeconds ?? null,
})

function* runtimeClassWarnings({ scheduling }: RuntimeClass): Iterable<string> {
  for (const label of Object.keys(scheduling?.nodeSelector ?? {})) {
    const message = nodeLabelDeprecation(label)
    if (message) yield `scheduling.nodeSelector: ${message}`
  }
}

export const runtimeClasses = defineKind<RuntimeClass>({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  namespaced: false,
  columns: [nameColumn, column('Handler', 'string', 'What the container runtime calls it.', ({ handler }) => handler ?? ''), ageColumn],
  validate: (one): FieldError[] => [...runtimeClassFaults(one)],
  warnings: (one) => [...runtimeClassWarnings(one)],
  validateUpdate: (one, previous) => [...immutableFaults('handler', one.handler, previous.handler)],
})
