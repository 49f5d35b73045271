import type { FieldError } from '../../machinery/field-error.ts'
import { ageColumn, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { DeviceClass } from '../generated/types.ts'
import { selectorsFaults } from './claim-validation.ts'

export const deviceClasses = defineKind<DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  namespaced: false,
  countsGeneration: true,
  columns: [nameColumn, ageColumn],
  setDefaults: (one) => {
    one.spec ??= {}
  },
  validate: ({ spec }): FieldError[] => [...selectorsFaults('spec.selectors', spec.selectors)],
})
