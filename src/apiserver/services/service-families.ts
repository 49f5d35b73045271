import type { Service } from '../../api/generated/types.ts'
import { type FieldError, invalidValue } from '../../machinery/field-error.ts'
import { familyOf, type IpFamily } from './address-range.ts'

const other = (family: IpFamily): IpFamily => (family === 'IPv4' ? 'IPv6' : 'IPv4')

/**
 * Settles which families a Service has: what it asks for by policy, families or addresses, else the cluster's first.
 * Faults where it asks for what the cluster hasn't. https://kubernetes.io/docs/concepts/services-networking/dual-stack/
 */
export function settleFamilies({ spec }: Service, cluster: readonly IpFamily[]): FieldError[] {
  const isHeadless = spec.clusterIPs?.[0] === 'None' || spec.clusterIP === 'None'
  const selects = Object.keys(spec.selector ?? {}).length > 0
  const addresses = (spec.clusterIPs ?? []).filter((address) => address !== 'None')
  const faults = policyFaults(spec, addresses.length)
  if (faults.length > 0) return faults
  const families = [...((spec.ipFamilies ?? []) as IpFamily[])]
  addresses.forEach((address, i) => {
    families[i] ??= familyOf(address)
  })
  if (isHeadless && !selects) {
    // Whoever writes its endpoints may have addresses of both, whatever the cluster has.
    spec.ipFamilyPolicy ??= 'RequireDualStack'
    if (families.length === 0) families.push(cluster[0] as IpFamily)
    if (spec.ipFamilyPolicy !== 'SingleStack' && families.length === 1) families.push(other(families[0] as IpFamily))
    spec.ipFamilies = families
    return []
  }
  if (spec.ipFamilyPolicy === 'RequireDualStack' && cluster.length < 2) {
    return [invalidValue('spec.ipFamilyPolicy', spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services')]
  }
  const foreign = families.findIndex((family) => !cluster.includes(family))
  if (foreign >= 0) return [invalidValue(`spec.ipFamilies[${foreign}]`, families[foreign], 'not configured on this cluster')]
  spec.ipFamilyPolicy ??= 'SingleStack'
  if (families.length === 0) families.push(cluster[0] as IpFamily)
  if (spec.ipFamilyPolicy !== 'SingleStack' && families.length === 1 && cluster.length > 1) families.push(other(families[0] as IpFamily))
  spec.ipFamilies = families
  return []
}

function policyFaults({ ipFamilyPolicy: policy, ipFamilies = [] }: Service['spec'], addresses: number): FieldError[] {
  if (policy === 'PreferDualStack' || policy === 'RequireDualStack') return []
  const why = (what: string): FieldError[] => [
    invalidValue('spec.ipFamilyPolicy', policy ?? null, `must be RequireDualStack or PreferDualStack when multiple ${what} are specified`),
  ]
  if (addresses > 1) return why('clusterIPs')
  return ipFamilies.length > 1 ? why('ipFamilies') : []
}
