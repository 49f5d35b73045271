import type { IPAddress, Service } from '../../api/generated/types.ts'
import type { Kind } from '../../api/kind.ts'
import { ipAddresses } from '../../api/registry.ts'
import { timestamp } from '../../host/clock.ts'
import type { Random } from '../../host/random.ts'
import { managedFieldsAfterUpdate } from '../../machinery/apply/managed-fields.ts'
import { apiVersionOf } from '../../machinery/group-version.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { beginMetadata } from '../prepare.ts'
import { familyOf } from './address-range.ts'

/** An IPAddress is the allocation: who makes the object of an address has the address. */
export const ipAddressKind = ipAddresses as unknown as Kind

/** Where a Service is. */
export interface ServiceName {
  readonly namespace: string
  readonly name: string
}

const familyLabel = 'ipaddress.kubernetes.io/ip-family'
const managedByLabel = 'ipaddress.kubernetes.io/managed-by'
const allocator = 'ipallocator.k8s.io'

/** The addresses that a Service holds. */
export function addressesOf({ spec }: Service): readonly string[] {
  if (spec.type === 'ExternalName') return []
  return (spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : [])).filter((address) => address && address !== 'None')
}

export function ipAddressFields(address: string, { namespace, name }: ServiceName): { metadata: object; spec: object } {
  return {
    metadata: { name: address, labels: { [familyLabel]: familyOf(address), [managedByLabel]: allocator } },
    spec: { parentRef: { resource: 'services', namespace, name } },
  }
}

/** The object that says whose an address is, as it is stored. */
export function ipAddressObject(address: string, service: ServiceName, at: { nowMs: number; random: Random }): KubeObject {
  const fields = ipAddressFields(address, service)
  const object = { apiVersion: apiVersionOf(ipAddresses), kind: ipAddresses.kind, ...fields } as unknown as KubeObject
  beginMetadata(ipAddressKind, object, { namespace: undefined, ...at })
  const managedFields = managedFieldsAfterUpdate({
    schema: ipAddresses.schema,
    previous: undefined,
    next: object,
    entries: [],
    manager: 'kube-apiserver',
    apiVersion: object.apiVersion,
    subresource: '',
    time: timestamp(at.nowMs),
  })
  object.metadata = { ...object.metadata, managedFields }
  return object
}

/** Made by the allocator; addresses that others keep are theirs to mind. */
export function isAllocators({ metadata }: IPAddress): boolean {
  return metadata.labels?.[managedByLabel] === allocator
}

export function hasRightLabels(address: IPAddress): boolean {
  return isAllocators(address) && address.metadata.labels?.[familyLabel] === familyOf(address.metadata.name)
}

/** The Service that an address is said to be of. */
export function serviceOf({ spec }: IPAddress): ServiceName | undefined {
  const { group, resource, namespace, name } = spec?.parentRef ?? {}
  if (group || resource !== 'services' || !namespace || !name) return undefined
  return { namespace, name }
}

export function isFor(address: IPAddress, service: ServiceName): boolean {
  const parent = serviceOf(address)
  return parent?.namespace === service.namespace && parent.name === service.name
}
