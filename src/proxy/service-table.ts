import type { EndpointSlice, Service } from '../api/generated/types.ts'
import { type ChoosingNode, chooseEndpoints, reachableFromOutside } from './choose-endpoints.ts'
import { type AddressFamily, proxiedPorts } from './service-port.ts'
import type { PortWithChoice } from './service-rules.ts'
import { frontendKey, frontendsToCheck, type ServedFrontend, servedFrontends } from './stale-flows.ts'

/** What follows from a Service's new state: its ports with their endpoints, and the frontends whose flows may be stale now. */
export interface ServiceUpdate {
  readonly ports: readonly PortWithChoice[]
  readonly toCheck: readonly ServedFrontend[]
}

/** What of Services has to be remembered whichever rules are made of them: who serves which frontend whose flows are watched. One address family. */
export class ServiceTable {
  readonly #node: () => ChoosingNode
  readonly #family: AddressFamily
  readonly #served = new Map<string, readonly ServedFrontend[]>()
  readonly #frontends = new Map<string, ServedFrontend>()
  readonly #noLocal = new Map<string, { internal: number; external: number }>()

  /** `node` is asked at each update: its zone may change. */
  constructor(options: { node: () => ChoosingNode; family: AddressFamily }) {
    this.#node = options.node
    this.#family = options.family
  }

  /** Takes over a Service's state (`ns/name`; undefined: it is gone). */
  update(key: string, service: Service | undefined, slices: readonly EndpointSlice[]): ServiceUpdate {
    const ports = (service ? proxiedPorts(service, slices, this.#family) : []).map((port) => ({
      port,
      choice: chooseEndpoints(port, this.#node()),
    }))
    const noLocal = countNoLocal(ports)
    if (noLocal.internal + noLocal.external > 0) this.#noLocal.set(key, noLocal)
    else this.#noLocal.delete(key)
    const before = this.#served.get(key) ?? []
    const after = ports.flatMap(({ port }) => servedFrontends(port, this.#family))
    if (ports.length > 0) this.#served.set(key, after)
    else this.#served.delete(key)
    for (const old of before) if (this.#frontends.get(frontendKey(old)) === old) this.#frontends.delete(frontendKey(old))
    for (const frontend of after) this.#frontends.set(frontendKey(frontend), frontend)
    return { ports, toCheck: frontendsToCheck(before, after) }
  }

  /** Who serves a frontend now: a node port or address may have passed from one Service to another. */
  frontend(key: string): ServedFrontend | undefined {
    return this.#frontends.get(key)
  }

  /** All whose flows are watched. */
  frontends(): Iterable<ServedFrontend> {
    return this.#frontends.values()
  }

  /** Service ports whose policy is Local while nobody here serves them, though somebody does elsewhere. */
  noLocal(): { internal: number; external: number } {
    const sum = { internal: 0, external: 0 }
    for (const each of this.#noLocal.values()) {
      sum.internal += each.internal
      sum.external += each.external
    }
    return sum
  }

  /** Services with a port in this family. */
  get size(): number {
    return this.#served.size
  }
}

function countNoLocal(ports: readonly PortWithChoice[]): { internal: number; external: number } {
  const missing = ports.filter(({ choice }) => choice.any && choice.local.length === 0).map(({ port }) => port)
  return {
    internal: missing.filter((port) => port.internalPolicy === 'Local').length,
    external: missing.filter((port) => port.externalPolicy === 'Local' && reachableFromOutside(port)).length,
  }
}
