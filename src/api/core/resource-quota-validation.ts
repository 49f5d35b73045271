import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import { type Faults, immutableFaults, qualifiedNameFaults } from '../field-checks.ts'
import type { ResourceQuota, ScopeSelector } from '../generated/types.ts'
import { isNegativeQuantity, isWholeQuantity } from '../quantity-checks.ts'

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
const computeResources = ['cpu', 'memory', 'ephemeral-storage']
const standardResources = new Set([
  ...countedObjects,
  ...computeResources,
  ...computeResources.flatMap((resource) => [`requests.${resource}`, `limits.${resource}`]),
  'requests.storage',
])

const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
]
const conflicts = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const

function* hardFaults(path: string, hard: Readonly<Record<string, string>> = {}): Faults {
  for (const [resource, quantity] of Object.entries(hard)) {
    const at = `${path}[${resource}]`
    yield* qualifiedNameFaults(at, resource)
    const isStandard = standardResources.has(resource) || /^(requests\.)?hugepages-/.test(resource)
    if (!resource.includes('/') && !isStandard) yield invalidValue(at, resource, 'must be a standard resource for quotas')
    if (isNegativeQuantity(quantity)) yield invalidValue(at, quantity, 'must be greater than or equal to 0')
    if (countedObjects.includes(resource) && !isWholeQuantity(quantity)) yield invalidValue(at, quantity, 'must be an integer')
  }
}

function* scopeFaults(given: readonly string[] | undefined): Faults {
  if (!given?.length) return
  for (const scope of given) if (!scopes.includes(scope)) yield invalidValue('spec.scopes', given, 'unsupported scope')
  for (const pair of conflicts) {
    if (pair.every((scope) => given.includes(scope))) yield invalidValue('spec.scopes', given, 'conflicting scopes')
  }
}

function* selectorFaults(selector: ScopeSelector | undefined): Faults {
  const path = 'spec.scopeSelector.matchExpressions'
  for (const { scopeName, operator, values = [] } of selector?.matchExpressions ?? []) {
    if (!scopes.includes(scopeName)) yield invalidValue(`${path}.scopeName`, scopeName, 'unsupported scope')
    const onlyExists = !['PriorityClass', 'VolumeAttributesClass'].includes(scopeName)
    if (onlyExists && operator !== 'Exists') {
      const names =
        'ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort, ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating'
      yield invalidValue(
        `${path}.operator`,
        operator,
        `must be 'Exist' only operator when scope is any of ${names} and ResourceQuotaScopeCrossNamespacePodAffinity`,
      )
    }
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        yield required(`${path}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector")
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        yield invalidValue(`${path}.values`, values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector")
    } else yield invalidValue(`${path}.operator`, operator, 'not a valid selector operator')
  }
}

export const validateResourceQuota = ({ spec = {} }: ResourceQuota): FieldError[] => [
  ...hardFaults('spec.hard', spec.hard),
  ...scopeFaults(spec.scopes),
  ...selectorFaults(spec.scopeSelector),
]

const sorted = (values: readonly string[] | undefined): string[] => [...(values ?? [])].sort()

/** What is counted would change with the scopes. */
export const validateResourceQuotaUpdate = (quota: ResourceQuota, previous: ResourceQuota): FieldError[] => [
  ...immutableFaults('spec.scopes', sorted(quota.spec?.scopes), sorted(previous.spec?.scopes)),
]

export const validateResourceQuotaStatus = ({ status = {} }: ResourceQuota): FieldError[] => [
  ...hardFaults('status.hard', status.hard),
  ...hardFaults('status.used', status.used),
]
