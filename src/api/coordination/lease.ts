import { defineKind } from '../define-kind.ts'
import type { Lease } from '../generated/types.ts'

export const leases = defineKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
})
