import { defineKind } from '../define-kind.ts'
import type { ConfigMap } from '../generated/types.ts'

export const configMaps = defineKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
  shortNames: ['cm'],
})
