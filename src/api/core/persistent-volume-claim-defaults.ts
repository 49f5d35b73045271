import type { PersistentVolumeClaim, PersistentVolumeClaimSpec, TypedLocalObjectReference } from '../generated/types.ts'

/** Of a claim and of a StatefulSet's template for claims alike. */
export function setClaimDefaults(claim: PersistentVolumeClaim): void {
  claim.apiVersion ||= 'v1'
  claim.kind ||= 'PersistentVolumeClaim'
  claim.spec ??= {}
  claim.spec.volumeMode ??= 'Filesystem'
  claim.status ??= {}
  claim.status.phase ||= 'Pending'
}

const isClaimOrSnapshot = ({ apiGroup = '', kind, name }: TypedLocalObjectReference): boolean =>
  Boolean(name) &&
  ((apiGroup === '' && kind === 'PersistentVolumeClaim') || (apiGroup === 'snapshot.storage.k8s.io' && kind === 'VolumeSnapshot'))

/**
 * The newer dataSourceRef may name anything; the older dataSource, which says the same, ignores what it doesn't know.
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/#data-source-references
 */
export function alignDataSources(spec: PersistentVolumeClaimSpec): void {
  if (spec.dataSource && !isClaimOrSnapshot(spec.dataSource)) delete spec.dataSource
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource }
  else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace) {
    const { namespace: _, ...source } = spec.dataSourceRef
    spec.dataSource = source
  }
}
