import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { Lease } from '../generated/types.ts'
import { validateLease } from './lease-validation.ts'

export const leases = defineKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  columns: [nameColumn, column('Holder', 'string', 'Who holds the lease.', ({ spec }) => spec?.holderIdentity ?? ''), ageColumn],
  setDefaults: (lease) => {
    lease.spec ??= {}
  },
  validate: validateLease,
})
