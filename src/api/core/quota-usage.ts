import type { KubeObject } from '../../machinery/object.ts'
import { parseQuantity, type Quantity } from '../../machinery/quantity.ts'
import type { PersistentVolumeClaim, Pod, Service } from '../generated/types.ts'
import { podLimits, podRequirements, withOverhead } from './pod-amounts.ts'
import { isTerminated } from './pod-facts.ts'

type Resource = { readonly group: string; readonly plural: string }

/** Amounts by the names that quotas have for them. */
export type Usage = Map<string, Quantity>

const compute = ['cpu', 'memory', 'ephemeral-storage']
const ofStorageClass = '.storageclass.storage.k8s.io/'
/** Counted under their plain names too, from before every kind could be. */
const plainlyCounted = new Set([
  'configmaps',
  'persistentvolumeclaims',
  'pods',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
])

const pieces = (count: number): Quantity => parseQuantity(`${count}`)
const countName = ({ group, plural }: Resource): string => `count/${plural}${group ? `.${group}` : ''}`

function isPodResource(name: string): boolean {
  if (name === 'requests.storage' || name.includes(ofStorageClass)) return false
  return compute.includes(name) || name.startsWith('hugepages-') || name.startsWith('requests.') || name.startsWith('limits.')
}

/** Whether objects of the kind use what a quota has under this name. */
export function usesQuotaResource(kind: Resource, name: string): boolean {
  if (name === countName(kind)) return true
  if (kind.group !== '') return false
  if (plainlyCounted.has(kind.plural) && name === kind.plural) return true
  if (kind.plural === 'pods') return isPodResource(name)
  if (kind.plural === 'persistentvolumeclaims') return name === 'requests.storage' || name.includes(ofStorageClass)
  return kind.plural === 'services' && name.startsWith('services.')
}

/** What an object counts for (https://kubernetes.io/docs/concepts/policy/resource-quotas/). */
export function quotaUsageOf(kind: Resource, object: KubeObject): Usage {
  const usage: Usage = new Map([[countName(kind), pieces(1)]])
  if (kind.group !== '' || !plainlyCounted.has(kind.plural)) return usage
  if (kind.plural === 'pods') return podUsage(object as Pod, usage)
  usage.set(kind.plural, pieces(1))
  if (kind.plural === 'persistentvolumeclaims') addClaim(object as PersistentVolumeClaim, usage)
  if (kind.plural === 'services') addService(object as Service, usage)
  return usage
}

/** Pods that have ended use nothing but their place among the objects. */
function podUsage(pod: Pod, usage: Usage): Usage {
  if (isTerminated(pod)) return usage
  usage.set('pods', pieces(1))
  for (const [resource, amount] of withOverhead(podRequirements(pod), pod, false)) {
    usage.set(`requests.${resource}`, amount)
    if (compute.includes(resource) || resource.startsWith('hugepages-')) usage.set(resource, amount)
  }
  for (const [resource, amount] of withOverhead(podLimits(pod), pod, true))
    if (compute.includes(resource)) usage.set(`limits.${resource}`, amount)
  return usage
}

function addClaim({ spec }: PersistentVolumeClaim, usage: Usage): void {
  const storage = spec?.resources?.requests?.storage
  const className = spec?.storageClassName
  if (storage !== undefined) usage.set('requests.storage', parseQuantity(storage))
  if (!className) return
  usage.set(`${className}${ofStorageClass}persistentvolumeclaims`, pieces(1))
  if (storage !== undefined) usage.set(`${className}${ofStorageClass}requests.storage`, parseQuantity(storage))
}

function addService({ spec }: Service, usage: Usage): void {
  const isBalanced = spec?.type === 'LoadBalancer'
  const ports = spec?.ports ?? []
  const nodePorts =
    isBalanced && spec?.allocateLoadBalancerNodePorts === false ? ports.filter(({ nodePort }) => nodePort).length : ports.length
  usage.set('services.nodeports', pieces(isBalanced || spec?.type === 'NodePort' ? nodePorts : 0))
  usage.set('services.loadbalancers', pieces(isBalanced ? 1 : 0))
}
