import { ownValue } from '../../machinery/equality.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { ResourceQuota } from '../generated/types.ts'
import { validateResourceQuota, validateResourceQuotaStatus, validateResourceQuotaUpdate } from './resource-quota-validation.ts'

/** `cpu: 1/4, pods: 3/10` of what is counted, either requests or limits. */
function usageText({ status }: ResourceQuota, ofLimits: boolean): string {
  return Object.entries(status?.hard ?? {})
    .filter(([resource]) => resource.startsWith('limits.') === ofLimits)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([resource, hard]) => `${resource}: ${ownValue(status?.used, resource) ?? '0'}/${hard}`)
    .join(', ')
}

export const resourceQuotas = defineKind<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  namespaced: true,
  shortNames: ['quota'],
  hasStatus: true,
  columns: [
    nameColumn,
    column('Request', 'string', 'What is asked for at least, of what may be.', (quota) => usageText(quota, false)),
    column('Limit', 'string', 'What may be used at most, of what may be.', (quota) => usageText(quota, true)),
    ageColumn,
  ],
  setDefaults: (quota) => {
    quota.spec ??= {}
  },
  validate: validateResourceQuota,
  validateUpdate: validateResourceQuotaUpdate,
  validateStatusUpdate: validateResourceQuotaStatus,
})
