import type { Kind } from '../api/kind.ts'
import { type FieldError, invalidValue } from '../machinery/field-error.ts'
import type { KubeObject } from '../machinery/object.ts'

/** Faults of an object's metadata. */
export function metadataFaults(_kind: Kind, _object: KubeObject): FieldError[] {
  return []
}

/** Faults of a change of metadata. */
export function metadataUpdateFaults(kind: Kind, next: KubeObject, previous: KubeObject): FieldError[] {
  const faults = metadataFaults(kind, next)
  const added = (next.metadata.finalizers ?? []).filter((one) => !previous.metadata.finalizers?.includes(one))
  if (previous.metadata.deletionTimestamp !== undefined && added.length > 0) {
    faults.push(
      invalidValue('metadata.finalizers', next.metadata.finalizers, 'no new finalizers can be added if the object is being deleted'),
    )
  }
  return faults
}
