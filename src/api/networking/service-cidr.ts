import { isIPv6 } from 'node:net'
import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { cidrFaults, type Faults } from '../field-checks.ts'
import type { ServiceCIDR } from '../generated/types.ts'

function* serviceCidrFaults({ spec = {} as NonNullable<ServiceCIDR['spec']> }: ServiceCIDR): Faults {
  const { cidrs = [] } = spec
  if (cidrs.length === 0) return yield required('spec.cidrs', 'at least one CIDR required')
  if (cidrs.length > 2) return yield invalidValue('spec', spec, 'may only hold up to 2 values')
  if (cidrs.length === 2 && isIPv6(cidrs[0]?.split('/')[0] ?? '') === isIPv6(cidrs[1]?.split('/')[0] ?? '')) {
    yield invalidValue('spec', spec, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96')
  }
  for (const [index, cidr] of cidrs.entries()) yield* cidrFaults(`spec.cidrs[${index}]`, cidr)
}

/** A second family may be added behind the first; nothing else changes. */
function validateUpdate({ spec }: ServiceCIDR, previous: ServiceCIDR): FieldError[] {
  const next = spec?.cidrs ?? []
  const before = previous.spec?.cidrs ?? []
  const grown = before.length === 1 && next.length === 2 && next[0] === before[0]
  return grown || deepEqual(next, before) ? [] : [invalidValue('spec.cidrs', next, 'field is immutable')]
}

export const serviceCidrs = defineKind<ServiceCIDR>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  namespaced: false,
  hasStatus: true,
  columns: [
    nameColumn,
    column('CIDRs', 'string', 'Networks that Services get addresses of.', ({ spec }) => (spec?.cidrs ?? []).join(',')),
    ageColumn,
  ],
  validate: (one): FieldError[] => [...serviceCidrFaults(one)],
  validateUpdate,
})
