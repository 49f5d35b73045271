import { type MessageWriter, messageFlags } from '../netlink/message.ts'
import { compileRule } from './compile.ts'
import { writeExpressions } from './expression-codec.ts'
import * as numbers from './numbers.ts'
import type { BaseHook, Element, NftSet } from './ruleset.ts'
import { writeElement, writeSet } from './set-messages.ts'
import type { Change, Transaction } from './transaction.ts'
import { commentBytes } from './userdata.ts'

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
        this.#message(numbers.msg.newSet, create, change, (to) => writeSet(this.#table.name, change.set, ++this.#setId, to))
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
