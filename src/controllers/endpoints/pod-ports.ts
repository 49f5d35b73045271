import { isSidecar } from '../../api/core/pod-facts.ts'
import type { DiscoveryV1EndpointPort, Pod, Service, ServicePort } from '../../api/generated/types.ts'

/** A port as endpoints carry it: the number on which the pod listens, under the name that the Service gives it. */
export interface ResolvedPort {
  readonly name: string
  readonly port: number
  readonly protocol: string
  readonly appProtocol?: string
}

/**
 * The pod's number behind one port of a Service: `targetPort`, looked up among the pod's own containers where it is a
 * name, so that two pods may answer it differently. Undefined: this pod has no such port.
 */
function targetPortOf(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort
  if (target === undefined || target === 0 || target === '') return port.port
  if (typeof target === 'number') return target
  const protocol = port.protocol ?? 'TCP'
  const sidecars = (pod.spec.initContainers ?? []).filter(isSidecar)
  for (const container of [...pod.spec.containers, ...sidecars]) {
    const found = container.ports?.find((one) => one.name === target && (one.protocol ?? 'TCP') === protocol)
    if (found) return found.containerPort
  }
  return undefined
}

/** All ports of a Service that this pod has. */
export function portsOf(service: Service, pod: Pod): ResolvedPort[] {
  const resolved: ResolvedPort[] = []
  for (const port of service.spec.ports ?? []) {
    const number = targetPortOf(pod, port)
    if (number === undefined) continue
    const { name = '', protocol = 'TCP', appProtocol } = port
    resolved.push({ name, port: number, protocol, ...(appProtocol ? { appProtocol } : {}) })
  }
  return resolved
}

/** The same for equal sets of ports, whatever their order. */
export function portsKey(ports: readonly (ResolvedPort | DiscoveryV1EndpointPort)[]): string {
  return ports
    .map(({ name, port, protocol, appProtocol }) => `${name ?? ''}/${protocol ?? 'TCP'}/${port ?? ''}/${appProtocol ?? ''}`)
    .sort()
    .join(',')
}
