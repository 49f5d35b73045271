import type { PersistentVolumeClaim } from '../generated/types.ts'

/** Of a claim and of a StatefulSet's template for claims alike. */
export function setClaimDefaults(claim: PersistentVolumeClaim): void {
  claim.apiVersion ||= 'v1'
  claim.kind ||= 'PersistentVolumeClaim'
  claim.spec ??= {}
  claim.spec.volumeMode ??= 'Filesystem'
  claim.status ??= {}
  claim.status.phase ||= 'Pending'
}
