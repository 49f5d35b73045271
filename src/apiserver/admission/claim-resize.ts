import { classOf } from '../../api/core/storage-class-name.ts'
import type { PersistentVolumeClaim } from '../../api/generated/types.ts'
import { persistentVolumeClaims, storageClasses } from '../../api/registry.ts'
import { compareQuantities } from '../../machinery/quantity.ts'
import { forbidden } from '../../machinery/status.ts'
import { type AdmissionPlugin, isOf } from './plugin.ts'

const sizeOf = ({ spec }: PersistentVolumeClaim): string => spec.resources?.requests?.storage ?? '0'

/** A claim grows only where it is bound and its class says that its volumes can. */
export const claimResize: AdmissionPlugin = {
  name: 'PersistentVolumeClaimResize',
  validate(request, facts) {
    if (request.operation !== 'update' || !isOf(request, persistentVolumeClaims)) return
    const [next, previous] = [request.object as PersistentVolumeClaim, request.previous as PersistentVolumeClaim]
    if (compareQuantities(sizeOf(next), sizeOf(previous)) <= 0) return
    if (previous.status?.phase !== 'Bound') {
      throw forbidden(request.kind, request.name, 'Only bound persistent volume claims can be expanded')
    }
    const name = classOf(next)
    if (name && name === classOf(previous) && facts.get(storageClasses, undefined, name)?.allowVolumeExpansion) return
    const why = 'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize'
    throw forbidden(request.kind, request.name, why)
  },
}
