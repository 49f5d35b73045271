import { isIP, isIPv4, isIPv6 } from 'node:net'
import { deepEqual } from '../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../machinery/field-error.ts'
import { canonicalCidr, canonicalIp } from '../machinery/ip-address.ts'
import { parseIpv6 } from '../machinery/ipv6.ts'
import * as names from '../machinery/names.ts'
import type { LabelSelector, LabelSelectorRequirement } from './generated/types.ts'

/** Validation is written as generators: each `yield`s what is wrong, in the order in which upstream reports it. */
export type Faults = Iterable<FieldError>

type NameCheck = (value: string) => string[]

const fieldCheck =
  (check: NameCheck) =>
  (path: string, value: string): FieldError[] =>
    check(value).map((message) => invalidValue(path, value, message))

export const dnsLabelFaults = fieldCheck(names.dnsLabelFaults)
export const qualifiedNameFaults = fieldCheck(names.qualifiedNameFaults)
export const labelValueFaults = fieldCheck(names.labelValueFaults)
export const labelValueMessages: NameCheck = names.labelValueFaults
export const dataKeyFaults = fieldCheck(names.configMapKeyFaults)
export const portNameFaults = fieldCheck(names.portNameFaults)
export const dns1035LabelFaults = fieldCheck(names.dns1035LabelFaults)
export const pathSegmentFaults = fieldCheck(names.pathSegmentFaults)
export const underscoredSubdomainFaults = fieldCheck(names.underscoredSubdomainFaults)
export const wildcardSubdomainFaults = fieldCheck(names.wildcardSubdomainFaults)

/** With `prefix`, something will be appended to the name: it may end with a dash. */
export function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name
}

export function dnsSubdomainFaults(path: string, value: string, use: 'name' | 'prefix' = 'name'): FieldError[] {
  const checked = use === 'prefix' ? maskTrailingDash(value) : value
  return names.dnsSubdomainFaults(checked).map((message) => invalidValue(path, value, message))
}

export function portNumberFaults(path: string, port: number): FieldError[] {
  return names.portNumberFaults(port).map((message) => invalidValue(path, port, message))
}

/** A port by number, or by the name that a container gives it. */
export function portFaults(path: string, port: number | string | undefined): FieldError[] {
  return typeof port === 'string' ? portNameFaults(path, port) : portNumberFaults(path, port ?? 0)
}

export function* labelsFaults(path: string, labels: Readonly<Record<string, string>> = {}): Faults {
  for (const [key, value] of Object.entries(labels)) {
    yield* qualifiedNameFaults(path, key)
    yield* labelValueFaults(path, value)
  }
}

function* selectorRequirementFaults(path: string, { key, operator, values = [] }: LabelSelectorRequirement): Faults {
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) yield required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) yield forbiddenField(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
  } else yield invalidValue(`${path}.operator`, operator ?? '', 'not a valid selector operator')
  yield* qualifiedNameFaults(`${path}.key`, key ?? '')
  for (const [index, value] of values.entries()) yield* labelValueFaults(`${path}.values[${index}]`, value)
}

export function* labelSelectorFaults(path: string, selector: LabelSelector | undefined): Faults {
  if (!selector) return
  yield* labelsFaults(`${path}.matchLabels`, selector.matchLabels)
  for (const [index, one] of (selector.matchExpressions ?? []).entries()) {
    yield* selectorRequirementFaults(`${path}.matchExpressions[${index}]`, one)
  }
}

/** One of a few words, which defaults fill in. */
export function* choiceFaults(path: string, value: string | undefined, choices: readonly string[]): Faults {
  if (!value) yield required(path)
  else if (!choices.includes(value)) yield notSupported(path, value, choices)
}

/** One of a few words, or none. */
export function* optionalChoiceFaults(path: string, value: string | undefined, choices: readonly string[]): Faults {
  if (value !== undefined && !choices.includes(value)) yield notSupported(path, value, choices)
}

export function* positiveFaults(path: string, value: number | undefined): Faults {
  if (value !== undefined && value <= 0) yield invalidValue(path, value, 'must be greater than zero')
}

export function* nonNegativeFaults(path: string, value: number | undefined): Faults {
  if (value !== undefined && value < 0) yield invalidValue(path, value, 'must be greater than or equal to 0')
}

const maxId = 2 ** 31 - 1

/** Users and groups of a process or file. */
export function* userIdFaults(path: string, id: number | undefined): Faults {
  if (id === undefined || (id >= 0 && id <= maxId)) return
  yield invalidValue(path, id, `must be between 0 and ${maxId}, inclusive`)
}

export function* immutableFaults(path: string, value: unknown, previous: unknown): Faults {
  if (!deepEqual(value, previous)) yield invalidValue(path, value, 'field is immutable')
}

const withoutLeadingZeros = (address: string): string => address.replace(/(^|\.)0+(?=\d)/g, '$1')
/** IPv4 in the clothes of IPv6, such as ::ffff:10.0.0.1: some programs take it for the one, some for the other. */
const isMapped = (address: string): boolean => (parseIpv6(address) ?? 0n) >> 32n === 0xffffn
const isAddress = (text: string): boolean => isIP(text) !== 0 && !text.includes('%')

/** `accepted`: addresses that the object has had before, of when more was allowed. */
export function* ipFaults(path: string, ip: string, accepted: readonly string[] = []): Faults {
  if (accepted.includes(ip)) return
  if (!isAddress(withoutLeadingZeros(ip))) yield invalidValue(path, ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')
  else if (!isAddress(ip)) yield invalidValue(path, ip, 'must not have leading 0s')
  else if (isMapped(ip)) yield invalidValue(path, ip, 'must not be an IPv4-mapped IPv6 address')
}

export function* ipFamilyFaults(path: string, ip: string, family: 'IPv4' | 'IPv6'): Faults {
  if (family === 'IPv4' ? !isIPv4(ip) : !isIPv6(ip)) yield invalidValue(path, ip, `must be a valid ${family} address`)
}

export function* cidrFaults(path: string, cidr: string, accepted: readonly string[] = []): Faults {
  if (accepted.includes(cidr)) return
  const [ip = '', bits = '', ...rest] = cidr.split('/')
  const plain = withoutLeadingZeros(ip)
  const isBits = /^\d+$/.test(bits) && Number(bits) <= (isIPv4(plain) ? 32 : 128)
  if (!isAddress(plain) || !isBits || rest.length > 0) {
    yield invalidValue(path, cidr, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')
  } else if (!isAddress(ip) || /^0\d/.test(bits)) yield invalidValue(path, cidr, 'must not have leading 0s in IP or prefix length')
  else if (isMapped(ip)) yield invalidValue(path, cidr, 'must not have an IPv4-mapped IPv6 address')
  else if (canonicalCidr(cidr) !== `${canonicalIp(ip)}/${bits}`) {
    yield invalidValue(path, cidr, 'must not have bits set beyond the prefix length')
  }
}

/** Addresses that mean something else on every machine cannot be an endpoint. */
export function* ordinaryIpFaults(path: string, ip: string): Faults {
  const lower = ip.toLowerCase()
  if (!isAddress(withoutLeadingZeros(ip))) return yield invalidValue(path, ip, 'must be a valid IP address')
  if (ip === '0.0.0.0' || ip === '::') yield invalidValue(path, ip, `may not be unspecified (${ip})`)
  if (ip.startsWith('127.') || ip === '::1') yield invalidValue(path, ip, 'may not be in the loopback range (127.0.0.0/8, ::1/128)')
  if (ip.startsWith('169.254.') || /^fe[89ab][0-9a-f]:/.test(lower)) {
    yield invalidValue(path, ip, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)')
  }
  if (ip.startsWith('224.0.0.') || /^ff[0-9a-f]2:/.test(lower)) {
    yield invalidValue(path, ip, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)')
  }
}

export function* noBackstepFaults(path: string, file: string): Faults {
  if (file.split('/').includes('..')) yield invalidValue(path, file, "must not contain '..'")
}

/** A path below some directory. */
export function* localPathFaults(path: string, file: string): Faults {
  if (file.startsWith('/')) yield invalidValue(path, file, 'must be a relative path')
  yield* noBackstepFaults(path, file)
}

/** A path of a file that the kubelet writes: names that start with two dots are its own. */
export function* writtenPathFaults(path: string, file: string): Faults {
  yield* localPathFaults(path, file)
  if (file.startsWith('..') && !file.startsWith('../')) yield invalidValue(path, file, "must not start with '..'")
}

/** `example.com/manager`: a domain, and a path behind it. */
export function* domainPrefixedPathFaults(path: string, value: string): Faults {
  if (!value) return yield required(path)
  const [domain = '', ...segments] = value.split('/')
  if (!domain || segments.join('/') === '') {
    return yield invalidValue(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
  }
  yield* dnsSubdomainFaults(path, domain)
  if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(segments.join('/'))) {
    yield invalidValue(path, segments.join('/'), "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')")
  }
}
