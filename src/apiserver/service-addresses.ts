import { needsHealthCheckPort, needsNodePorts } from '../api/core/service-facts.ts'
import type { Service, ServicePort } from '../api/generated/types.ts'
import type { Random } from '../host/random.ts'
import { type FieldError, invalidValue } from '../machinery/field-error.ts'
import { canonicalIp } from '../machinery/ip-address.ts'
import type { AddressPool } from './address-pool.ts'
import type { CachedObject } from './cached-object.ts'
import type { KindCache } from './kind-cache.ts'
import { pick } from './pick.ts'
import { settleFamilies } from './service-families.ts'

export interface PortRange {
  readonly from: number
  readonly to: number
}

interface Options {
  /** Of each family that the cluster has, its first one first. */
  readonly pools: readonly AddressPool[]
  readonly nodePorts: PortRange
  readonly random: Random
}

/** What one Service holds. */
interface Held {
  readonly addresses: readonly string[]
  readonly ports: readonly number[]
}

/**
 * Which Service has which cluster address and node port: an index of the Services in the cache, so it can neither leak
 * nor forget. Writes of Services go through {@link exclusive}, one at a time, each waiting until the index has it.
 */
export class ServiceAddresses {
  readonly #options: Options
  readonly #ports = new Map<number, string>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(services: KindCache, options: Options) {
    this.#options = options
    for (const item of services.list(undefined)) this.#hold(item)
    services.onChange(({ item, previous }) => {
      if (previous) this.#release(previous)
      if (item) this.#hold(item)
    })
  }

  /** Runs alone among all that use it. `run` must not resolve before the cache has what it wrote. */
  exclusive<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#last.then(run)
    this.#last = result.catch(() => {}) // its caller gets the error; the next in line starts either way
    return result
  }

  /** Fills in what the Service needs and didn't ask for; faults where what it asks for cannot be had. Within {@link exclusive}. */
  assign(service: Service, key: string): FieldError[] {
    if (service.spec.type === 'ExternalName') return []
    const families = this.#options.pools.map(({ family }) => family)
    const faults = settleFamilies(service, families)
    if (faults.length === 0) faults.push(...this.#assignAddresses(service, key))
    if (faults.length === 0 && needsNodePorts(service)) faults.push(...this.#assignPorts(service, key))
    if (faults.length === 0 && needsHealthCheckPort(service)) faults.push(...this.#assignHealthCheckPort(service, key))
    return faults
  }

  /** An address of each family that the Service has; those that it asks for, where it does. */
  #assignAddresses({ spec }: Service, key: string): FieldError[] {
    const asked = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : []
    if (asked[0] === 'None') {
      spec.clusterIP = 'None'
      spec.clusterIPs = ['None']
      return []
    }
    const addresses: string[] = []
    for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
      const pool = this.#options.pools.find((each) => each.family === family)
      const wanted = asked[index]
      // A text that is no address, or one of the other family, is for validation to name.
      if (!pool || (wanted !== undefined && wanted !== '' && canonicalIp(wanted)?.includes(':') !== (family === 'IPv6'))) return []
      const fault = wanted ? pool.fault(wanted, key) : undefined
      if (fault) return [failedAddress(spec.clusterIPs ?? [wanted as string], fault)]
      const address = wanted ? canonicalIp(wanted) : pool.free(this.#options.random)
      if (address === undefined) return [failedAddress([], 'range is full')]
      addresses.push(address)
    }
    spec.clusterIPs = addresses
    spec.clusterIP = addresses[0] as string
    return []
  }

  #assignPorts(service: Service, key: string): FieldError[] {
    const faults: FieldError[] = []
    const ports = service.spec.ports ?? []
    /** What this Service has asked for or been given: one number may serve several protocols. */
    const own = new Map<number, Set<string>>()
    for (const [index, port] of ports.entries()) {
      if (!port.nodePort) continue
      const fault = this.#portFault(port.nodePort, key)
      if (fault) faults.push(invalidValue(`spec.ports[${index}].nodePort`, port.nodePort, fault))
      remember(own, port)
    }
    if (faults.length > 0) return faults
    for (const [index, port] of ports.entries()) {
      if (port.nodePort) continue
      const chosen = sharedPort(ports, port, own) ?? this.#freePort(own)
      if (chosen === undefined) return [invalidValue(`spec.ports[${index}].nodePort`, 0, 'failed to allocate a nodePort: range is full')]
      port.nodePort = chosen
      remember(own, port)
    }
    return []
  }

  /** Where load balancers ask each node for endpoints of its own: out of the same range, and nobody's node port either. */
  #assignHealthCheckPort({ spec }: Service, key: string): FieldError[] {
    const own = new Map((spec.ports ?? []).map(({ nodePort }) => [nodePort ?? 0, undefined]))
    const asked = spec.healthCheckNodePort
    if (asked) {
      const fault = own.has(asked) ? 'provided port is already allocated' : this.#portFault(asked, key)
      const path = 'spec.healthCheckNodePort'
      return fault ? [invalidValue(path, asked, `failed to allocate requested HealthCheck NodePort ${asked}: ${fault}`)] : []
    }
    const chosen = this.#freePort(own)
    if (chosen === undefined)
      return [invalidValue('spec.healthCheckNodePort', 0, 'failed to allocate a HealthCheck NodePort: range is full')]
    spec.healthCheckNodePort = chosen
    return []
  }

  #portFault(port: number, key: string): string | undefined {
    const { from, to } = this.#options.nodePorts
    if (port < from || port > to) return `provided port is not in the valid range. The range of valid ports is ${from}-${to}`
    const holder = this.#ports.get(port)
    return holder !== undefined && holder !== key ? 'provided port is already allocated' : undefined
  }

  #freePort(own: ReadonlyMap<number, unknown>): number | undefined {
    const { from, to } = this.#options.nodePorts
    const size = to - from + 1
    const band = Math.min(Math.max(16, Math.floor(size / 32)), 128)
    const taken = (port: number): boolean => this.#ports.has(port) || own.has(port)
    // A range too small for a band has none.
    const split = size < 32 ? from : from + band
    return pick({ from: split, to }, taken, this.#options.random) ?? pick({ from, to: split - 1 }, taken, this.#options.random)
  }

  #hold(item: CachedObject): void {
    const { addresses, ports } = heldBy(item)
    for (const pool of this.#options.pools) for (const address of addresses) pool.hold(address, item.key)
    for (const port of ports) this.#ports.set(port, item.key)
  }

  #release(item: CachedObject): void {
    const { addresses, ports } = heldBy(item)
    for (const pool of this.#options.pools) for (const address of addresses) pool.release(address, item.key)
    for (const port of ports) if (this.#ports.get(port) === item.key) this.#ports.delete(port)
  }
}

function heldBy(item: CachedObject): Held {
  const { spec } = item.object as unknown as Service
  const texts = spec.type === 'ExternalName' ? [] : (spec.clusterIPs ?? [])
  const numbers = [...(spec.ports ?? []).map((port) => port.nodePort), spec.healthCheckNodePort]
  const ports = numbers.filter((port) => port !== undefined && port > 0)
  return { addresses: texts, ports: ports as number[] }
}

function failedAddress(asked: readonly string[], detail: string): FieldError {
  return invalidValue('spec.clusterIPs', asked, detail)
}

function remember(own: Map<number, Set<string>>, port: ServicePort): void {
  const number = port.nodePort as number
  const protocols = own.get(number) ?? new Set()
  protocols.add(port.protocol ?? 'TCP')
  own.set(number, protocols)
}

/** TCP 53 and UDP 53 of one Service get one node port. */
function sharedPort(ports: readonly ServicePort[], port: ServicePort, own: ReadonlyMap<number, ReadonlySet<string>>): number | undefined {
  const twin = ports.find((other) => other.nodePort && other.port === port.port && other.protocol !== port.protocol)?.nodePort
  return twin !== undefined && !own.get(twin)?.has(port.protocol ?? 'TCP') ? twin : undefined
}
