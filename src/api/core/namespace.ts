import { defineKind } from '../define-kind.ts'
import type { Namespace } from '../generated/types.ts'

export const namespaces = defineKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
  shortNames: ['ns'],
  nameRule: 'dns-label',
  hasStatus: true,
  subresources: [{ name: 'finalize', kind: 'Namespace', group: '', version: 'v1', verbs: ['update'] }],
})
