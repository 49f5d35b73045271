import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import { labelSelectorFaults } from '../field-checks.ts'
import type { ClusterRole, PolicyRule, Role } from '../generated/types.ts'

export function validateRole({ rules = [] }: Role): FieldError[] {
  return rules.flatMap((rule, i) => validateRule(rule, `rules[${i}]`, { namespaced: true }))
}

export function validateClusterRole({ rules = [], aggregationRule }: ClusterRole): FieldError[] {
  const faults = rules.flatMap((rule, i) => validateRule(rule, `rules[${i}]`, { namespaced: false }))
  if (!aggregationRule) return faults
  const field = 'aggregationRule.clusterRoleSelectors'
  const selectors = aggregationRule.clusterRoleSelectors ?? []
  if (selectors.length === 0) return [...faults, required(field, 'at least one clusterRoleSelector required if aggregationRule is non-nil')]
  const wrong = selectors.flatMap((selector, i) => {
    const own = [...labelSelectorFaults(`${field}[${i}]`, selector)]
    return own.length > 0 ? [...own, invalidValue(`${field}[${i}]`, undefined, 'invalid label selector.')] : []
  })
  return [...faults, ...wrong]
}

function validateRule(rule: PolicyRule, field: string, { namespaced }: { namespaced: boolean }): FieldError[] {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule
  const faults: FieldError[] = []
  if ((verbs ?? []).length === 0) faults.push(required(`${field}.verbs`, 'verbs must contain at least one value'))
  if (nonResourceURLs.length > 0) {
    const paths = `${field}.nonResourceURLs`
    if (namespaced) faults.push(invalidValue(paths, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'))
    if (apiGroups.length + resources.length + resourceNames.length > 0) {
      faults.push(invalidValue(paths, nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs'))
    }
    return faults
  }
  if (apiGroups.length === 0) faults.push(required(`${field}.apiGroups`, 'resource rules must supply at least one api group'))
  if (resources.length === 0) faults.push(required(`${field}.resources`, 'resource rules must supply at least one resource'))
  return faults
}
