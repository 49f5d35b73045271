import { needsHealthCheckPort, needsNodePorts } from '../../api/core/service-facts.ts'
import type { Service, ServicePort } from '../../api/generated/types.ts'
import type { Random } from '../../host/random.ts'
import { type FieldError, invalidValue } from '../../machinery/field-error.ts'
import { internalError } from '../../machinery/status.ts'
import type { CachedObject } from '../cached-object.ts'
import type { KindCache } from '../kind-cache.ts'
import { pick } from './pick.ts'

export interface PortRange {
  readonly from: number
  readonly to: number
}

/** Which Service has which node port: an index of the Services in the cache, so it can neither leak nor forget. */
export class NodePorts {
  readonly #range: PortRange
  readonly #random: Random
  /** The Service's key, by port. */
  readonly #holders = new Map<number, string>()

  constructor(services: KindCache, range: PortRange, random: Random) {
    this.#range = range
    this.#random = random
    for (const item of services.list(undefined)) this.#hold(item)
    services.onChange(({ item, previous }) => {
      if (previous) this.#release(previous)
      if (item) this.#hold(item)
    })
  }

  /** Fills in the ports that the Service needs and didn't ask for. */
  assign(service: Service, key: string): FieldError[] {
    const faults = needsNodePorts(service) ? this.#assignPorts(service, key) : []
    if (faults.length === 0 && needsHealthCheckPort(service)) this.#assignHealthCheckPort(service, key)
    return faults
  }

  /** Whether the Service has a port that `previous` has not. */
  takes(service: Service, previous: Service | undefined): boolean {
    const before = new Set(previous ? portsOf(previous) : [])
    return portsOf(service).some((port) => !before.has(port))
  }

  #assignPorts(service: Service, key: string): FieldError[] {
    const faults: FieldError[] = []
    const ports = service.spec.ports ?? []
    /** What this Service has asked for or been given: one number may serve several protocols. */
    const own = new Map<number, Set<string>>()
    for (const [index, port] of ports.entries()) {
      if (!port.nodePort) continue
      const fault = this.#fault(port.nodePort, key)
      if (fault) faults.push(invalidValue(`spec.ports[${index}].nodePort`, port.nodePort, fault))
      remember(own, port)
    }
    if (faults.length > 0) return faults
    for (const port of ports) {
      if (port.nodePort) continue
      const chosen = sharedPort(ports, port, own) ?? this.#free(own)
      if (chosen === undefined) throw internalError('failed to allocate a nodePort: range is full')
      port.nodePort = chosen
      remember(own, port)
    }
    return []
  }

  /** Where load balancers ask each node for endpoints of its own: out of the same range, and nobody's node port either. */
  #assignHealthCheckPort({ spec }: Service, key: string): void {
    const own = new Map((spec.ports ?? []).map(({ nodePort }) => [nodePort ?? 0, undefined]))
    const asked = spec.healthCheckNodePort
    if (asked) {
      const fault = own.has(asked) ? 'provided port is already allocated' : this.#fault(asked, key)
      if (fault) throw internalError(`failed to allocate requested HealthCheck NodePort ${asked}: ${fault}`)
      return
    }
    const chosen = this.#free(own)
    if (chosen === undefined) throw internalError('failed to allocate a HealthCheck NodePort 0: range is full')
    spec.healthCheckNodePort = chosen
  }

  #fault(port: number, key: string): string | undefined {
    const { from, to } = this.#range
    if (port < from || port > to) return `provided port is not in the valid range. The range of valid ports is ${from}-${to}`
    const holder = this.#holders.get(port)
    return holder !== undefined && holder !== key ? 'provided port is already allocated' : undefined
  }

  /** Above the band kept for those who ask by number, while there is room there (KEP-3668). */
  #free(own: ReadonlyMap<number, unknown>): number | undefined {
    const { from, to } = this.#range
    const size = to - from + 1
    const band = Math.min(Math.max(16, Math.floor(size / 32)), 128)
    const taken = (port: number): boolean => this.#holders.has(port) || own.has(port)
    // A range too small for a band has none.
    const split = size < 32 ? from : from + band
    return pick({ from: split, to }, taken, this.#random) ?? pick({ from, to: split - 1 }, taken, this.#random)
  }

  #hold(item: CachedObject): void {
    for (const port of portsOf(item.object as Service)) this.#holders.set(port, item.key)
  }

  #release(item: CachedObject): void {
    for (const port of portsOf(item.object as Service)) if (this.#holders.get(port) === item.key) this.#holders.delete(port)
  }
}

function portsOf({ spec }: Service): number[] {
  const numbers = [...(spec.ports ?? []).map((port) => port.nodePort), spec.healthCheckNodePort]
  return numbers.filter((port) => port !== undefined && port > 0) as number[]
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
