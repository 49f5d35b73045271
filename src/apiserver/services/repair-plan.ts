import type { IPAddress, Service } from '../../api/generated/types.ts'
import { addressesOf, hasRightLabels, isAllocators, isFor, type ServiceName, serviceOf } from './ip-address-objects.ts'

export interface RepairPlan {
  /** IPAddresses that nobody has, or that say the wrong thing. */
  readonly remove: readonly IPAddress[]
  /** Addresses that Services have and that no IPAddress tells of, once {@link remove} is done. */
  readonly make: readonly { readonly address: string; readonly service: ServiceName }[]
  /** Services whose address is another's. */
  readonly shared: readonly { readonly address: string; readonly service: ServiceName; readonly other: ServiceName }[]
}

const keyOf = ({ namespace, name }: ServiceName): string => `${namespace}/${name}`

/** What it takes for each address that a Service has to have its IPAddress, and none of the allocator's to be nobody's. */
export function planRepair(services: readonly Service[], addresses: readonly IPAddress[]): RepairPlan {
  const held = new Map(services.map((service) => [keyOf(nameOf(service)), new Set(addressesOf(service))]))
  const holds = (service: ServiceName | undefined, address: string): boolean =>
    service !== undefined && (held.get(keyOf(service))?.has(address) ?? false)
  const known = new Map(addresses.map((address) => [address.metadata.name, address]))
  const remove = new Map<string, IPAddress>()
  const make = new Map<string, ServiceName>()
  const shared: { address: string; service: ServiceName; other: ServiceName }[] = []
  for (const one of services) {
    const service = nameOf(one)
    for (const address of addressesOf(one)) {
      const object = known.get(address)
      const owner = object ? serviceOf(object) : make.get(address)
      if (owner && keyOf(owner) !== keyOf(service) && holds(owner, address)) shared.push({ address, service, other: owner })
      else if (!object) make.set(address, service)
      else if (!isFor(object, service) || !hasRightLabels(object)) {
        remove.set(address, object)
        make.set(address, service)
      }
    }
  }
  for (const object of addresses) {
    const { name } = object.metadata
    if (isAllocators(object) && !holds(serviceOf(object), name)) remove.set(name, object)
  }
  return { remove: [...remove.values()], make: [...make].map(([address, service]) => ({ address, service })), shared }
}

function nameOf({ metadata }: Service): ServiceName {
  return { namespace: metadata.namespace as string, name: metadata.name }
}
