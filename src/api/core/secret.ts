import { defineKind } from '../define-kind.ts'
import type { Secret } from '../generated/types.ts'

export const secrets = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
})
