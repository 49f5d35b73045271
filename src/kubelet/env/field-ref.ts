import type { Container, Pod, ResourceFieldSelector } from '../../api/generated/types.ts'
import { quantityNumber } from '../../machinery/quantity.ts'

export interface NodeFacts {
  readonly nodeName: string
  /** One of each family, the first one first. */
  readonly nodeAddresses: readonly string[]
  readonly podIps: readonly string[]
  /** Allocatable: what limits default to. */
  readonly cpuCores: number
  readonly memoryBytes: number
}

/** A label or annotation map as the downward API prints it: sorted `key="value"` lines. */
function mapText(map: Record<string, string> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n')
}

/** The text behind a fieldPath: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/ . Throws for an unknown path. */
export function fieldText(pod: Pod, fieldPath: string, facts: NodeFacts): string {
  const entry = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(fieldPath)
  if (entry) return pod.metadata[entry[1] as 'labels' | 'annotations']?.[entry[2]!] ?? ''
  switch (fieldPath) {
    case 'metadata.name':
      return pod.metadata.name
    case 'metadata.namespace':
      return pod.metadata.namespace ?? ''
    case 'metadata.uid':
      return pod.metadata.uid
    case 'metadata.labels':
      return mapText(pod.metadata.labels)
    case 'metadata.annotations':
      return mapText(pod.metadata.annotations)
    case 'spec.nodeName':
      return facts.nodeName
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? ''
    case 'status.hostIP':
      return facts.nodeAddresses[0] ?? ''
    case 'status.hostIPs':
      return facts.nodeAddresses.join(',')
    case 'status.podIP':
      return facts.podIps[0] ?? ''
    case 'status.podIPs':
      return facts.podIps.join(',')
    default:
      throw new Error(`unsupported fieldPath: ${fieldPath}`)
  }
}

/** The number behind a resourceFieldRef, divided and rounded up; a missing limit is the node's allocatable. */
export function resourceText(container: Container, selector: ResourceFieldSelector, facts: NodeFacts): string {
  const [list, resource] = selector.resource.split('.', 2) as [string, string]
  const { requests, limits } = container.resources ?? {}
  if (list !== 'limits' && list !== 'requests') throw new Error(`unsupported container resource : ${selector.resource}`)
  const text = list === 'limits' ? limits?.[resource] : (requests?.[resource] ?? limits?.[resource])
  const whole = resource === 'cpu' ? facts.cpuCores : resource === 'memory' ? facts.memoryBytes : 0
  const amount = text !== undefined ? quantityNumber(text) : list === 'limits' ? whole : 0
  const divisor = quantityNumber(selector.divisor || '1') || 1
  return String(Math.ceil(Number((amount / divisor).toPrecision(12))))
}
