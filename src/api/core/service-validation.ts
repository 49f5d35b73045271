import { isIPv4 } from 'node:net'
import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import {
  cidrFaults,
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  immutableFaults,
  ipFaults,
  labelsFaults,
  ordinaryIpFaults,
  portFaults,
  portNumberFaults,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type { Service, ServicePort, ServiceSpec } from '../generated/types.ts'
import { protocolFaults } from './port-validation.ts'
import { isExternallyAccessible, isHeadless, needsHealthCheckPort } from './service-facts.ts'

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const policies = ['Cluster', 'Local']
const distributions = ['PreferClose', 'PreferSameNode', 'PreferSameZone']
const familyPolicies = ['PreferDualStack', 'RequireDualStack', 'SingleStack']
const maxAffinitySeconds = 86400

function* typeFaults(service: Service): Faults {
  const { spec } = service
  if (!spec.ports?.length && !isHeadless(service) && spec.type !== 'ExternalName') yield required('spec.ports')
  if ((spec.type === 'LoadBalancer' || spec.type === 'NodePort') && isHeadless(service)) {
    yield invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`)
  }
  if (spec.type !== 'ExternalName') return
  const why = 'may not be set for ExternalName services'
  if (spec.clusterIPs?.length) yield forbiddenField('spec.clusterIPs', why)
  if (spec.ipFamilies?.length) yield forbiddenField('spec.ipFamilies', why)
  if (spec.ipFamilyPolicy !== undefined) yield forbiddenField('spec.ipFamilyPolicy', why)
  const name = (spec.externalName ?? '').replace(/\.$/, '')
  if (name) yield* dnsSubdomainFaults('spec.externalName', name)
  else yield required('spec.externalName')
}

function* portRuleFaults(path: string, port: ServicePort, needsName: boolean, names: Set<string>): Faults {
  if (port.name) {
    yield* dnsLabelFaults(`${path}.name`, port.name)
    if (names.has(port.name)) yield duplicate(`${path}.name`, port.name)
    names.add(port.name)
  } else if (needsName) yield required(`${path}.name`)
  yield* portNumberFaults(`${path}.port`, port.port ?? 0)
  yield* protocolFaults(`${path}.protocol`, port.protocol)
  yield* portFaults(`${path}.targetPort`, port.targetPort)
  if (port.appProtocol !== undefined) yield* qualifiedNameFaults(`${path}.appProtocol`, port.appProtocol)
}

function* nodePortFaults({ type, ports = [] }: ServiceSpec): Faults {
  const seen = new Set<string>()
  for (const [index, { nodePort, protocol }] of ports.entries()) {
    if (!nodePort) continue
    const at = `spec.ports[${index}].nodePort`
    if (type === 'ClusterIP') yield forbiddenField(at, "may not be used when `type` is 'ClusterIP'")
    const key = `${protocol}/${nodePort}`
    if (seen.has(key)) yield duplicate(at, nodePort)
    seen.add(key)
  }
}

function* portsFaults({ ports = [] }: ServiceSpec): Faults {
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) yield* portRuleFaults(`spec.ports[${index}]`, port, ports.length > 1, names)
  const seen = new Set<string>()
  for (const [index, { port, protocol }] of ports.entries()) {
    const key = `${protocol}/${port}`
    if (seen.has(key)) yield duplicate(`spec.ports[${index}]`, { port, protocol })
    seen.add(key)
  }
}

function* affinityFaults({ sessionAffinity: affinity, sessionAffinityConfig: config }: ServiceSpec): Faults {
  const path = 'spec.sessionAffinityConfig'
  if (!affinity) yield required('spec.sessionAffinity')
  else if (affinity === 'None') {
    if (config) yield forbiddenField(path, 'must not be set when session affinity is None')
  } else if (affinity !== 'ClientIP') yield notSupported('spec.sessionAffinity', affinity, ['ClientIP', 'None'])
  else {
    const seconds = config?.clientIP?.timeoutSeconds
    const at = `${path}.clientIP.timeoutSeconds`
    if (seconds === undefined) yield required(at, 'when session affinity type is ClientIP')
    else if (seconds <= 0 || seconds > maxAffinitySeconds) {
      yield invalidValue(at, seconds, `must be greater than 0 and less than ${maxAffinitySeconds}`)
    }
  }
}

function* clusterIpFaults({ type, clusterIP, clusterIPs = [], ipFamilies = [], ipFamilyPolicy }: ServiceSpec): Faults {
  if (type === 'ExternalName') return
  if (clusterIP && clusterIPs.length === 0) yield required('spec.clusterIPs')
  else if (clusterIPs.length > 0 && clusterIPs[0] !== (clusterIP ?? '')) {
    yield invalidValue('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`')
  }
  if (clusterIPs.length > 2) yield invalidValue('spec.clusterIPs', clusterIPs, 'may only hold up to 2 values')
  for (const [index, ip] of clusterIPs.entries()) {
    const at = `spec.clusterIPs[${index}]`
    if (ip === 'None') {
      if (clusterIPs.length > 1) yield invalidValue(at, ip, "'None' must be the first and only value")
      continue
    }
    yield* ipFaults(at, ip)
    const family = ipFamilies[index]
    if (family && family !== (isIPv4(ip) ? 'IPv4' : 'IPv6')) {
      yield invalidValue(`spec.clusterIPs[${index}]`, ip, `expected an ${family} value as indicated by \`ipFamilies[${index}]\``)
    }
  }
  if (ipFamilyPolicy !== undefined && !familyPolicies.includes(ipFamilyPolicy)) {
    yield notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, familyPolicies)
  }
  for (const [index, family] of ipFamilies.entries()) {
    const at = `spec.ipFamilies[${index}]`
    if (family !== 'IPv4' && family !== 'IPv6') yield notSupported(at, family, ['IPv4', 'IPv6'])
    if (ipFamilies.indexOf(family) < index) yield duplicate(at, family)
  }
}

function* balancerFaults({ spec }: Service): Faults {
  const why = "may only be used when `type` is 'LoadBalancer'"
  const ranges = spec.loadBalancerSourceRanges ?? []
  const isBalancer = spec.type === 'LoadBalancer'
  if (ranges.length > 0 && !isBalancer) yield forbiddenField('spec.LoadBalancerSourceRanges', why)
  for (const [index, range] of ranges.entries()) yield* cidrFaults(`spec.LoadBalancerSourceRanges[${index}]`, range.trim())
  if (isBalancer) return
  if (spec.allocateLoadBalancerNodePorts !== undefined) yield forbiddenField('spec.allocateLoadBalancerNodePorts', why)
  if (spec.loadBalancerClass !== undefined) yield forbiddenField('spec.loadBalancerClass', why)
}

function* trafficFaults(service: Service): Faults {
  const { externalTrafficPolicy: external, internalTrafficPolicy: internal, trafficDistribution, healthCheckNodePort, type } = service.spec
  if (!isExternallyAccessible(service)) {
    if (external) yield invalidValue('spec.externalTrafficPolicy', external, 'may only be set for externally-accessible services')
  } else if (!external) yield required('spec.externalTrafficPolicy')
  else if (!policies.includes(external)) yield notSupported('spec.externalTrafficPolicy', external, policies)
  if (healthCheckNodePort && !needsHealthCheckPort(service)) {
    const why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
    yield invalidValue('spec.healthCheckNodePort', healthCheckNodePort, why)
  } else if (healthCheckNodePort) yield* portNumberFaults('spec.healthCheckNodePort', healthCheckNodePort)
  if (internal === undefined) {
    if (type !== 'ExternalName') yield required('spec.internalTrafficPolicy')
  } else if (!policies.includes(internal)) yield notSupported('spec.internalTrafficPolicy', internal, policies)
  if (trafficDistribution !== undefined && !distributions.includes(trafficDistribution)) {
    yield notSupported('spec.trafficDistribution', trafficDistribution, distributions)
  }
}

function* externalIpFaults(ips: readonly string[]): Faults {
  for (const [index, ip] of ips.entries()) {
    const at = `spec.externalIPs[${index}]`
    const faults = [...ipFaults(at, ip)]
    yield* faults.length > 0 ? faults : ordinaryIpFaults(at, ip)
  }
}

function* serviceFaults(service: Service): Faults {
  const { spec } = service
  yield* typeFaults(service)
  yield* portsFaults(spec)
  yield* labelsFaults('spec.selector', spec.selector)
  yield* affinityFaults(spec)
  yield* clusterIpFaults(spec)
  yield* externalIpFaults(spec.externalIPs ?? [])
  if (!spec.type) yield required('spec.type')
  else if (!types.includes(spec.type)) yield notSupported('spec.type', spec.type, types)
  yield* nodePortFaults(spec)
  yield* balancerFaults(service)
  yield* trafficFaults(service)
}

export function validateService(service: Service): FieldError[] {
  return [...serviceFaults(service)]
}

/** The first address and family stay for life, unless the Service was or becomes a mere alias. */
export function validateServiceUpdate({ spec }: Service, { spec: before }: Service): FieldError[] {
  const faults: FieldError[] = []
  if (spec.type !== 'ExternalName' && before.type !== 'ExternalName') {
    if (before.clusterIPs?.[0] && spec.clusterIPs?.[0] !== before.clusterIPs[0]) {
      const why = spec.clusterIPs?.length ? 'may not change once set' : 'primary clusterIP can not be unset'
      faults.push(invalidValue('spec.clusterIPs[0]', spec.clusterIPs, why))
    }
    if (before.ipFamilies?.[0] && spec.ipFamilies?.length && spec.ipFamilies[0] !== before.ipFamilies[0]) {
      faults.push(invalidValue('spec.ipFamilies[0]', spec.ipFamilies, 'may not change once set'))
    }
  }
  if (spec.type === 'LoadBalancer' && before.type === 'LoadBalancer') {
    if (spec.loadBalancerClass !== before.loadBalancerClass) {
      faults.push(invalidValue('spec.loadBalancerClass', spec.loadBalancerClass ?? null, 'may not change once set'))
    }
    const stay = [before, spec].every((one) => one.externalTrafficPolicy === 'Local')
    if (stay) faults.push(...immutableFaults('spec.healthCheckNodePort', spec.healthCheckNodePort, before.healthCheckNodePort))
  }
  return faults
}
