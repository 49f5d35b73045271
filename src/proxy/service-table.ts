import type { EndpointSlice, Service } from '../api/generated/types.ts'
import type { RuleSet } from '../netfilter/rules.ts'
import { type ChoosingNode, chooseEndpoints } from './choose-endpoints.ts'
import { type DesiredContext, desiredRules } from './desired-rules.ts'
import { type PortRules, portRules } from './port-rules.ts'
import { type ProxiedPort, proxiedPorts } from './service-port.ts'
import { frontendKey, frontendsToCheck, type ServedFrontend, udpFrontends } from './udp-flows.ts'

interface ServiceEntry {
  readonly ports: readonly { readonly port: ProxiedPort; readonly rules: PortRules; readonly frontends: readonly ServedFrontend[] }[]
}

/**
 * Every Service's part of the rules, worked out once a change. Rule sets made from it share the parts that stayed,
 * so that their difference is found without looking into them.
 */
export class ServiceTable {
  readonly #entries = new Map<string, ServiceEntry>()
  readonly #frontends = new Map<string, ServedFrontend>()
  readonly #node: ChoosingNode
  readonly #context: DesiredContext
  #sortedKeys: string[] | undefined = []

  constructor(node: ChoosingNode, context: DesiredContext) {
    this.#node = node
    this.#context = context
  }

  /** Takes over a Service's state (`ns/name`; undefined: it is gone). Answers the UDP frontends whose flows may be stale now. */
  update(key: string, service: Service | undefined, slices: readonly EndpointSlice[]): ServedFrontend[] {
    const before = this.#entries.get(key)
    const ports = (service ? proxiedPorts(service, slices) : []).map((port) => {
      const choice = chooseEndpoints(port, this.#node)
      const frontends = udpFrontends(port, choice, [...this.#context.nodePortAddresses, '127.0.0.1'])
      return { port, rules: portRules(port, choice, this.#context), frontends }
    })
    if (!before || ports.length === 0) this.#sortedKeys = undefined
    if (ports.length > 0) this.#entries.set(key, { ports })
    else this.#entries.delete(key)
    const oldFrontends = (before?.ports ?? []).flatMap((port) => port.frontends)
    const newFrontends = ports.flatMap((port) => port.frontends)
    for (const old of oldFrontends) if (this.#frontends.get(frontendKey(old)) === old) this.#frontends.delete(frontendKey(old))
    for (const frontend of newFrontends) this.#frontends.set(frontendKey(frontend), frontend)
    return frontendsToCheck(oldFrontends, newFrontends)
  }

  /** In an order that depends on the names alone, not on who came first. */
  rules(): RuleSet {
    this.#sortedKeys ??= [...this.#entries.keys()].sort()
    return desiredRules(this.#allRules(this.#sortedKeys), this.#context)
  }

  *#allRules(keys: readonly string[]): Iterable<PortRules> {
    for (const key of keys) for (const port of (this.#entries.get(key) as ServiceEntry).ports) yield port.rules
  }

  /** Who serves a frontend now: a node port or address may have passed from one Service to another. */
  frontend(key: string): ServedFrontend | undefined {
    return this.#frontends.get(key)
  }

  get size(): number {
    return this.#entries.size
  }
}
