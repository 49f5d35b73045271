import { defineKind } from '../define-kind.ts'
import type { Endpoints } from '../generated/types.ts'

export const endpoints = defineKind<Endpoints>({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  namespaced: true,
  shortNames: ['ep'],
})
