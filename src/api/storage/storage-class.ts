import { deepEqual } from '../../machinery/equality.ts'
import { duplicate, type FieldError, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import type { ObjectMeta } from '../../machinery/object.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, immutableFaults, qualifiedNameFaults } from '../field-checks.ts'
import type { StorageClass, TopologySelectorTerm } from '../generated/types.ts'
import { nodeLabelDeprecation } from '../node-label-deprecations.ts'
import { parametersFaults } from './parameters-validation.ts'

const defaultAnnotations = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class']
const reclaimPolicies = ['Delete', 'Retain']
const bindingModes = ['Immediate', 'WaitForFirstConsumer']

const isDefault = ({ annotations }: ObjectMeta): boolean => defaultAnnotations.some((name) => annotations?.[name] === 'true')

function* termFaults(path: string, { matchLabelExpressions: expressions = [] }: TopologySelectorTerm): Faults {
  const keys = new Set<string>()
  for (const [index, { key, values = [] }] of expressions.entries()) {
    const at = `${path}.matchLabelExpressions[${index}]`
    if (values.length === 0) yield required(`${at}.values`)
    for (const [place, value] of values.entries()) {
      if (values.indexOf(value) < place) yield duplicate(`${at}.values[${place}]`, value)
    }
    yield* qualifiedNameFaults(`${at}.key`, key ?? '')
    if (keys.has(key)) yield duplicate(`${at}.key`, key)
    keys.add(key)
  }
}

/** Terms are alternatives: saying one twice is a mistake, whatever the order of its parts. */
function* topologyFaults(terms: readonly TopologySelectorTerm[]): Faults {
  const seen = new Set<string>()
  for (const [index, term] of terms.entries()) {
    const path = `allowedTopologies[${index}]`
    yield* termFaults(path, term)
    const parts = (term.matchLabelExpressions ?? []).map(({ key, values = [] }) => [key, ...[...new Set(values)].sort()].join('\n'))
    const text = parts.sort().join('\n\n')
    if (seen.has(text)) yield duplicate(`${path}.matchLabelExpressions`, '')
    seen.add(text)
  }
}

function* storageClassFaults(one: StorageClass): Faults {
  const { provisioner, parameters, reclaimPolicy, volumeBindingMode } = one
  if (!provisioner) yield required('provisioner')
  else yield* qualifiedNameFaults('provisioner', provisioner.toLowerCase())
  yield* parametersFaults(parameters)
  if (reclaimPolicy && !reclaimPolicies.includes(reclaimPolicy)) yield notSupported('reclaimPolicy', reclaimPolicy, reclaimPolicies)
  if (volumeBindingMode === undefined) yield required('volumeBindingMode')
  else if (!bindingModes.includes(volumeBindingMode)) yield notSupported('volumeBindingMode', volumeBindingMode, bindingModes)
  yield* topologyFaults(one.allowedTopologies ?? [])
}

const fixedFields = ['provisioner', 'reclaimPolicy', 'volumeBindingMode'] as const

function* updateFaults(next: StorageClass, previous: StorageClass): Faults {
  if (!deepEqual(next.parameters ?? {}, previous.parameters ?? {})) yield invalidValue('parameters', next.parameters, 'field is immutable')
  for (const field of fixedFields) yield* immutableFaults(field, next[field], previous[field])
}

function* topologyWarnings({ allowedTopologies = [] }: StorageClass): Iterable<string> {
  for (const [index, { matchLabelExpressions = [] }] of allowedTopologies.entries()) {
    for (const [place, { key }] of matchLabelExpressions.entries()) {
      const message = nodeLabelDeprecation(key)
      if (message) yield `allowedTopologies[${index}].matchLabelExpressions[${place}].key: ${key} is ${message}`
    }
  }
}

export const storageClasses = defineKind<StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  namespaced: false,
  shortNames: ['sc'],
  columns: [
    { ...nameColumn, value: ({ metadata }) => (isDefault(metadata) ? `${metadata.name} (default)` : metadata.name) },
    column('Provisioner', 'string', 'Who makes its volumes.', ({ provisioner }) => provisioner ?? ''),
    column('ReclaimPolicy', 'string', 'What becomes of a volume whose claim has gone.', ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete'),
    column('VolumeBindingMode', 'string', 'When volumes are made.', ({ volumeBindingMode }) => volumeBindingMode ?? 'Immediate'),
    column('AllowVolumeExpansion', 'string', 'Whether volumes may grow.', ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false),
    ageColumn,
  ],
  setDefaults: (one) => {
    one.reclaimPolicy ??= 'Delete'
    one.volumeBindingMode ??= 'Immediate'
  },
  validate: (one): FieldError[] => [...storageClassFaults(one)],
  validateUpdate: (one, previous): FieldError[] => [...updateFaults(one, previous)],
  warnings: (one) => [...topologyWarnings(one)],
})
