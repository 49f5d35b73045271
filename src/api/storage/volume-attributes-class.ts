import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, required } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, qualifiedNameFaults } from '../field-checks.ts'
import type { VolumeAttributesClass } from '../generated/types.ts'
import { parametersFaults } from './parameters-validation.ts'

const defaultAnnotation = 'volumeattributesclass.alpha.kubernetes.io/is-default-class'

function* classFaults({ driverName, parameters }: VolumeAttributesClass): Faults {
  if (!driverName) yield required('driverName')
  else yield* qualifiedNameFaults('driverName', driverName.toLowerCase())
  yield* parametersFaults(parameters)
  if (Object.keys(parameters ?? {}).length === 0) yield required('parameters', 'must contain at least one key/value pair')
}

function* updateFaults(next: VolumeAttributesClass, previous: VolumeAttributesClass): Faults {
  if (next.driverName !== previous.driverName) yield forbiddenField('driverName', 'updates to driverName are forbidden.')
  if (!deepEqual(next.parameters, previous.parameters)) yield forbiddenField('parameters', 'updates to parameters are forbidden.')
}

export const volumeAttributesClasses = defineKind<VolumeAttributesClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  namespaced: false,
  shortNames: ['vac'],
  columns: [
    {
      ...nameColumn,
      value: ({ metadata }) => (metadata.annotations?.[defaultAnnotation] === 'true' ? `${metadata.name} (default)` : metadata.name),
    },
    column('DriverName', 'string', 'The driver whose volumes it is about.', ({ driverName }) => driverName ?? ''),
    ageColumn,
  ],
  validate: (one): FieldError[] => [...classFaults(one)],
  validateUpdate: (one, previous): FieldError[] => [...updateFaults(one, previous)],
})
