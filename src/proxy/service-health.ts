import type { Service } from '../api/generated/types.ts'
import type { Log } from '../host/log.ts'
import { type Answer, type Listener, listen } from './listen.ts'
import type { PortWithChoice } from './service-rules.ts'

/** What a load balancer learns of a Service with externalTrafficPolicy Local at this node's healthCheckNodePort. */
export interface LocalHealth {
  readonly port: number
  /** Ready endpoints on this node, by distinct addresses. */
  readonly endpoints: number
}

/** Undefined: the Service asks for no such thing. `families`: its ports in each of them; a pod with two addresses counts once. */
export function localHealthOf(
  service: Service | undefined,
  families: readonly (readonly PortWithChoice[])[],
  nodeName: string,
): LocalHealth | undefined {
  const { type, externalTrafficPolicy, healthCheckNodePort } = service?.spec ?? {}
  if (type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local' || !healthCheckNodePort) return undefined
  const counts = families.map((ports) => {
    const ready = ports.flatMap(({ port }) => port.endpoints.filter((endpoint) => endpoint.ready && endpoint.nodeName === nodeName))
    return new Set(ready.map((endpoint) => endpoint.address)).size
  })
  return { port: healthCheckNodePort, endpoints: Math.max(0, ...counts) }
}

interface Served extends LocalHealth {
  readonly listeners: readonly Listener[]
}

interface ServiceHealthDeps {
  /** The addresses to listen at, as they are now. */
  hosts(): Promise<readonly string[]>
  /** Whether the proxy's own rules are up to date. */
  proxyHealthy(): boolean
  log: Log
}

/** The HTTP servers at healthCheckNodePorts: 200 where the node has a ready endpoint of the Service, else 503. */
export class ServiceHealth {
  readonly #deps: ServiceHealthDeps
  readonly #wanted = new Map<string, LocalHealth>()
  readonly #served = new Map<string, Served>()

  constructor(deps: ServiceHealthDeps) {
    this.#deps = deps
  }

  /** What holds for a Service (`ns/name`) from the next {@link apply} on. */
  update(key: string, health: LocalHealth | undefined): void {
    if (health) this.#wanted.set(key, health)
    else this.#wanted.delete(key)
  }

  /** To be called once the rules are in the kernel. A port that cannot be had is said, and tried again with the next call. */
  async apply(): Promise<void> {
    for (const [key, served] of this.#served) {
      if (this.#wanted.get(key)?.port === served.port) continue
      this.#served.delete(key)
      await Promise.all(served.listeners.map((listener) => listener.close()))
    }
    for (const [key, health] of this.#wanted) {
      const served = this.#served.get(key)
      if (served) this.#served.set(key, { ...health, listeners: served.listeners })
      else await this.#open(key, health)
    }
  }

  async close(): Promise<void> {
    this.#wanted.clear()
    await this.apply()
  }

  async #open(key: string, health: LocalHealth): Promise<void> {
    const listeners: Listener[] = []
    try {
      for (const host of await this.#deps.hosts()) {
        listeners.push(await listen({ host, port: health.port, ipv6Only: true }, this.#answer(key)))
      }
      this.#served.set(key, { ...health, listeners })
    } catch (error) {
      await Promise.all(listeners.map((listener) => listener.close()))
      this.#deps.log.error('cannot serve the health of a Service', { service: key, port: health.port, error })
    }
  }

  #answer(key: string): Answer {
    return (_path, response) => {
      const endpoints = this.#served.get(key)?.endpoints ?? 0
      const healthy = this.#deps.proxyHealthy()
      const [namespace, name] = key.split('/')
      response.writeHead(endpoints > 0 && healthy ? 200 : 503, {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(endpoints),
      })
      response.end(
        `${JSON.stringify({ service: { namespace, name }, localEndpoints: endpoints, serviceProxyHealthy: healthy }, null, 2)}\n`,
      )
      return true
    }
  }
}
