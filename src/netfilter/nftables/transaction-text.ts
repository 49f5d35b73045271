import type { Bytes } from '../netlink/message.ts'
import { type DataType, dataType, exampleOf, splitParts } from './data-types.ts'
import { verdictText } from './expressions.ts'
import type { BaseHook, Element, NftSet } from './ruleset.ts'
import { durationText, quoted, ruleText } from './statement-text.ts'
import type { Change, Transaction } from './transaction.ts'
import { keyText, textOf } from './values.ts'

/** A transaction as `nft -f` reads it: one line a change. */
export function transactionText({ table, changes }: Transaction): string {
  const owner = `${table.family} ${table.name}`
  return changes.map((change) => `${changeText(table.family, owner, change)}\n`).join('')
}

function changeText(family: Transaction['table']['family'], owner: string, change: Change): string {
  switch (change.kind) {
    case 'add table':
    case 'delete table':
      return `${change.kind} ${owner}`
    case 'add chain':
      return `add chain ${owner} ${change.chain}${change.hook === undefined ? '' : ` { ${hookText(change.hook)} }`}`
    case 'delete chain':
    case 'flush chain':
      return `${change.kind} ${owner} ${change.chain}`
    case 'add rule':
      return `add rule ${owner} ${change.chain} ${ruleText(family, change.rule)}`
    case 'delete rule':
      return `delete rule ${owner} ${change.chain} handle ${change.handle}`
    case 'add set':
      return `add ${setWord(change.set)} ${owner} ${change.set.name} { ${setText(change.set)} }`
    case 'delete set':
    case 'flush set':
      return `${change.kind.split(' ')[0]} ${setWord(change.set)} ${owner} ${change.set.name}`
    case 'add elements':
    case 'delete elements':
      return elementsText(change.kind === 'add elements' ? 'add' : 'delete', owner, change.set, change.elements)
    case 'add counter':
    case 'delete counter':
      return `${change.kind} ${owner} ${change.counter}`
  }
}

const setWord = (set: NftSet): string => (set.data === undefined ? 'set' : 'map')

function hookText({ type, hook, priority, policy = 'accept' }: BaseHook): string {
  return `type ${type} hook ${hook} priority ${priority} ; policy ${policy} ;`
}

function setText(set: NftSet): string {
  const flags = [
    ...(set.interval ? ['interval'] : []),
    ...(set.dynamic ? ['dynamic'] : []),
    ...(set.timeoutMs === undefined ? [] : ['timeout']),
  ]
  const parts = [typeText(set)]
  if (flags.length > 0) parts.push(`flags ${flags.join(',')}`)
  if (set.timeoutMs !== undefined && set.timeoutMs > 0) parts.push(`timeout ${durationText(set.timeoutMs)}`)
  if (set.size !== undefined) parts.push(`size ${set.size}`)
  if (set.counter) parts.push('counter')
  return parts.map((part) => `${part} ;`).join(' ')
}

function typeText(set: NftSet): string {
  const byExample = [...set.key, ...(Array.isArray(set.data) ? set.data : [])].some((type) => dataType(type).example !== undefined)
  const join = (types: readonly DataType[]): string => types.map((type) => (byExample ? exampleOf(type) : type)).join(' . ')
  const data = set.data === undefined ? '' : ` : ${typeof set.data === 'string' ? set.data : join(set.data)}`
  return `${byExample ? 'typeof' : 'type'} ${join(set.key)}${data}`
}

function elementsText(word: string, owner: string, set: NftSet, elements: readonly Element[]): string {
  return `${word} element ${owner} ${set.name} { ${elements.map((element) => elementText(set, element)).join(', ')} }`
}

/** `10.96.0.1 . tcp . 80 : 10.244.0.5 . 8080` */
export function elementText(set: Pick<NftSet, 'key' | 'data'>, element: Element): string {
  const key = element.end === undefined ? keyText(set.key, element.key) : rangeText(set.key, element.key, element.end)
  const timeout = element.timeoutMs === undefined ? '' : ` timeout ${durationText(element.timeoutMs)}`
  const comment = element.comment === undefined ? '' : ` comment ${quoted(element.comment)}`
  return `${key}${timeout}${comment}${dataText(set, element)}`
}

function dataText(set: Pick<NftSet, 'data'>, { data, verdict, counter }: Element): string {
  if (verdict !== undefined) return ` : ${verdictText(verdict)}`
  if (counter !== undefined) return ` : ${quoted(counter)}`
  return data === undefined ? '' : ` : ${keyText(set.data as readonly DataType[], data)}`
}

function rangeText(types: readonly DataType[], key: Bytes, end: Bytes): string {
  const ends = splitParts(types, end)
  return splitParts(types, key)
    .map((low, index) => {
      const [type, high] = [types[index] as DataType, ends[index] as Bytes]
      return low === high ? textOf(type, low) : `${textOf(type, low)}-${textOf(type, high)}`
    })
    .join(' . ')
}
