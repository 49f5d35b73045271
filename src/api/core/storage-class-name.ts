import type { PersistentVolume, PersistentVolumeClaim } from '../generated/types.ts'

const oldAnnotation = 'volume.beta.kubernetes.io/storage-class'

/** The storage class that a volume or claim names; an annotation from before there was a field wins. */
export function classOf({ metadata, spec }: PersistentVolume | PersistentVolumeClaim): string {
  return metadata.annotations?.[oldAnnotation] ?? spec.storageClassName ?? ''
}
