import type { Service } from '../../api/generated/types.ts'
import { services } from '../../api/registry.ts'
import { type AdmissionPlugin, isOf, refused } from './plugin.ts'

/** Outside addresses take traffic that is meant for others: those that a Service has may stay, or go. */
export const denyServiceExternalIps: AdmissionPlugin = {
  name: 'DenyServiceExternalIPs',
  validate(request) {
    if (!isOf(request, services) || request.operation === 'delete') return
    const before = (request.previous as Service | undefined)?.spec?.externalIPs ?? []
    const now = (request.object as Service).spec?.externalIPs ?? []
    if (now.some((address) => !before.includes(address))) throw refused(request, 'Use of external IPs is denied by admission control')
  },
}
