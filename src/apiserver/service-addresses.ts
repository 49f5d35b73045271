import { needsHealthCheckPort, needsNodePorts } from '../api/core/service-facts.ts'
import type { Service, ServicePort } from '../api/generated/types.ts'
import type { Random } from '../host/random.ts'
import { type FieldError, invalidValue } from '../machinery/field-error.ts'
import { ipv4Text, type Network, parseIpv4 } from '../machinery/ipv4.ts'
import type { CachedObject } from './cached-object.ts'
import type { KindCache } from './kind-cache.ts'

export interface PortRange {
  readonly from: number
  readonly to: number
}

interface Options {
  readonly network: Network
  readonly nodePorts: PortRange
  readonly random: Random
}

/** What one Service holds. */
interface Held {
  readonly addresses: readonly number[]
  readonly ports: readonly number[]
}

/**
 * Which Service has which cluster address and node port: an index of the Services in the cache, so it can neither leak
 * nor forget. Writes of Services go through {@link exclusive}, one at a time, each waiting until the index has it.
 */
export class ServiceAddresses {
  readonly #options: Options
  readonly #addresses = new Map<number, string>()
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
    const faults = assignFamilies(service)
    if (faults.length === 0) faults.push(...this.#assignAddress(service, key))
    if (faults.length === 0 && needsNodePorts(service)) faults.push(...this.#assignPorts(service, key))
    if (faults.length === 0 && needsHealthCheckPort(service)) faults.push(...this.#assignHealthCheckPort(service, key))
    return faults
  }

  #assignAddress(service: Service, key: string): FieldError[] {
    const { spec } = service
    const asked = spec.clusterIPs?.[0] ?? spec.clusterIP
    if (asked === 'None') {
      spec.clusterIP = 'None'
      spec.clusterIPs = ['None']
      return []
    }
    const address = asked ? parseIpv4(asked) : this.#freeAddress()
    if (address === undefined) {
      // A text that is no address is for validation to name; here there is none left.
      return asked ? [] : [failedAddress([], 'range is full')]
    }
    const fault = asked ? this.#addressFault(address, asked, key) : undefined
    if (fault) return [failedAddress(spec.clusterIPs ?? [asked as string], fault)]
    spec.clusterIP = ipv4Text(address)
    spec.clusterIPs = [spec.clusterIP]
    return []
  }

  #addressFault(address: number, asked: string, key: string): string | undefined {
    const { first, size, text } = this.#options.network
    if (address <= first || address >= first + size - 1) {
      const head = `failed to allocate IP ${asked}: `
      return `${head}the provided IP (${asked}) is not in the valid range. The range of valid IPs is ${text}`
    }
    const holder = this.#addresses.get(address)
    if (holder !== undefined && holder !== key) return `failed to allocate IP ${asked}: provided IP is already allocated`
    return undefined
  }

  /** Above the band kept for those who ask by number, while there is room there (KEP-3070). */
  #freeAddress(): number | undefined {
    const { first, size } = this.#options.network
    const band = Math.min(Math.max(16, Math.floor(size / 32)), 128)
    const usable = { from: first + 1, to: first + size - 2 }
    const split = first + Math.min(band, size - 2)
    const taken = (address: number): boolean => this.#addresses.has(address)
    return (
      pick({ from: split + 1, to: usable.to }, taken, this.#options.random) ??
      pick({ from: usable.from, to: split }, taken, this.#options.random)
    )
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
    for (const address of addresses) this.#addresses.set(address, item.key)
    for (const port of ports) this.#ports.set(port, item.key)
  }

  #release(item: CachedObject): void {
    const { addresses, ports } = heldBy(item)
    for (const address of addresses) if (this.#addresses.get(address) === item.key) this.#addresses.delete(address)
    for (const port of ports) if (this.#ports.get(port) === item.key) this.#ports.delete(port)
  }
}

function heldBy(item: CachedObject): Held {
  const { spec } = item.object as unknown as Service
  const texts = spec.type === 'ExternalName' ? [] : (spec.clusterIPs ?? [])
  const numbers = [...(spec.ports ?? []).map((port) => port.nodePort), spec.healthCheckNodePort]
  const ports = numbers.filter((port) => port !== undefined && port > 0)
  return { addresses: texts.map(parseIpv4).filter((address) => address !== undefined), ports: ports as number[] }
}

function failedAddress(asked: readonly string[], detail: string): FieldError {
  return invalidValue('spec.clusterIPs', asked, detail)
}

/** This cluster has one family. */
function assignFamilies({ spec }: Service): FieldError[] {
  if (spec.ipFamilyPolicy === 'RequireDualStack') {
    return [invalidValue('spec.ipFamilyPolicy', spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services')]
  }
  const foreign = (spec.ipFamilies ?? []).indexOf('IPv6')
  if (foreign >= 0) return [invalidValue(`spec.ipFamilies[${foreign}]`, 'IPv6', 'not configured on this cluster')]
  spec.ipFamilyPolicy ??= 'SingleStack'
  spec.ipFamilies = ['IPv4']
  return []
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

/** Any number of the range that is not taken: a few at random, then whatever comes next. */
function pick(range: PortRange, taken: (value: number) => boolean, random: Random): number | undefined {
  const size = range.to - range.from + 1
  if (size <= 0) return undefined
  const start = Math.floor(random.float() * size)
  for (let step = 0; step < size; step++) {
    const value = range.from + ((start + step) % size)
    if (!taken(value)) return value
  }
  return undefined
}
