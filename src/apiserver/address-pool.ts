import type { Random } from '../host/random.ts'
import { canonicalCidr } from '../machinery/ip-address.ts'
import { ipv4Text, parseIpv4 } from '../machinery/ipv4.ts'
import { ipv6Text, parseIpv6 } from '../machinery/ipv6.ts'
import { pick } from './pick.ts'

export type IpFamily = 'IPv4' | 'IPv6'

/** Of a range of more addresses only so many are given out: far more than a cluster has Services. */
const mostAddresses = 2 ** 40

/** The cluster addresses of one family, and which Service (`ns/name`) has which. */
export class AddressPool {
  readonly family: IpFamily
  readonly #text: string
  readonly #base: bigint
  readonly #size: number
  /** By distance from the range's first address. */
  readonly #held = new Map<number, string>()

  /** Throws on anything but a range with room for Services: 4 addresses or more. */
  constructor(cidr: string) {
    const text = canonicalCidr(cidr.trim())
    const [address = '', bits = ''] = text?.split('/') ?? []
    this.family = address.includes(':') ? 'IPv6' : 'IPv4'
    const free = (this.family === 'IPv6' ? 128 : 32) - Number(bits)
    if (text === undefined || free < 2) throw new Error(`not a network with room for Services: ${cidr}`)
    this.#text = text
    this.#base = numberOf(address) as bigint
    this.#size = Math.min(2 ** free, mostAddresses)
  }

  /** The API's own Service has it. */
  get first(): string {
    return this.#written(1)
  }

  hold(address: string, key: string): void {
    const at = this.#distance(address)
    if (at !== undefined) this.#held.set(at, key)
  }

  release(address: string, key: string): void {
    const at = this.#distance(address)
    if (at !== undefined && this.#held.get(at) === key) this.#held.delete(at)
  }

  /** Why a Service cannot have this address; undefined: it can. */
  fault(address: string, key: string): string | undefined {
    const at = this.#distance(address)
    const head = `failed to allocate IP ${address}: `
    if (at === undefined || at === 0 || at > this.#last) {
      return `${head}the provided IP (${address}) is not in the valid range. The range of valid IPs is ${this.#text}`
    }
    const holder = this.#held.get(at)
    return holder !== undefined && holder !== key ? `${head}provided IP is already allocated` : undefined
  }

  /** One that is free, above the band kept for those who ask by number while there is room there (KEP-3070). */
  free(random: Random): string | undefined {
    const band = Math.min(Math.max(16, Math.floor(this.#size / 32)), 128)
    const split = Math.min(band, this.#size - 2)
    const taken = (at: number): boolean => this.#held.has(at)
    const at = pick({ from: split + 1, to: this.#last }, taken, random) ?? pick({ from: 1, to: split }, taken, random)
    return at === undefined ? undefined : this.#written(at)
  }

  /** IPv4 ends with the broadcast address. */
  get #last(): number {
    return this.#size - (this.family === 'IPv4' ? 2 : 1)
  }

  #distance(address: string): number | undefined {
    const value = numberOf(address)
    if (value === undefined || address.includes(':') !== (this.family === 'IPv6')) return undefined
    const distance = value - this.#base
    return distance >= 0n && distance < BigInt(this.#size) ? Number(distance) : undefined
  }

  #written(at: number): string {
    const value = this.#base + BigInt(at)
    return this.family === 'IPv6' ? ipv6Text(value) : ipv4Text(Number(value))
  }
}

function numberOf(address: string): bigint | undefined {
  const four = parseIpv4(address)
  return four === undefined ? parseIpv6(address) : BigInt(four)
}
