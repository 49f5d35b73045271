import { isIP } from 'node:net'
import { openSocketBalancer, type SocketBalancer } from '../bpf/socket-balancer.ts'
import type { BalancedPort } from '../bpf/socket-table.ts'
import type { Log } from '../host/log.ts'
import type { Applied, PortWithChoice, ServiceRules } from './service-rules.ts'

/** Where pods' processes are: a cgroup of version 2. */
export interface SocketBalancingOptions {
  readonly cgroupPath: string
}

/** What is asked of a balancer here; the real one is of the bpf room. */
export type Balancer = Pick<SocketBalancer, 'update' | 'start' | 'repair' | 'endStaleSockets' | 'close'>

/**
 * A port's traffic as sockets have it: to its cluster address by the internal policy; to its outside addresses any endpoint, for what pods
 * send there takes the short way under either policy. Left to the rules beneath: SCTP, node ports on ranges or all addresses of the node,
 * and balancers' addresses that only some sources may use.
 */
export function balancedPorts({ port, choice }: PortWithChoice, nodePortAddresses: readonly string[]): BalancedPort[] {
  const { name, protocol, affinitySeconds, nodePort } = port
  if (protocol === 'sctp') return []
  const internal = port.internalPolicy === 'Local' ? choice.local : choice.cluster
  const outside = [...port.externalIps, ...(port.sourceRanges.length === 0 ? port.loadBalancerIps : [])]
  const external = outside.map((address) => ({ address, port: port.port }))
  if (nodePort !== undefined) {
    external.push(...nodePortAddresses.filter((address) => isIP(address) !== 0).map((address) => ({ address, port: nodePort })))
  }
  const clusterIp = { address: port.clusterIp, port: port.port }
  const shared = { protocol, affinitySeconds }
  if (internal === choice.cluster) {
    return [{ ...shared, name: `${name} ${protocol}`, frontends: [clusterIp, ...external], endpoints: choice.cluster }]
  }
  const inner = { ...shared, name: `${name} ${protocol} internal`, frontends: [clusterIp], endpoints: internal }
  if (external.length === 0) return [inner]
  return [inner, { ...shared, name: `${name} ${protocol}`, frontends: external, endpoints: choice.cluster }]
}

/** Sockets of pods, balanced beside the rules of every family. What it can't do, the rules do: its failures are told and tried again. */
export class SocketBalancing {
  readonly #balancer: Balancer
  readonly #log: Log
  readonly #noted = new Map<string, readonly BalancedPort[]>()
  /** The failures that were told: each is told once until it is over. */
  readonly #told = new Map<string, string>()

  constructor(balancer: Balancer, log: Log) {
    this.#balancer = balancer
    this.#log = log
  }

  /** Undefined where the machine can't do it, which is told once. */
  static open(options: SocketBalancingOptions, log: Log): SocketBalancing | undefined {
    const opened = openSocketBalancer({ ...options, log })
    if ('unavailable' in opened) {
      log.warn('sockets are not balanced on this machine; packets of Services are translated instead', { reason: opened.unavailable })
      return undefined
    }
    return new SocketBalancing(opened, log)
  }

  /** Rules of one family that tell the sockets too. `nodePortAddresses`: where node ports answer. */
  beside(rules: ServiceRules, nodePortAddresses: readonly string[]): ServiceRules {
    return {
      family: rules.family,
      isTold: rules.isTold,
      update: (key, ports) => {
        this.#noted.set(
          `${rules.family} ${key}`,
          ports.flatMap((port) => balancedPorts(port, nodePortAddresses)),
        )
        rules.update(key, ports)
      },
      apply: async (): Promise<Applied | undefined> => {
        try {
          return await rules.apply() // first, for what sockets are not told of is found there
        } finally {
          this.#apply()
        }
      },
      repair: async () => {
        const repaired = await rules.repair()
        return this.#trying('put right', () => this.#balancer.repair()) || repaired
      },
      counts: () => rules.counts(),
      close: () => rules.close(),
    }
  }

  /** Sockets go on being balanced. */
  close(): void {
    this.#balancer.close()
  }

  /** All families have been told of by the time that the first is applied. */
  #apply(): void {
    this.#trying('changed', () => {
      const failures: unknown[] = []
      for (const [key, ports] of this.#noted) {
        try {
          this.#balancer.update(key, ports)
        } catch (error) {
          failures.push(error) // the others go on
        }
      }
      this.#noted.clear()
      if (failures.length > 0) throw failures[0]
    })
    this.#trying('started', () => this.#balancer.start())
    const ended = this.#trying('cleared of dead ends', () => this.#balancer.endStaleSockets())
    if (ended) this.#log.info('UDP sockets that were connected to former endpoints have been ended', { sockets: ended })
  }

  #trying<T>(what: string, act: () => T): T | undefined {
    try {
      const result = act()
      this.#told.delete(what)
      return result
    } catch (error) {
      const { message } = error as Error
      if (this.#told.get(what) === message) return undefined
      this.#told.set(what, message)
      this.#log.warn(`the balancing of sockets could not be ${what}; rules serve meanwhile`, { error })
      return undefined
    }
  }
}
