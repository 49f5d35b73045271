import type { Service, ServicePort, ServiceSpec } from '../generated/types.ts'
import { isExternallyAccessible } from './service-facts.ts'

function setPortDefaults(port: ServicePort): void {
  port.protocol ||= 'TCP'
  // 0 and '' say nothing: both mean the Service's own port.
  port.targetPort ||= port.port
}

function setAffinityDefaults(spec: ServiceSpec): void {
  spec.sessionAffinity ||= 'None'
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.sessionAffinity !== 'ClientIP') return
  spec.sessionAffinityConfig ??= {}
  spec.sessionAffinityConfig.clientIP ??= {}
  spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= 3 * 60 * 60
}

export function setServiceDefaults(service: Service): void {
  service.spec ??= {}
  const { spec } = service
  spec.type ||= 'ClusterIP'
  setAffinityDefaults(spec)
  for (const port of spec.ports ?? []) setPortDefaults(port)
  if (isExternallyAccessible(service)) spec.externalTrafficPolicy ||= 'Cluster'
  if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster'
  if (spec.type !== 'LoadBalancer') return
  spec.allocateLoadBalancerNodePorts ??= true
  for (const entry of service.status?.loadBalancer?.ingress ?? []) if (entry.ip) entry.ipMode ??= 'VIP'
}
