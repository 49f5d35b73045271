import { isReady, isTerminated } from '../../api/core/pod-facts.ts'
import type { Pod, Service } from '../../api/generated/types.ts'

/** Services whose endpoints are ours to write: with a selector, and answering with addresses rather than a name. */
export function selectsPods(service: Service): boolean {
  return service.spec.type !== 'ExternalName' && Object.keys(service.spec.selector ?? {}).length > 0
}

export function isSelected(service: Service, labels: Readonly<Record<string, string>> | undefined): boolean {
  return selectsPods(service) && Object.entries(service.spec.selector ?? {}).every(([key, value]) => labels?.[key] === value)
}

/** Pods that have an address and may still answer; a pod that has ended, or will not be started again, has no place among them. */
export function belongs(pod: Pod): boolean {
  if (isTerminated(pod)) return false
  return (pod.status?.podIPs?.length ?? 0) > 0 || Boolean(pod.status?.podIP)
}

export type Family = 'IPv4' | 'IPv6'

export function addressOf(pod: Pod, family: Family): string | undefined {
  const addresses = pod.status?.podIPs?.map(({ ip }) => ip) ?? (pod.status?.podIP ? [pod.status.podIP] : [])
  return addresses.find((ip) => ip.includes(':') === (family === 'IPv6'))
}

export function familiesOf(service: Service): readonly Family[] {
  const families = service.spec.ipFamilies?.filter((family): family is Family => family === 'IPv4' || family === 'IPv6')
  return families?.length ? families : ['IPv4']
}

/** Ready is what traffic should go to: serving, and not on its way out, unless the Service wants everyone. */
export function conditionsOf(service: Service, pod: Pod): { ready: boolean; serving: boolean; terminating: boolean } {
  const serving = isReady(pod)
  const terminating = pod.metadata.deletionTimestamp !== undefined
  return { ready: Boolean(service.spec.publishNotReadyAddresses) || (serving && !terminating), serving, terminating }
}

/** The name under which a headless Service's DNS knows the pod. */
export function hostnameOf(service: Service, pod: Pod): string | undefined {
  return pod.spec.hostname && pod.spec.subdomain === service.metadata.name ? pod.spec.hostname : undefined
}

/** All of a pod that endpoints are made from: a change of anything else does not concern them. */
export function endpointFacts(pod: Pod): string {
  const { labels, deletionTimestamp, uid } = pod.metadata
  return JSON.stringify([
    uid,
    labels,
    deletionTimestamp !== undefined,
    belongs(pod),
    pod.status?.podIPs ?? pod.status?.podIP,
    isReady(pod),
    pod.spec.nodeName,
    pod.spec.hostname,
    pod.spec.subdomain,
  ])
}
