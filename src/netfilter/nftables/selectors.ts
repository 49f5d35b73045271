import type { Bytes } from '../netlink/message.ts'
import { type DataType, dataType, registersOf } from './data-types.ts'
import type { Expression, PayloadBase, Register } from './expressions.ts'
import { bytesOf, textOf } from './values.ts'

/** What a rule can read of a packet, by nft's words for it. */
const fields = {
  'ip saddr': payload('ipv4_addr', 'network', 12),
  'ip daddr': payload('ipv4_addr', 'network', 16),
  'ip protocol': payload('inet_proto', 'network', 9),
  'ip6 saddr': payload('ipv6_addr', 'network', 8),
  'ip6 daddr': payload('ipv6_addr', 'network', 24),
  'th sport': payload('inet_service', 'transport', 0),
  'th dport': payload('inet_service', 'transport', 2),
  'tcp flags': payload('tcp_flag', 'transport', 13),
  'meta mark': meta('mark', 'mark'),
  'meta priority': meta('classid', 'priority'),
  'meta l4proto': meta('inet_proto', 'l4proto'),
  'meta nfproto': meta('nf_proto', 'nfproto'),
  'meta skuid': meta('uid', 'skuid'),
  iif: meta('iface_index', 'iif'),
  oif: meta('iface_index', 'oif'),
  iifname: meta('ifname', 'iifname'),
  oifname: meta('ifname', 'oifname'),
  'ct state': ct('ct_state', 'state'),
  'ct direction': ct('ct_dir', 'direction'),
  'ct status': ct('ct_status', 'status'),
  'ct mark': ct('mark', 'mark'),
  'ct original ip saddr': ct('ipv4_addr', 'ip-saddr', 'original'),
  'ct original ip daddr': ct('ipv4_addr', 'ip-daddr', 'original'),
  'ct original ip6 saddr': ct('ipv6_addr', 'ip6-saddr', 'original'),
  'ct original ip6 daddr': ct('ipv6_addr', 'ip6-daddr', 'original'),
  'ct original proto-dst': ct('inet_service', 'proto-dst', 'original'),
  'ct reply ip saddr': ct('ipv4_addr', 'ip-saddr', 'reply'),
  'ct reply ip6 saddr': ct('ipv6_addr', 'ip6-saddr', 'reply'),
  'ct reply proto-src': ct('inet_service', 'proto-src', 'reply'),
  'fib daddr type': fib(['daddr']),
  'fib saddr type': fib(['saddr']),
  'fib daddr . iif type': fib(['daddr', 'iif']),
} as const satisfies Record<string, Field>

interface Field {
  type: DataType
  load(into: Register): Expression
}

export type FieldName = keyof typeof fields

/** One part of a key. */
export type Selector =
  | FieldName
  /** A number below `modulus`, then `offset` added: chosen anew for each packet, or counted up. */
  | { numgen: 'random' | 'inc'; modulus: number; offset?: number }
  /** Some bits of a mark, moved right where `shift` is given. */
  | { of: 'meta mark' | 'ct mark' | 'meta priority'; mask: number; shift?: number }
  /** The first bits of an address, the others 0. */
  | { of: 'ip saddr' | 'ip6 saddr'; prefix: number }

/** What is looked up: one part, or several put together. */
export type Key = Selector | readonly Selector[]

export function partsOf(key: Key): readonly Selector[] {
  return typeof key === 'object' && Array.isArray(key) ? key : [key as Selector]
}

export function selectorType(selector: Selector): DataType {
  if (typeof selector === 'string') return fields[selector].type
  return 'numgen' in selector ? 'index' : fields[selector.of].type
}

export function selectorText(selector: Selector): string {
  if (typeof selector === 'string') return selector
  if ('numgen' in selector) {
    const offset = selector.offset === undefined ? '' : ` offset ${selector.offset}`
    return `numgen ${selector.numgen} mod ${selector.modulus}${offset}`
  }
  if ('prefix' in selector) {
    const { type } = fields[selector.of]
    return `${selector.of} & ${textOf(type, prefixMask(dataType(type).length, selector.prefix))}`
  }
  const masked = `${selector.of} & 0x${selector.mask.toString(16).padStart(8, '0')}`
  return selector.shift === undefined ? masked : `( ${masked} ) >> ${selector.shift}`
}

export const keySelectorText = (key: Key): string => partsOf(key).map(selectorText).join(' . ')

/** Loads a key into the registers from `into` on; parts lie behind each other, each from a register of its own on. */
export function loadKey(key: Key, into: Register): Expression[] {
  let register = into
  return partsOf(key).flatMap((selector) => {
    const loaded = loadSelector(selector, register)
    register += registersOf([selectorType(selector)])
    return loaded
  })
}

function loadSelector(selector: Selector, into: Register): Expression[] {
  if (typeof selector === 'string') return [fields[selector].load(into)]
  if ('numgen' in selector) {
    return [{ name: 'numgen', mode: selector.numgen, modulus: selector.modulus, offset: selector.offset ?? 0, into }]
  }
  if ('prefix' in selector) {
    const { length } = dataType(fields[selector.of].type)
    return [
      fields[selector.of].load(into),
      { name: 'bitwise', from: into, into, length, mask: prefixMask(length, selector.prefix), xor: zeros(length) },
    ]
  }
  const mask = bytesOf('mark', selector.mask)
  const loads: Expression[] = [fields[selector.of].load(into), { name: 'bitwise', from: into, into, length: 4, mask, xor: zeros(4) }]
  if (selector.shift !== undefined) loads.push({ name: 'bitwise', from: into, into, length: 4, shift: 'right', by: selector.shift })
  return loads
}

export const zeros = (length: number): Bytes => '\0'.repeat(length)

export function prefixMask(length: number, bits: number): Bytes {
  if (bits > length * 8) throw new Error(`no prefix is longer than ${length * 8} bits`)
  let mask = ''
  for (let index = 0; index < length; index++) mask += String.fromCharCode((0xff00 >> Math.max(0, Math.min(8, bits - 8 * index))) & 0xff)
  return mask
}

function payload(type: DataType, base: PayloadBase, offset: number): Field {
  return { type, load: (into) => ({ name: 'payload', base, offset, length: dataType(type).length, into }) }
}

function meta(type: DataType, key: string): Field {
  return { type, load: (into) => ({ name: 'meta', key, into }) }
}

function ct(type: DataType, key: string, direction?: 'original' | 'reply'): Field {
  return { type, load: (into) => ({ name: 'ct', key, ...(direction === undefined ? {} : { direction }), into }) }
}

function fib(flags: readonly ('saddr' | 'daddr' | 'iif')[]): Field {
  return { type: 'fib_addrtype', load: (into) => ({ name: 'fib', result: 'type', flags, into }) }
}
