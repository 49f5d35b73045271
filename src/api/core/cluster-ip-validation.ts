import { isIPv4, isIPv6 } from 'node:net'
import { duplicate, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { type Faults, ipFaults, optionalChoiceFaults } from '../field-checks.ts'
import type { Service, ServiceSpec } from '../generated/types.ts'

const familyPolicies = ['PreferDualStack', 'RequireDualStack', 'SingleStack']
const path = 'spec.clusterIPs'
const stays = 'may not change once set'

const isHeadless = ({ clusterIPs = [] }: ServiceSpec): boolean => clusterIPs.length === 1 && clusterIPs[0] === 'None'

function* firstIpFaults({ clusterIP, clusterIPs = [] }: ServiceSpec): Faults {
  if (!clusterIP) {
    if (clusterIPs.length > 0) yield invalidValue(path, clusterIPs, 'must be empty when `clusterIP` is not specified')
  } else if (clusterIPs.length === 0) yield required(path)
  else if (clusterIPs[0] !== clusterIP) yield invalidValue(path, clusterIPs, 'first value must match `clusterIP`')
}

function* familyFaults({ ipFamilies = [], ipFamilyPolicy }: ServiceSpec): Faults {
  for (const [index, family] of ipFamilies.entries()) {
    const at = `spec.ipFamilies[${index}]`
    if (family !== 'IPv4' && family !== 'IPv6') yield notSupported(at, family, ['IPv4', 'IPv6'])
    if (ipFamilies.indexOf(family) < index) yield duplicate(at, family)
  }
  yield* optionalChoiceFaults('spec.ipFamilyPolicy', ipFamilyPolicy, familyPolicies)
}

function* addressesFaults(clusterIPs: readonly string[]): Faults {
  for (const [index, ip] of clusterIPs.entries()) {
    if (index > 0 || ip !== 'None') yield* ipFaults(`${path}[${index}]`, ip)
    else if (clusterIPs.length > 1) yield invalidValue(path, clusterIPs, "'None' must be the first and only value")
  }
}

/** Faults between addresses, each of which is sound. */
function* pairFaults(spec: ServiceSpec): Faults {
  const { clusterIPs = [], ipFamilies = [] } = spec
  const kinds = clusterIPs.map((ip) => isIPv6(ip))
  if (clusterIPs.length > 1 && new Set(kinds).size < clusterIPs.length) {
    yield invalidValue(path, clusterIPs, 'may specify no more than one IP for each IP family')
  }
  if (isHeadless(spec)) return
  for (const [index, ip] of clusterIPs.entries()) {
    const family = ipFamilies[index]
    if (!family || family === (isIPv4(ip) ? 'IPv4' : 'IPv6')) continue
    yield invalidValue(`${path}[${index}]`, ip, `expected an ${family} value as indicated by \`ipFamilies[${index}]\``)
  }
}

export function* clusterIpFaults(spec: ServiceSpec): Faults {
  if (spec.type === 'ExternalName') return
  const { clusterIPs = [] } = spec
  yield* firstIpFaults(spec)
  yield* familyFaults(spec)
  const faults = [...addressesFaults(clusterIPs)]
  yield* faults
  if (clusterIPs.length > 2) yield invalidValue(path, clusterIPs, 'may only hold up to 2 values')
  if (faults.length === 0) yield* pairFaults(spec)
}

/** What a list loses, gains or changes: the first of it stays, the second may only go if one family is asked for. */
function* listChangeFaults(
  field: 'clusterIPs' | 'ipFamilies',
  name: 'clusterIP' | 'ipFamily',
  { spec }: Service,
  { spec: before }: Service,
): Faults {
  const [now, was] = [spec[field] ?? [], before[field] ?? []]
  const isFirstChanged = was.length > 0 && now.length > 0 && now[0] !== was[0]
  if (now.length === was.length) {
    for (const [index, value] of was.entries()) {
      if (value !== now[index]) yield invalidValue(`spec.${field}[${field === 'clusterIPs' ? index : 0}]`, now, stays)
    }
    return
  }
  if (was.length > now.length && !spec.clusterIPs?.length) {
    yield invalidValue(`spec.${field}[0]`, spec[field], `primary ${name} can not be unset`)
  }
  if (isFirstChanged) yield invalidValue(`spec.${field}[0]`, spec.clusterIPs, stays)
  if (was.length > now.length && now.length === 1 && spec.ipFamilyPolicy !== 'SingleStack') {
    yield invalidValue('spec.ipFamilyPolicy', spec.ipFamilyPolicy, `must be set to 'SingleStack' when releasing the secondary ${name}`)
  }
}

/** Addresses and families stay for life, unless the Service was or becomes a mere alias. */
export function* clusterIpChangeFaults(service: Service, previous: Service): Faults {
  if (service.spec.type === 'ExternalName' || previous.spec.type === 'ExternalName') return
  const [is, was] = [isHeadless(service.spec), isHeadless(previous.spec)]
  if (!is || !was) yield* listChangeFaults('clusterIPs', 'clusterIP', service, previous)
  if (!is && !was) yield* listChangeFaults('ipFamilies', 'ipFamily', service, previous)
}
