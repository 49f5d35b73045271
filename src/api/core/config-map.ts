import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { ConfigMap } from '../generated/types.ts'
import { validateConfigMap, validateConfigMapUpdate } from './data-validation.ts'

const size = (map: object | undefined): number => Object.keys(map ?? {}).length

export const configMaps = defineKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
  shortNames: ['cm'],
  columns: [nameColumn, column('Data', 'string', 'How many entries.', ({ data, binaryData }) => size(data) + size(binaryData)), ageColumn],
  validate: validateConfigMap,
  validateUpdate: validateConfigMapUpdate,
})
