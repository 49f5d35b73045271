import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { Endpoints } from '../generated/types.ts'
import { endpointsText } from './endpoints-columns.ts'
import { endpointsWarnings, validateEndpoints } from './endpoints-validation.ts'

export const endpoints = defineKind<Endpoints>({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  namespaced: true,
  listKind: 'EndpointsList',
  shortNames: ['ep'],
  deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  columns: [nameColumn, column('Endpoints', 'string', 'Addresses with their ports.', endpointsText), ageColumn],
  setDefaults: ({ subsets = [] }) => {
    for (const subset of subsets) for (const port of subset.ports ?? []) port.protocol ||= 'TCP'
  },
  validate: validateEndpoints,
  warnings: endpointsWarnings,
})
