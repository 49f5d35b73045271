/** The kernel's own descriptions of tables, chains, rules, sets and elements, read into {@link HeldTable}s. */
import type { Attributes, Bytes, Message } from '../netlink/message.ts'
import { attributesIn } from '../netlink/message.ts'
import { dataValue, dataVerdict } from './data-codec.ts'
import { typesOfNumber } from './data-types.ts'
import { readExpression, readExpressionList } from './expression-codec.ts'
import * as numbers from './numbers.ts'
import type { AnyFamily, BaseHook, HeldChain, HeldElement, HeldRule, HeldSet, HeldTable, HookName } from './ruleset.ts'
import { previous } from './set-messages.ts'
import { commentIn } from './userdata.ts'

const familyNames = new Map<number, AnyFamily>(Object.entries(numbers.families).map(([name, number]) => [number, name as AnyFamily]))
const hookNames = new Map<number, HookName>(Object.entries(numbers.hooks).map(([name, number]) => [number, name as HookName]))
const chainTypes: readonly string[] = ['filter', 'nat', 'route'] satisfies BaseHook['type'][]

export const familyOf = (message: Message): AnyFamily | undefined => familyNames.get(message.family)

export function tableFrom(message: Message): HeldTable | undefined {
  const [family, name] = [familyOf(message), message.attributes.text(numbers.table.name)]
  if (family === undefined || name === undefined) return undefined
  const dormant = ((message.attributes.u32(numbers.table.flags) ?? 0) & 1) !== 0
  return { family, name, dormant, sets: [], chains: [], counters: [] }
}

export function chainFrom({ attributes, family }: Message): HeldChain | undefined {
  const name = attributes.text(numbers.chain.name)
  if (name === undefined) return undefined
  const hook = attributes.nested(numbers.chain.hook)
  if (hook === undefined) return { name, rules: [] }
  const [number, priority] = [hook.u32(numbers.hook.number), hook.u32(numbers.hook.priority)]
  const type = attributes.text(numbers.chain.type) ?? ''
  const ip = family === numbers.families.ip || family === numbers.families.ip6 || family === numbers.families.inet
  const hookName = hookNames.get(number ?? -1)
  if (!ip || hookName === undefined || priority === undefined || !chainTypes.includes(type)) return { name, foreignHook: true, rules: [] }
  const policy = attributes.u32(numbers.chain.policy) === 0 ? 'drop' : 'accept'
  return { name, hook: { type: type as BaseHook['type'], hook: hookName, priority: priority | 0, policy }, rules: [] }
}

export function ruleFrom({ attributes }: Message): { chain: string; rule: HeldRule } | undefined {
  const [chain, handle] = [attributes.text(numbers.rule.chain), attributes.u64(numbers.rule.handle)]
  if (chain === undefined || handle === undefined) return undefined
  const comment = commentIn(attributes.raw(numbers.rule.userdata))
  const expressions = readExpressionList(attributes.nested(numbers.rule.expressions))
  const counters = expressions.filter((expression) => expression.name === 'counter')
  const [first] = counters
  const counted = first === undefined ? {} : { counted: { packets: first.packets, bytes: first.bytes } }
  for (const counter of counters) Object.assign(counter, { packets: 0, bytes: 0 })
  return { chain, rule: { handle, expressions, ...counted, ...(comment === undefined ? {} : { comment }) } }
}

export function setFrom({ attributes }: Message): HeldSet | undefined {
  const [name, keyLength, keyType] = [
    attributes.text(numbers.set.name),
    attributes.u32(numbers.set.keyLength),
    attributes.u32(numbers.set.keyType),
  ]
  if (name === undefined || keyLength === undefined) return undefined
  const flags = attributes.u32(numbers.set.flags) ?? 0
  const has = (flag: number): boolean => (flags & flag) !== 0
  const { anonymous, interval, concat, map, object, timeout, dynamic } = numbers.setFlags
  const data = has(object) ? 'counter' : has(map) ? mapData(attributes) : undefined
  const size = attributes.nested(numbers.set.desc)?.u32(numbers.setDesc.size)
  return {
    name,
    key: typesOfNumber(keyType ?? 0, keyLength),
    keyLength,
    dataLength: attributes.u32(numbers.set.dataLength) ?? 0,
    anonymous: has(anonymous),
    ...(data === undefined ? {} : { data }),
    ...(has(interval) ? { interval: true } : {}),
    ...(has(concat) ? { concatenated: true } : {}),
    ...(has(dynamic) ? { dynamic: true } : {}),
    ...(has(timeout) ? { timeoutMs: attributes.u64(numbers.set.timeout) ?? 0 } : {}),
    ...(size === undefined || size === 0 ? {} : { size }),
    ...(attributes.payload(numbers.set.expr) === undefined ? {} : { counter: true }),
    elements: [],
  }
}

function mapData(attributes: Attributes): HeldSet['data'] {
  const type = attributes.u32(numbers.set.dataType) ?? 0
  if (type === numbers.dataTypeVerdict) return 'verdict'
  // A map with data of types not known here stays a map.
  return typesOfNumber(type, attributes.u32(numbers.set.dataLength) ?? 0) ?? []
}

export function counterFrom({ attributes }: Message): HeldTable['counters'][number] | undefined {
  const [name, type, data] = [
    attributes.text(numbers.object.name),
    attributes.u32(numbers.object.type),
    attributes.nested(numbers.object.data),
  ]
  if (name === undefined || data === undefined || type !== numbers.objectCounter) return undefined
  return { name, packets: data.u64(2) ?? 0, bytes: data.u64(1) ?? 0 }
}

/** Elements of one message of a dump, ends of ranges still as elements of their own (their `flags` say so). */
export interface RawElement {
  element: HeldElement
  isEnd: boolean
}

export function elementsFrom({ attributes }: Message): { set: string; elements: RawElement[] } | undefined {
  const set = attributes.text(numbers.elemList.set)
  const list = attributes.nested(numbers.elemList.elements)
  if (set === undefined) return undefined
  return { set, elements: (list?.list ?? []).map(({ payload }) => elementFrom(attributesIn(payload))) }
}

function elementFrom(from: Attributes): RawElement {
  const flags = from.u32(numbers.elem.flags) ?? 0
  const element: HeldElement = { key: dataValue(from, numbers.elem.key) ?? '' }
  if ((flags & numbers.elemFlags.catchAll) !== 0) element.catchAll = true
  const end = dataValue(from, numbers.elem.keyEnd)
  if (end !== undefined && end !== element.key) element.end = end
  const data = from.payload(numbers.elem.data)
  if (data !== undefined) {
    const [value, verdict] = [dataValue(from, numbers.elem.data), dataVerdict(from, numbers.elem.data)]
    if (value !== undefined) element.data = value
    else if (verdict !== undefined) element.verdict = verdict
  }
  const counter = from.text(numbers.elem.objref)
  if (counter !== undefined) element.counter = counter
  const [timeoutMs, expiresMs] = [from.u64(numbers.elem.timeout), from.u64(numbers.elem.expiration)]
  if (timeoutMs !== undefined && timeoutMs > 0) element.timeoutMs = timeoutMs
  if (expiresMs !== undefined && expiresMs > 0) element.expiresMs = expiresMs
  const comment = commentIn(from.raw(numbers.elem.userdata))
  if (comment !== undefined) element.comment = comment
  readElementCounter(from, element)
  return { element, isEnd: (flags & numbers.elemFlags.intervalEnd) !== 0 }
}

function readElementCounter(from: Attributes, element: HeldElement): void {
  const one = from.nested(numbers.elem.expr)
  const each = one === undefined ? readExpressionList(from.nested(numbers.elem.expressions)) : [readExpression(one)]
  for (const expression of each) {
    if (expression.name !== 'counter') continue
    element.packets = expression.packets
    element.bytes = expression.bytes
  }
}

/** Ranges put together: an element runs until the next one's key, an end if it has one. */
export function joinRanges(raw: readonly RawElement[]): HeldElement[] {
  const sorted = [...raw].sort((a, b) => compareBytes(a.element.key, b.element.key) || Number(b.isEnd) - Number(a.isEnd))
  const elements: HeldElement[] = []
  for (const [index, { element, isEnd }] of sorted.entries()) {
    if (isEnd) continue
    const after = sorted[index + 1]?.element.key
    const last = element.catchAll ? element.key : after === undefined ? '\xff'.repeat(element.key.length) : previous(after)
    elements.push(last === element.key ? element : { ...element, end: last })
  }
  return elements
}

const compareBytes = (a: Bytes, b: Bytes): number => (a < b ? -1 : a > b ? 1 : 0)
