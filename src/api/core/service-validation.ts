import { duplicate, type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import {
  cidrFaults,
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  ipFaults,
  labelsFaults,
  ordinaryIpFaults,
  portFaults,
  portNumberFaults,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type { Service, ServicePort, ServiceSpec } from '../generated/types.ts'
import { clusterIpChangeFaults, clusterIpFaults } from './cluster-ip-validation.ts'
import { loadBalancerStatusFaults } from './load-balancer-status.ts'
import { protocolFaults } from './port-validation.ts'
import { isExternallyAccessible, isHeadless, needsHealthCheckPort } from './service-facts.ts'

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const policies = ['Cluster', 'Local']
const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode']
const maxAffinitySeconds = 86400
export const topologyAnnotation = 'service.kubernetes.io/topology-mode'
export const hintsAnnotation = 'service.kubernetes.io/topology-aware-hints'
const rangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges'

function* annotationFaults({ metadata: { annotations = {} } }: Service): Faults {
  const [mode, hints] = [annotations[topologyAnnotation], annotations[hintsAnnotation]]
  if (mode === undefined || hints === undefined || mode === hints) return
  yield invalidValue(
    `metadata.annotations[${topologyAnnotation}]`,
    mode,
    `must match annotations[${hintsAnnotation}] when both are specified`,
  )
}

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
  for (const [index, { nodePort }] of ports.entries()) {
    if (nodePort && type === 'ClusterIP') {
      yield forbiddenField(`spec.ports[${index}].nodePort`, "may not be used when `type` is 'ClusterIP'")
    }
  }
  const seen = new Set<string>()
  for (const [index, { nodePort, protocol }] of ports.entries()) {
    if (!nodePort) continue
    const at = `spec.ports[${index}].nodePort`
    const key = `${protocol}/${nodePort}`
    if (seen.has(key)) yield duplicate(at, nodePort)
    seen.add(key)
  }
}

function* portsFaults({ ports = [] }: ServiceSpec): Faults {
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) yield* portRuleFaults(`spec.ports[${index}]`, port, ports.length > 1, names)
}

function* portConflicts({ ports = [] }: ServiceSpec): Faults {
  const seen = new Set<string>()
  for (const [index, { port, protocol }] of ports.entries()) {
    const key = `${protocol}/${port}`
    if (seen.has(key)) yield duplicate(`spec.ports[${index}]`, portAsGo(port, protocol))
    seen.add(key)
  }
}

/** As upstream shows a port of which it compares only these. */
const portAsGo = (port: number, protocol: string | undefined): object => ({
  Name: '',
  Protocol: protocol,
  AppProtocol: null,
  Port: port,
  TargetPort: 0,
  NodePort: 0,
})

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

function* rangesFaults({ spec, metadata }: Service): Faults {
  const why = "may only be used when `type` is 'LoadBalancer'"
  const ranges = spec.loadBalancerSourceRanges ?? []
  const annotated = metadata.annotations?.[rangesAnnotation]
  const isBalancer = spec.type === 'LoadBalancer'
  if (ranges.length > 0) {
    if (!isBalancer) yield forbiddenField('spec.LoadBalancerSourceRanges', why)
    for (const [index, range] of ranges.entries()) yield* cidrFaults(`spec.LoadBalancerSourceRanges[${index}]`, range.trim())
  } else if (annotated !== undefined) {
    const at = `metadata.annotations[${rangesAnnotation}]`
    if (!isBalancer) yield forbiddenField(at, why)
    if (annotated.trim()) for (const range of annotated.split(',')) yield* cidrFaults(at, range.trim())
  }
}

function* balancerFaults(service: Service): Faults {
  const { spec } = service
  const why = "may only be used when `type` is 'LoadBalancer'"
  yield* rangesFaults(service)
  const { allocateLoadBalancerNodePorts: allocates, loadBalancerClass } = spec
  if (spec.type === 'LoadBalancer') {
    if (allocates === undefined) yield required('allocateLoadBalancerNodePorts')
    if (loadBalancerClass !== undefined) yield* qualifiedNameFaults('spec.loadBalancerClass', loadBalancerClass)
    return
  }
  if (allocates !== undefined) yield forbiddenField('spec.allocateLoadBalancerNodePorts', why)
  if (loadBalancerClass !== undefined) yield forbiddenField('spec.loadBalancerClass', why)
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
  yield* annotationFaults(service)
  yield* typeFaults(service)
  yield* portsFaults(spec)
  yield* labelsFaults('spec.selector', spec.selector)
  yield* affinityFaults(spec)
  yield* clusterIpFaults(spec)
  yield* externalIpFaults(spec.externalIPs ?? [])
  if (!spec.type) yield required('spec.type')
  else if (!types.includes(spec.type)) yield notSupported('spec.type', spec.type, types)
  yield* nodePortFaults(spec)
  yield* portConflicts(spec)
  yield* balancerFaults(service)
  yield* trafficFaults(service)
}

export function validateService(service: Service): FieldError[] {
  return [...serviceFaults(service)]
}

export function validateServiceUpdate(service: Service, previous: Service): FieldError[] {
  const { spec } = service
  const { spec: before } = previous
  const faults = [...clusterIpChangeFaults(service, previous)]
  if (spec.type === 'LoadBalancer' && before.type === 'LoadBalancer' && spec.loadBalancerClass !== before.loadBalancerClass) {
    faults.push(invalidValue('spec.loadBalancerClass', spec.loadBalancerClass, 'may not change once set'))
  }
  const isChecked = needsHealthCheckPort(service) && needsHealthCheckPort(previous)
  if (isChecked && spec.healthCheckNodePort !== before.healthCheckNodePort) {
    faults.push(forbiddenField('spec.healthCheckNodePort', 'field is immutable'))
  }
  return faults
}

export const validateServiceStatus = (service: Service): FieldError[] => [...loadBalancerStatusFaults(service)]
