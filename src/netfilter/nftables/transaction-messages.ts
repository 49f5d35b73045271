import { type Bytes, type MessageWriter, messageFlags } from '../netlink/message.ts'
import { compileRule } from './compile.ts'
import { type DataType, dataType, keyLength, typeNumber } from './data-types.ts'
import { writeData, writeExpression, writeExpressions, writeVerdictData } from './expression-codec.ts'
import * as numbers from './numbers.ts'
import type { BaseHook, Element, NftSet } from './ruleset.ts'
import type { Change, Transaction } from './transaction.ts'
import { byteOrderBytes, commentBytes } from './userdata.ts'

/** Which change a message of a batch carries out, and for elements from which one on. */
export interface MessageOrigin {
  change: Change
  firstElement: number
}

/**
 * Writes a transaction as one batch, each message with a sequence number of its own from `sequence` on: the opening one, then one for each
 * answer's entry, then the closing one. Elements are split, as an attribute is at most 64 KiB long.
 */
export function writeBatch(transaction: Transaction, sequence: number, to: MessageWriter): MessageOrigin[] {
  const batch = new Batch(transaction, sequence, to)
  batch.bound(numbers.batchBegin, sequence)
  for (const change of transaction.changes) batch.change(change)
  batch.acknowledgeLast()
  batch.bound(numbers.batchEnd, sequence + batch.origins.length + 1)
  return batch.origins
}

const elementBytesAtMost = 60_000
const { request, ack, create, append } = messageFlags

class Batch {
  readonly origins: MessageOrigin[] = []
  readonly #to: MessageWriter
  readonly #table: Transaction['table']
  readonly #sequence: number
  #start = 0
  #setId = 0

  constructor({ table }: Transaction, sequence: number, to: MessageWriter) {
    this.#table = table
    this.#sequence = sequence
    this.#to = to
  }

  bound(type: number, sequence: number): void {
    this.#to.end(this.#to.begin(type, request, sequence, 0, numbers.subsystem))
  }

  /** One answer says that the whole batch was taken. */
  acknowledgeLast(): void {
    if (this.origins.length > 0) this.#to.addFlags(this.#start, ack)
  }

  change(change: Change): void {
    switch (change.kind) {
      case 'add table':
        this.#message(numbers.msg.newTable, create, change, (to) => to.text(numbers.table.name, this.#table.name))
        break
      case 'delete table':
        this.#message(numbers.msg.delTable, 0, change, (to) => to.text(numbers.table.name, this.#table.name))
        break
      case 'add chain':
        this.#chain(change)
        break
      case 'delete chain':
        this.#message(numbers.msg.delChain, 0, change, (to) => {
          to.text(numbers.chain.table, this.#table.name)
          to.text(numbers.chain.name, change.chain)
        })
        break
      case 'add rule':
        this.#rule(numbers.msg.newRule, create | append, change, (to) => {
          writeExpressions(compileRule(this.#table, change.rule), numbers.rule.expressions, to)
          if (change.rule.comment !== undefined) to.raw(numbers.rule.userdata, commentBytes(change.rule.comment))
        })
        break
      case 'flush chain':
        this.#rule(numbers.msg.delRule, 0, change, () => undefined)
        break
      case 'delete rule':
        this.#rule(numbers.msg.delRule, 0, change, (to) => to.u64(numbers.rule.handle, change.handle))
        break
      case 'add set':
        this.#message(numbers.msg.newSet, create, change, (to) => this.#set(change.set, to))
        break
      case 'delete set':
        this.#message(numbers.msg.delSet, 0, change, (to) => {
          to.text(numbers.set.table, this.#table.name)
          to.text(numbers.set.name, change.set.name)
        })
        break
      case 'flush set':
        this.#message(numbers.msg.delSetElem, 0, change, (to) => this.#elementsOwner(change.set, to))
        break
      case 'add elements':
        this.#elements(numbers.msg.newSetElem, create, change)
        break
      case 'delete elements':
        this.#elements(numbers.msg.delSetElem, 0, change)
        break
      case 'add counter':
        this.#counter(numbers.msg.newObj, create, change)
        break
      case 'delete counter':
        this.#counter(numbers.msg.delObj, 0, change)
        break
    }
  }

  #message(type: number, flags: number, change: Change, write: (to: MessageWriter) => void, firstElement = 0): void {
    this.origins.push({ change, firstElement })
    const family = numbers.families[this.#table.family]
    this.#start = this.#to.begin((numbers.subsystem << 8) | type, request | flags, this.#sequence + this.origins.length, family)
    write(this.#to)
    this.#to.end(this.#start)
  }

  #chain(change: Extract<Change, { kind: 'add chain' }>): void {
    this.#message(numbers.msg.newChain, create, change, (to) => {
      to.text(numbers.chain.table, this.#table.name)
      to.text(numbers.chain.name, change.chain)
      if (change.hook !== undefined) writeHook(change.hook, to)
    })
  }

  #rule(type: number, flags: number, change: Extract<Change, { chain: string }>, write: (to: MessageWriter) => void): void {
    this.#message(type, flags, change, (to) => {
      to.text(numbers.rule.table, this.#table.name)
      to.text(numbers.rule.chain, change.chain)
      write(to)
    })
  }

  #counter(type: number, flags: number, change: Extract<Change, { counter: string }>): void {
    this.#message(type, flags, change, (to) => {
      to.text(numbers.object.table, this.#table.name)
      to.text(numbers.object.name, change.counter)
      to.u32(numbers.object.type, numbers.objectCounter)
      if (change.kind === 'add counter') to.endNest(to.nest(numbers.object.data))
    })
  }

  #set(set: NftSet, to: MessageWriter): void {
    to.text(numbers.set.table, this.#table.name)
    to.text(numbers.set.name, set.name)
    to.u32(numbers.set.id, ++this.#setId)
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

  #elementsOwner(set: NftSet, to: MessageWriter): void {
    to.text(numbers.elemList.table, this.#table.name)
    to.text(numbers.elemList.set, set.name)
  }

  #elements(type: number, flags: number, change: Extract<Change, { kind: 'add elements' | 'delete elements' }>): void {
    const { set, elements } = change
    for (let next = 0; next < elements.length; ) {
      const first = next
      this.#message(
        type,
        flags,
        change,
        (to) => {
          this.#elementsOwner(set, to)
          const list = to.nest(numbers.elemList.elements)
          while (next < elements.length && to.length - list < elementBytesAtMost) {
            writeElement(set, elements[next] as Element, to)
            next++
          }
          to.endNest(list)
        },
        first,
      )
    }
  }
}

function writeHook({ type, hook, priority, policy = 'accept' }: BaseHook, to: MessageWriter): void {
  const nest = to.nest(numbers.chain.hook)
  to.u32(numbers.hook.number, numbers.hooks[hook])
  to.u32(numbers.hook.priority, priority)
  to.endNest(nest)
  to.u32(numbers.chain.policy, policy === 'drop' ? 0 : 1)
  to.text(numbers.chain.type, type)
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

function writeElement(set: NftSet, element: Element, to: MessageWriter): void {
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
