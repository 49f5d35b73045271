import { isIP } from 'node:net'
import { forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsSubdomainFaults, type Faults, ipFaults } from '../field-checks.ts'
import type { LoadBalancerIngress, Service } from '../generated/types.ts'

const modes = ['Proxy', 'VIP']

function* entryFaults(path: string, { ip, ipMode, hostname }: LoadBalancerIngress): Faults {
  if (ip) yield* ipFaults(`${path}.ip`, ip)
  if (ip && ipMode === undefined) yield required(`${path}.ipMode`, 'must be specified when `ip` is set')
  if (!ip && ipMode !== undefined) yield forbiddenField(`${path}.ipMode`, 'may not be specified when `ip` is not set')
  else if (ipMode !== undefined && !modes.includes(ipMode)) yield notSupported(`${path}.ipMode`, ipMode, modes)
  if (!hostname) return
  yield* dnsSubdomainFaults(`${path}.hostname`, hostname)
  if (isIP(hostname)) yield invalidValue(`${path}.hostname`, hostname, 'must be a DNS name, not an IP address')
}

export function* loadBalancerStatusFaults({ spec, status }: Service): Faults {
  const path = 'status.loadBalancer.ingress'
  const entries = status?.loadBalancer?.ingress ?? []
  if (spec.type !== 'LoadBalancer' && entries.length > 0) {
    return yield forbiddenField(path, 'may only be used when `spec.type` is LoadBalancer')
  }
  for (const [index, entry] of entries.entries()) yield* entryFaults(`${path}[${index}]`, entry)
}
