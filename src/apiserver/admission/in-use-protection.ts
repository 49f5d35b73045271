import { persistentVolumeClaims, persistentVolumes } from '../../api/registry.ts'
import { type AdmissionPlugin, isOf } from './plugin.ts'

const protections = [
  [persistentVolumeClaims, 'kubernetes.io/pvc-protection'],
  [persistentVolumes, 'kubernetes.io/pv-protection'],
] as const

/** Volumes and claims stay until nobody uses them any more: controllers then take the finalizer away. */
export const inUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  admit(request) {
    if (request.operation !== 'create') return
    for (const [kind, finalizer] of protections) {
      const { metadata } = request.object ?? {}
      if (!metadata || !isOf(request, kind) || metadata.finalizers?.includes(finalizer)) continue
      metadata.finalizers = [...(metadata.finalizers ?? []), finalizer]
    }
  },
}
