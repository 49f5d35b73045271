import type { Bytes, MessageWriter } from '../netlink/message.ts'
import { writeData, writeVerdictData } from './data-codec.ts'
import { type DataType, dataType, keyLength, typeNumber } from './data-types.ts'
import { writeExpression } from './expression-codec.ts'
import * as numbers from './numbers.ts'
import type { Element, NftSet } from './ruleset.ts'
import { byteOrderBytes, commentBytes } from './userdata.ts'

/** What a new set is. `id` is its own within the batch. */
export function writeSet(table: string, set: NftSet, id: number, to: MessageWriter): void {
  to.text(numbers.set.table, table)
  to.text(numbers.set.name, set.name)
  to.u32(numbers.set.id, id)
  to.u32(numbers.set.flags, setFlagsOf(set))
  to.u32(numbers.set.keyType, typeNumber(set.key))
  to.u32(numbers.set.keyLength, keyLength(set.key))
  if (set.data === 'counter') to.u32(numbers.set.objectType, numbers.objectCounter)
  else if (set.data === 'verdict') {
    to.u32(numbers.set.dataType, numbers.dataTypeVerdict)
    to.u32(numbers.set.dataLength, 16)
  } else if (set.data !== undefined) {
    to.u32(numbers.set.dataType, typeNumber(set.data))
    to.u32(numbers.set.dataLength, keyLength(set.data))
  }
  if (set.timeoutMs !== undefined && set.timeoutMs > 0) to.u64(numbers.set.timeout, set.timeoutMs)
  writeSetDescription(set, to)
  to.raw(numbers.set.userdata, byteOrderBytes(orderOf(set.key), Array.isArray(set.data) ? orderOf(set.data) : undefined))
  if (set.counter) {
    const nest = to.nest(numbers.set.expr)
    writeExpression({ name: 'counter', packets: 0, bytes: 0 }, to)
    to.endNest(nest)
  }
}

const orderOf = (types: readonly DataType[]): 'host' | 'network' => (types.length === 1 ? dataType(types[0] as DataType).order : 'network')

/** Ranges of several parts are a kind of set of their own in the kernel, with the end in the element; others have the end as an element. */
const isConcatenatedInterval = (set: NftSet): boolean => set.interval === true && set.key.length > 1

function setFlagsOf(set: NftSet): number {
  const { map, object, interval, concat, dynamic, timeout } = numbers.setFlags
  return (
    (set.data === undefined ? 0 : set.data === 'counter' ? object : map) |
    (set.interval ? interval : 0) |
    (isConcatenatedInterval(set) ? concat : 0) |
    (set.dynamic ? dynamic : 0) |
    (set.timeoutMs === undefined ? 0 : timeout)
  )
}

function writeSetDescription(set: NftSet, to: MessageWriter): void {
  const size = set.size ?? (set.dynamic ? 65_535 : undefined)
  if (size === undefined && !isConcatenatedInterval(set)) return
  const description = to.nest(numbers.set.desc)
  if (size !== undefined) to.u32(numbers.setDesc.size, size)
  if (isConcatenatedInterval(set)) {
    const parts = to.nest(numbers.setDesc.concat)
    for (const type of set.key) {
      const part = to.nest(numbers.listElem)
      to.u32(numbers.setFieldLength, dataType(type as DataType).length)
      to.endNest(part)
    }
    to.endNest(parts)
  }
  to.endNest(description)
}

export function writeElement(set: NftSet, element: Element, to: MessageWriter): void {
  const nest = to.nest(numbers.listElem)
  writeData(to, numbers.elem.key, element.key)
  if (isConcatenatedInterval(set)) writeData(to, numbers.elem.keyEnd, element.end ?? element.key)
  if (element.data !== undefined) writeData(to, numbers.elem.data, element.data)
  else if (element.verdict !== undefined) writeVerdictData(to, numbers.elem.data, element.verdict)
  else if (element.counter !== undefined) to.text(numbers.elem.objref, element.counter)
  if (element.timeoutMs !== undefined) to.u64(numbers.elem.timeout, element.timeoutMs)
  if (element.comment !== undefined) to.raw(numbers.elem.userdata, commentBytes(element.comment))
  to.endNest(nest)
  if (set.interval && !isConcatenatedInterval(set)) writeIntervalEnd(element.end ?? element.key, to)
}

/** The first key behind a range; a range up to the last key of all has no end. */
function writeIntervalEnd(last: Bytes, to: MessageWriter): void {
  const after = next(last)
  if (after === undefined) return
  const nest = to.nest(numbers.listElem)
  writeData(to, numbers.elem.key, after)
  to.u32(numbers.elem.flags, numbers.elemFlags.intervalEnd)
  to.endNest(nest)
}

/** One more, as a number in network byte order, which is how ranges are ordered. */
export function next(bytes: Bytes): Bytes | undefined {
  for (let index = bytes.length - 1; index >= 0; index--) {
    const byte = bytes.charCodeAt(index)
    if (byte < 255) return bytes.slice(0, index) + String.fromCharCode(byte + 1) + '\0'.repeat(bytes.length - 1 - index)
  }
  return undefined
}

/** One less; the way back from {@link next}. */
export function previous(bytes: Bytes): Bytes {
  for (let index = bytes.length - 1; index >= 0; index--) {
    const byte = bytes.charCodeAt(index)
    if (byte > 0) return bytes.slice(0, index) + String.fromCharCode(byte - 1) + '\xff'.repeat(bytes.length - 1 - index)
  }
  return '\xff'.repeat(bytes.length)
}
