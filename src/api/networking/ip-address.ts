import { isIP } from 'node:net'
import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, immutableFaults } from '../field-checks.ts'
import type { IPAddress } from '../generated/types.ts'

function parentText({ spec }: IPAddress): string {
  const parent = spec?.parentRef
  if (!parent) return none
  const resource = `${parent.resource ?? ''}${parent.group ? `.${parent.group}` : ''}`.toLowerCase()
  return [resource, ...(parent.namespace ? [parent.namespace] : []), parent.name].join('/')
}

function* ipAddressFaults({ metadata, spec }: IPAddress): Faults {
  if (metadata.name && !isCanonical(metadata.name))
    yield invalidValue('metadata.name', metadata.name, 'must be a valid IP address in canonical form')
  if (!spec?.parentRef) return yield required('spec.parentRef')
  if (!spec.parentRef.resource) yield required('spec.parentRef.resource')
  if (!spec.parentRef.name) yield required('spec.parentRef.name')
}

/** As Go prints an address: an IPv6 one in lower case with its longest run of zeros left out. */
function isCanonical(name: string): boolean {
  if (isIP(name) === 4) return true
  return isIP(name) === 6 && !name.includes('%') && new URL(`http://[${name}]/`).hostname === `[${name}]`
}

export const ipAddresses = defineKind<IPAddress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  namespaced: false,
  shortNames: ['ip'],
  nameRule: 'path-segment',
  columns: [nameColumn, column('ParentRef', 'string', 'Whose address it is.', parentText), ageColumn],
  validate: (address): FieldError[] => [...ipAddressFaults(address)],
  validateUpdate: (address, previous) => [...immutableFaults('spec.parentRef', address.spec?.parentRef, previous.spec?.parentRef)],
})
