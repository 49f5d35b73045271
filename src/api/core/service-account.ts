import { defineKind } from '../define-kind.ts'
import type { ServiceAccount } from '../generated/types.ts'

export const serviceAccounts = defineKind<ServiceAccount>({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  namespaced: true,
  shortNames: ['sa'],
})
