import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../generated/types.ts'
import { wholeByteWarnings } from '../quantity-checks.ts'
import { classAnnotation } from './persistent-volume-claim-validation.ts'

export function* claimSpecWarnings(path: string, { resources }: PersistentVolumeClaimSpec): Iterable<string> {
  for (const list of ['requests', 'limits'] as const) {
    yield* wholeByteWarnings(`${path}.resources.${list}[storage]`, resources?.[list]?.storage)
  }
}

export function claimWarnings({ metadata, spec }: PersistentVolumeClaim): string[] {
  const isOld = metadata.annotations?.[classAnnotation] !== undefined
  const old = `metadata.annotations[${classAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`
  return [...(isOld ? [old] : []), ...claimSpecWarnings('spec', spec)]
}
