import { mustRun, systemExec } from '../../src/host/exec.ts'
import type { EtcdPlace } from '../../src/storage/testing/etcd-server.ts'

/** Who may be cut off from whom: the members of an etcd, and two servers, which both live in this namespace. */
export type Party = 'm0' | 'm1' | 'm2' | 'a' | 'b'
const members = ['m0', 'm1', 'm2'] as const

/** Network namespaces of the test's own for three members of etcd, on one bridge, reached from here by one link. */
export class EtcdNetwork {
  readonly #id = `oke${process.pid.toString(36)}`
  /** From the range that is kept for benchmarks (RFC 2544). */
  readonly #subnet = `198.18.${process.pid % 256}`
  readonly places: readonly EtcdPlace[] = members.map((member) => ({
    namespace: this.#namespace(member),
    peer: `${this.#address(member, 'peers')}:2380`,
    clients: [`${this.#address(member, 'a')}:2379`, `${this.#address(member, 'b')}:2379`],
  }))

  static async build(): Promise<EtcdNetwork> {
    const network = new EtcdNetwork()
    try {
      await network.#build()
      return network
    } catch (error) {
      await network.remove()
      throw error
    }
  }

  /** Where the members answer one of the servers. */
  endpoints(server: 'a' | 'b'): string[] {
    return members.map((member) => `http://${this.#address(member, server)}:2379`)
  }

  /** Drops what goes from one to the other, silently; both ways unless told otherwise. One of them is a member. */
  async cut(from: Party, to: Party, ways: 'both' | 'one' = 'both'): Promise<void> {
    await this.#drop(from, to)
    if (ways === 'both') await this.#drop(to, from)
  }

  async heal(): Promise<void> {
    for (const member of members) await this.#inside(this.#namespace(member), 'nft', 'flush', 'chain', 'ip', 'cut', 'drops')
  }

  async remove(): Promise<void> {
    for (const name of [...members, 'bridge']) await systemExec.run('ip', ['netns', 'del', this.#namespace(name)])
    await systemExec.run('ip', ['link', 'del', this.#id])
  }

  /** Each member has an address for its peers and one for each server, so that a rule can tell them apart. */
  #address(member: (typeof members)[number], asker: 'peers' | 'a' | 'b'): string {
    return `${this.#subnet}.${10 * (1 + members.indexOf(member)) + ['peers', 'a', 'b'].indexOf(asker)}`
  }

  /** In the namespace of the one who is to receive it, or else of the one who sends. */
  async #drop(from: Party, to: Party): Promise<void> {
    const isMember = (party: Party): party is (typeof members)[number] => party !== 'a' && party !== 'b'
    const member = isMember(to) ? to : from
    if (!isMember(member)) throw new Error('two servers have nothing to say to one another')
    const other = member === to ? from : to
    const address = isMember(other) ? this.#address(other, 'peers') : this.#address(member, other)
    // A server is known by the address at which it asks, a member by its own.
    const side = (member === to) === isMember(other) ? 'saddr' : 'daddr'
    await this.#inside(this.#namespace(member), 'nft', 'add', 'rule', 'ip', 'cut', 'drops', 'ip', side, address, 'drop')
  }

  #namespace(name: string): string {
    return `${this.#id}-${name}`
  }

  #inside(namespace: string, ...command: string[]): Promise<string> {
    return mustRun(systemExec, 'ip', ['netns', 'exec', namespace, ...command])
  }

  async #build(): Promise<void> {
    const bridge = this.#namespace('bridge')
    await mustRun(systemExec, 'ip', ['netns', 'add', bridge])
    await this.#inside(bridge, 'ip', 'link', 'add', 'br0', 'type', 'bridge')
    await this.#inside(bridge, 'ip', 'link', 'set', 'br0', 'up')
    const plug = async (name: string): Promise<void> => {
      await this.#inside(bridge, 'ip', 'link', 'set', name, 'master', 'br0', 'up')
    }
    await mustRun(systemExec, 'ip', ['link', 'add', this.#id, 'type', 'veth', 'peer', 'name', 'here', 'netns', bridge])
    await mustRun(systemExec, 'ip', ['addr', 'add', `${this.#subnet}.254/24`, 'dev', this.#id])
    await mustRun(systemExec, 'ip', ['link', 'set', this.#id, 'up'])
    await plug('here')
    for (const member of members) {
      const own = this.#namespace(member)
      await mustRun(systemExec, 'ip', ['netns', 'add', own])
      await this.#inside(own, 'ip', 'link', 'set', 'lo', 'up')
      await this.#inside(bridge, 'ip', 'link', 'add', member, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', own)
      await plug(member)
      // The first is what peers see it come from.
      for (const asker of ['peers', 'a', 'b'] as const)
        await this.#inside(own, 'ip', 'addr', 'add', `${this.#address(member, asker)}/24`, 'dev', 'eth0')
      await this.#inside(own, 'ip', 'link', 'set', 'eth0', 'up')
      await this.#inside(own, 'nft', 'add', 'table', 'ip', 'cut')
      await this.#inside(own, 'nft', 'add', 'chain', 'ip', 'cut', 'drops')
      for (const hook of ['input', 'output']) {
        await this.#inside(own, 'nft', `add chain ip cut ${hook} { type filter hook ${hook} priority 0; }`)
        await this.#inside(own, 'nft', 'add', 'rule', 'ip', 'cut', hook, 'jump', 'drops')
      }
    }
  }
}
