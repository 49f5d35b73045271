import { invalidValue } from '../../machinery/field-error.ts'
import { qualifiedNameFaults as qualifiedNameMessages } from '../../machinery/names.ts'
import { type Faults, qualifiedNameFaults } from '../field-checks.ts'

/** https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/ */

/** Things that are counted, one by one. */
const countedObjects = [
  'configmaps',
  'persistentvolumeclaims',
  'pods',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
  'services.loadbalancers',
  'services.nodeports',
]
const containerResources = ['cpu', 'memory', 'ephemeral-storage']
const quotaResources = new Set([
  ...countedObjects,
  ...containerResources,
  ...containerResources.flatMap((resource) => [`requests.${resource}`, `limits.${resource}`]),
  'requests.storage',
])

export const isHugePages = (name: string): boolean => name.startsWith('hugepages-')
const isQuotaHugePages = (name: string): boolean => /^(requests\.)?hugepages-/.test(name)
/** Of Kubernetes itself: without a domain, or with one below kubernetes.io. */
export const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/')
/** Resources of a vendor: whole units, never shared. A quota for one is called `requests.` and its name, which must be one too. */
export function isExtended(name: string): boolean {
  return !isNative(name) && !name.startsWith('requests.') && qualifiedNameMessages(`requests.${name}`).length === 0
}
export const mayOvercommit = (name: string): boolean => isNative(name) && !isHugePages(name)
export const isCounted = (name: string): boolean => countedObjects.includes(name) || isExtended(name)
export const isStandardForQuotas = (name: string): boolean => quotaResources.has(name) || isQuotaHugePages(name)

export function* resourceNameFaults(path: string, name: string): Faults {
  const own = qualifiedNameFaults(path, name)
  if (own.length > 0) return yield* own
  if (name.includes('/') || name === 'storage' || isStandardForQuotas(name)) return
  yield invalidValue(path, name, 'must be a standard resource type or fully qualified')
}

export function* containerResourceNameFaults(path: string, name: string): Faults {
  yield* resourceNameFaults(path, name)
  if (!name.includes('/')) {
    if (!containerResources.includes(name) && !isHugePages(name))
      yield invalidValue(path, name, 'must be a standard resource for containers')
  } else if (!isNative(name) && !isExtended(name)) yield invalidValue(path, name, "doesn't follow extended resource name standard")
}

export function* quotaResourceNameFaults(path: string, name: string): Faults {
  yield* resourceNameFaults(path, name)
  if (!name.includes('/') && !isStandardForQuotas(name)) yield invalidValue(path, name, 'must be a standard resource for quota')
}
