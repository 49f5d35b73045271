import type { IPAddress, Service } from '../../api/generated/types.ts'
import type { Clock } from '../../host/clock.ts'
import type { Random } from '../../host/random.ts'
import { type FieldError, invalidValue } from '../../machinery/field-error.ts'
import { canonicalIp } from '../../machinery/ip-address.ts'
import { internalError } from '../../machinery/status.ts'
import type { Change } from '../../storage/store.ts'
import { encodeValue } from '../cached-object.ts'
import { nextDeletionStep } from '../deletion.ts'
import { type KindCache, storageKey } from '../kind-cache.ts'
import type { WithCommit } from '../objects.ts'
import { familyOf } from './address-range.ts'
import { addressesOf, ipAddressKind, ipAddressObject, isFor, type ServiceName } from './ip-address-objects.ts'
import type { NodePorts } from './node-ports.ts'
import { settleFamilies } from './service-families.ts'
import type { ServiceRanges } from './service-ranges.ts'

interface Deps {
  readonly ranges: ServiceRanges
  /** IPAddress objects. */
  readonly addresses: KindCache
  readonly nodePorts: NodePorts
  readonly clock: Clock
  readonly random: Random
}

/**
 * Cluster addresses and node ports of Services. An address is taken by its IPAddress object, which is made and removed in
 * the very commit that writes the Service: none is ever given twice, leaked or lost, however many servers share the store.
 */
export class ServiceAddresses {
  readonly #deps: Deps
  #last: Promise<unknown> = Promise.resolve()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Runs alone among all that use it. `run` must not resolve before the cache has what it wrote. */
  exclusive<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#last.then(run)
    this.#last = result.catch(() => {}) // its caller gets the error; the next in line starts either way
    return result
  }

  /**
   * Fills in what the Service needs and didn't ask for; faults where what it asks for cannot be had, throws InternalError
   * where nothing is left. Within {@link exclusive}. `key`: the Service's, in the store.
   */
  assign(service: Service, previous: Service | undefined, key: string): FieldError[] {
    if (service.spec.type === 'ExternalName') return []
    const faults = settleFamilies(service, this.#deps.ranges.families)
    if (faults.length === 0) faults.push(...this.#assignAddresses(service, previous))
    if (faults.length === 0) faults.push(...this.#deps.nodePorts.assign(service, key))
    return faults
  }

  /** What a write of a Service takes and gives back, to be committed with it. `after` undefined: the Service goes. */
  changes(before: Service | undefined, after: Service | undefined, service: ServiceName): WithCommit {
    const had = before ? addressesOf(before) : []
    const has = after ? addressesOf(after) : []
    const taken = has.filter((address) => !had.includes(address)).map((address) => this.#taking(address, service))
    const released = had.filter((address) => !has.includes(address)).flatMap((address) => this.#releasing(address, service))
    return { changes: [...taken, ...released], takesPorts: after !== undefined && this.#deps.nodePorts.takes(after, before) }
  }

  /** An address of each family that the Service has; those that it asks for, where it does. */
  #assignAddresses({ spec }: Service, previous: Service | undefined): FieldError[] {
    const asked = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : []
    if (asked[0] === 'None') {
      spec.clusterIP = 'None'
      spec.clusterIPs = ['None']
      return []
    }
    const own = new Set(previous ? addressesOf(previous) : [])
    const addresses: string[] = []
    for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
      const wanted = asked[index]
      // A text that is no address, or one of the other family, is for validation to name.
      if (wanted && (canonicalIp(wanted) === undefined || familyOf(wanted) !== family)) return []
      const fault = wanted && !own.has(wanted) ? this.#fault(wanted) : undefined
      if (fault) return [invalidValue('spec.clusterIPs', spec.clusterIPs ?? [wanted], `failed to allocate IP ${wanted}: ${fault}`)]
      addresses.push(wanted ? (canonicalIp(wanted) as string) : this.#free(family as 'IPv4' | 'IPv6'))
    }
    spec.clusterIPs = addresses
    spec.clusterIP = addresses[0] as string
    return []
  }

  #fault(address: string): string | undefined {
    const text = canonicalIp(address) as string
    const isKnown = this.#deps.ranges.of(familyOf(text)).some((range) => range.contains(text))
    if (!isKnown) return 'the provided network does not match the current range'
    return this.#isTaken(text) ? 'provided IP is already allocated' : undefined
  }

  #free(family: 'IPv4' | 'IPv6'): string {
    for (const range of this.#deps.ranges.of(family)) {
      const address = range.free((one) => this.#isTaken(one), this.#deps.random)
      if (address !== undefined) return address
    }
    throw internalError('failed to allocate a serviceIP: range is full')
  }

  #isTaken(address: string): boolean {
    return this.#deps.addresses.get(undefined, address) !== undefined
  }

  #taking(address: string, service: ServiceName): Change {
    const { clock, random } = this.#deps
    const object = ipAddressObject(address, service, { nowMs: clock.now(), random })
    return { key: storageKey(ipAddressKind, undefined, address), value: encodeValue(object), expect: 0 }
  }

  #releasing(address: string, service: ServiceName): Change[] {
    const item = this.#deps.addresses.get(undefined, address)
    if (!item || !isFor(item.object as IPAddress, service)) return []
    const step = nextDeletionStep(ipAddressKind, item.copy(), {}, this.#deps.clock.now())
    if (step.do === 'nothing') return []
    return [{ key: item.key, value: step.do === 'mark' ? encodeValue(step.object) : undefined, expect: item.revision }]
  }
}
