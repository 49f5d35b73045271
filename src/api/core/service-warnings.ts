import { cidrWarnings, ipWarnings } from '../address-warnings.ts'
import type { Service } from '../generated/types.ts'
import { hintsAnnotation, topologyAnnotation } from './service-validation.ts'

type Warnings = Iterable<string>

function* ignoredWarnings({ spec }: Service): Warnings {
  if (spec.type !== 'ClusterIP' || spec.clusterIP !== 'None') return
  const why = 'is ignored for headless services'
  if (spec.loadBalancerIP) yield `spec.loadBalancerIP ${why}`
  if (spec.externalIPs?.length) yield `spec.externalIPs ${why}`
  if (spec.sessionAffinity !== 'None') yield `spec.SessionAffinity ${why}`
}

function* warnings(service: Service): Warnings {
  const { spec, metadata } = service
  if (metadata.annotations?.[hintsAnnotation] !== undefined) {
    yield `annotation ${hintsAnnotation} is deprecated, please use ${topologyAnnotation} instead`
  }
  for (const [index, ip] of (spec.clusterIPs ?? []).entries()) yield* ipWarnings(`spec.clusterIPs[${index}]`, ip)
  yield* ignoredWarnings(service)
  for (const [index, ip] of (spec.externalIPs ?? []).entries()) yield* ipWarnings(`spec.externalIPs[${index}]`, ip)
  if (spec.loadBalancerIP) yield* ipWarnings('spec.loadBalancerIP', spec.loadBalancerIP)
  for (const [index, range] of (spec.loadBalancerSourceRanges ?? []).entries()) {
    yield* cidrWarnings(`spec.loadBalancerSourceRanges[${index}]`, range)
  }
  const isAlias = spec.type === 'ExternalName'
  if (isAlias && spec.externalIPs?.length) yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
  if (!isAlias && spec.externalName) yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
  if (spec.trafficDistribution === 'PreferClose') {
    yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
  }
}

export const serviceWarnings = (service: Service): string[] => [...warnings(service)]
