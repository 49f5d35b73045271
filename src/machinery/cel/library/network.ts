import { canonicalCidr, canonicalIp } from '../../ip-address.ts'
import { parseIpv4 } from '../../ipv4.ts'
import { parseIpv6 } from '../../ipv6.ts'
import { traversal } from '../budget.ts'
import { type Overload, overload } from '../functions.ts'
import { EvaluationError, Opaque } from '../values.ts'

class IpValue extends Opaque {
  readonly typeName = 'net.IP'
  readonly family: 4 | 6
  readonly bits: bigint
  readonly text: string

  constructor(family: 4 | 6, bits: bigint, text: string) {
    super()
    this.family = family
    this.bits = bits
    this.text = text
  }

  equals(other: Opaque): boolean {
    return other instanceof IpValue && other.text === this.text
  }
}

class CidrValue extends Opaque {
  readonly typeName = 'net.CIDR'
  readonly ip: IpValue
  readonly length: number

  constructor(ip: IpValue, length: number) {
    super()
    this.ip = ip
    this.length = length
  }

  get text(): string {
    return `${this.ip.text}/${this.length}`
  }

  equals(other: Opaque): boolean {
    return other instanceof CidrValue && other.text === this.text
  }

  contains(ip: IpValue): boolean {
    if (ip.family !== this.ip.family) return false
    const free = BigInt((ip.family === 4 ? 32 : 128) - this.length)
    return ip.bits >> free === this.ip.bits >> free
  }
}

/** Undefined, or with an IPv4 address inside of an IPv6 one, for what is no address here. */
function readIp(text: string): IpValue | 'mapped' | undefined {
  const four = parseIpv4(text)
  if (four !== undefined) return new IpValue(4, BigInt(four), canonicalIp(text) as string)
  const six = parseIpv6(text)
  if (six === undefined) return undefined
  return six >> 32n === 0xffffn ? 'mapped' : new IpValue(6, six, canonicalIp(text) as string)
}

function parseIp(text: string): IpValue {
  const ip = readIp(text)
  if (ip === 'mapped') throw new EvaluationError(`IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`)
  if (ip) return ip
  const [address = '', zone] = text.split('%')
  if (zone && readIp(address) instanceof IpValue)
    throw new EvaluationError(`IP address ${JSON.stringify(text)} with zone value is not allowed`)
  const why = `ParseAddr(${JSON.stringify(text)}): unable to parse IP`
  throw new EvaluationError(`IP Address ${JSON.stringify(text)} parse error during conversion from string: ${why}`)
}

function readCidr(text: string): CidrValue | 'mapped' | undefined {
  const [address = '', length = '', ...rest] = text.split('/')
  const ip = readIp(address)
  if (ip === undefined || rest.length > 0 || !/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined
  if (ip === 'mapped') return ip
  return Number(length) <= (ip.family === 4 ? 32 : 128) ? new CidrValue(ip, Number(length)) : undefined
}

function parseCidr(text: string): CidrValue {
  const cidr = readCidr(text)
  const prefix = 'network address parse error during conversion from string: '
  if (cidr === 'mapped') throw new EvaluationError(`${prefix}IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`)
  if (!cidr) throw new EvaluationError(`${prefix}${prefix}netip.ParsePrefix(${JSON.stringify(text)}): ${prefixFault(text)}`)
  return cidr
}

/** Why a text is no range, in Go's words. */
function prefixFault(text: string): string {
  const slash = text.lastIndexOf('/')
  if (slash < 0) return "no '/'"
  const [address, length] = [text.slice(0, slash), text.slice(slash + 1)]
  if (readIp(address) === undefined) return `ParseAddr(${JSON.stringify(address)}): unable to parse IP`
  return /^(?:0|[1-9]\d*)$/.test(length) ? 'prefix length out of range' : `bad bits after slash: ${JSON.stringify(length)}`
}

/** In the range as a whole. */
const containsCidr = (outer: CidrValue, inner: CidrValue): boolean => outer.length <= inner.length && outer.contains(inner.ip)

function masked({ text }: CidrValue): CidrValue {
  return parseCidr(canonicalCidr(text) as string)
}

const inRange = (cidr: string): ((ip: IpValue) => boolean) => {
  const range = parseCidr(cidr)
  return (ip) => range.contains(ip)
}
const ranges = {
  loopback: ['127.0.0.0/8', '::1/128'].map(inRange),
  unspecified: ['0.0.0.0/32', '::/128'].map(inRange),
  multicast: ['224.0.0.0/4', 'ff00::/8'].map(inRange),
  linkLocalUnicast: ['169.254.0.0/16', 'fe80::/10'].map(inRange),
  broadcast: ['255.255.255.255/32'].map(inRange),
}
const isIn =
  (...kinds: (keyof typeof ranges)[]) =>
  (ip: IpValue): boolean =>
    kinds.some((kind) => ranges[kind].some((contains) => contains(ip)))

const linkLocalMulticast = inRange('224.0.0.0/24')
/** Of scope 2, whatever its flags. */
const isLinkLocalMulticast = (ip: IpValue): boolean =>
  ip.family === 4 ? linkLocalMulticast(ip) : ip.bits >> 120n === 0xffn && ((ip.bits >> 112n) & 0xfn) === 2n

const reading = (text: string): number => Math.max(1, traversal(text.length))
const isSpecial = isIn('unspecified', 'loopback', 'multicast', 'linkLocalUnicast', 'broadcast')

export const network: readonly Overload[] = [
  overload('ip(string) -> net.IP', parseIp, reading),
  overload('isIP(string) -> bool', (text: string) => readIp(text) instanceof IpValue, reading),
  overload('ip.isCanonical(string) -> bool', (text: string) => parseIp(text).text === text, reading),
  overload('string(net.IP) -> string', ({ text }: IpValue) => text),
  overload('(net.IP) family() -> int', ({ family }: IpValue) => BigInt(family)),
  overload('(net.IP) isUnspecified() -> bool', isIn('unspecified')),
  overload('(net.IP) isLoopback() -> bool', isIn('loopback')),
  overload('(net.IP) isLinkLocalMulticast() -> bool', isLinkLocalMulticast),
  overload('(net.IP) isLinkLocalUnicast() -> bool', isIn('linkLocalUnicast')),
  overload('(net.IP) isGlobalUnicast() -> bool', (ip: IpValue) => !isSpecial(ip)),
  overload('cidr(string) -> net.CIDR', parseCidr, reading),
  overload('isCIDR(string) -> bool', (text: string) => readCidr(text) instanceof CidrValue, reading),
  overload('string(net.CIDR) -> string', ({ text }: CidrValue) => text),
  overload('(net.CIDR) containsIP(string) -> bool', (cidr: CidrValue, text: string) => cidr.contains(parseIp(text))),
  overload('(net.CIDR) containsIP(net.IP) -> bool', (cidr: CidrValue, ip: IpValue) => cidr.contains(ip)),
  overload('(net.CIDR) containsCIDR(string) -> bool', (cidr: CidrValue, text: string) => containsCidr(cidr, parseCidr(text))),
  overload('(net.CIDR) containsCIDR(net.CIDR) -> bool', containsCidr),
  overload('(net.CIDR) ip() -> net.IP', ({ ip }: CidrValue) => ip),
  overload('(net.CIDR) prefixLength() -> int', ({ length }: CidrValue) => BigInt(length)),
  overload('(net.CIDR) masked() -> net.CIDR', masked),
]
