import type { Random } from '../../host/random.ts'
import { canonicalCidr } from '../../machinery/ip-address.ts'
import { ipv4Text, parseIpv4 } from '../../machinery/ipv4.ts'
import { ipv6Text, parseIpv6 } from '../../machinery/ipv6.ts'
import { pick } from './pick.ts'

export type IpFamily = 'IPv4' | 'IPv6'

/** Of a range of more addresses only so many are given out: far more than a cluster has Services. */
const mostAddresses = 2 ** 40

export const familyOf = (addressOrCidr: string): IpFamily => (addressOrCidr.includes(':') ? 'IPv6' : 'IPv4')

/** One network that Services get addresses of. Who has which is not known here. */
export class AddressRange {
  readonly family: IpFamily
  readonly text: string
  readonly #base: bigint
  readonly #size: number

  /** Throws on what is no network. */
  constructor(cidr: string) {
    const text = canonicalCidr(cidr.trim())
    if (text === undefined) throw new Error(`not a network: ${cidr}`)
    const [address = '', bits = ''] = text.split('/')
    this.family = familyOf(text)
    this.text = text
    this.#base = numberOf(address) as bigint
    this.#size = Math.min(2 ** ((this.family === 'IPv6' ? 128 : 32) - Number(bits)), mostAddresses)
  }

  /** How many addresses Services may have of it. */
  get room(): number {
    return Math.max(0, this.#last)
  }

  /** The API's own Service has it. */
  get first(): string {
    return this.#written(1)
  }

  /** Whether a Service may have this address: neither the network's own nor, in IPv4, the broadcast address. */
  contains(address: string): boolean {
    const value = numberOf(address)
    if (value === undefined || familyOf(address) !== this.family) return false
    const distance = value - this.#base
    return distance >= 1n && distance <= BigInt(this.#last)
  }

  /** One that is free, above the band kept for those who ask by number while there is room there (KEP-3070). */
  free(taken: (address: string) => boolean, random: Random): string | undefined {
    const band = this.#size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(this.#size / 16)), 256)
    const isTaken = (at: number): boolean => taken(this.#written(at))
    const at = pick({ from: band + 1, to: this.#last }, isTaken, random) ?? pick({ from: 1, to: band }, isTaken, random)
    return at === undefined ? undefined : this.#written(at)
  }

  /** IPv4 ends with the broadcast address. */
  get #last(): number {
    return this.#size - (this.family === 'IPv4' ? 2 : 1)
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
