import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import type { Faults } from '../field-checks.ts'
import type { ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement } from '../generated/types.ts'
import { isStandardForQuotas, quotaResourceNameFaults } from './resource-names.ts'
import { amountFaults } from './resource-validation.ts'

const podAmounts = ['cpu', 'memory'].flatMap((resource) => [resource, `requests.${resource}`, `limits.${resource}`])
const podResources = ['pods', ...podAmounts]
/** What is counted of the objects in a scope. */
const resourcesOf: Readonly<Record<string, readonly string[]>> = {
  BestEffort: ['pods'],
  CrossNamespacePodAffinity: podResources,
  NotBestEffort: podResources,
  NotTerminating: podResources,
  PriorityClass: podResources,
  Terminating: podResources,
  VolumeAttributesClass: ['persistentvolumeclaims', 'requests.storage'],
}
const withoutNames = ['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating', 'CrossNamespacePodAffinity']
const existsRule = `must be 'Exists' when scope is any of ${['Terminating', 'NotTerminating', 'BestEffort']
  .map((scope) => `ResourceQuotaScope${scope}`)
  .join(', ')}, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity`
const conflicts = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const

function* hardFaults(path: string, hard: Readonly<Record<string, string>> = {}): Faults {
  for (const [resource, quantity] of Object.entries(hard)) {
    const at = `${path}[${resource}]`
    yield* quotaResourceNameFaults(at, resource)
    yield* amountFaults(at, resource, quantity)
  }
}

/** Resources that say nothing of a scope's objects. */
function strangeResources(scope: string, hard: Readonly<Record<string, string>> = {}): string[] {
  const own = resourcesOf[scope]
  return own ? Object.keys(hard).filter((resource) => isStandardForQuotas(resource) && !own.includes(resource)) : []
}

function* conflictFaults(scopes: readonly string[], shown: readonly string[] | undefined): Faults {
  for (const pair of conflicts) {
    if (pair.every((scope) => scopes.includes(scope))) yield invalidValue('spec.scopes', shown, 'conflicting scopes')
  }
}

function* scopesFaults({ scopes = [], hard }: ResourceQuotaSpec): Faults {
  for (const scope of scopes) {
    if (!resourcesOf[scope]) yield invalidValue('spec.scopes', scopes, 'unsupported scope')
    for (const _ of strangeResources(scope, hard)) yield invalidValue('spec.scopes', scopes, 'unsupported scope applied to resource')
  }
  yield* conflictFaults(scopes, scopes)
}

function* requirementFaults(path: string, { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement): Faults {
  if (withoutNames.includes(scopeName) && operator !== 'Exists') yield invalidValue(`${path}.operator`, operator, existsRule)
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length > 0) return
    yield required(`${path}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector")
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length === 0) return
    yield invalidValue(`${path}.values`, values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector")
  } else yield invalidValue(`${path}.operator`, operator, 'not a valid selector operator')
}

function* selectorFaults({ scopeSelector, scopes, hard }: ResourceQuotaSpec): Faults {
  const path = 'spec.scopeSelector.matchExpressions'
  const requirements = scopeSelector?.matchExpressions ?? []
  for (const requirement of requirements) {
    const { scopeName } = requirement
    if (!resourcesOf[scopeName]) yield invalidValue(`${path}.scopeName`, scopeName, 'unsupported scope')
    for (const _ of strangeResources(scopeName, hard)) yield invalidValue(path, scopeSelector, 'unsupported scope applied to resource')
    yield* requirementFaults(path, requirement)
  }
  const named = requirements.map(({ scopeName }) => scopeName)
  yield* conflictFaults(named, scopes)
}

export const validateResourceQuota = ({ spec = {} }: ResourceQuota): FieldError[] => [
  ...hardFaults('spec.hard', spec.hard),
  ...scopesFaults(spec),
  ...selectorFaults(spec),
]

/** What is counted would change with the scopes. */
export function validateResourceQuotaUpdate({ spec }: ResourceQuota, previous: ResourceQuota): FieldError[] {
  const [now, before] = [spec?.scopes ?? [], previous.spec?.scopes ?? []]
  const isSame = now.every((scope) => before.includes(scope)) && before.every((scope) => now.includes(scope))
  return isSame ? [] : [invalidValue('spec.scopes', spec?.scopes, 'field is immutable')]
}

export const validateResourceQuotaStatus = ({ status = {} }: ResourceQuota): FieldError[] => [
  ...hardFaults('status.hard', status.hard),
  ...hardFaults('status.used', status.used),
]
