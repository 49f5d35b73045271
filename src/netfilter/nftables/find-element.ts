import type { Bytes } from '../netlink/message.ts'
import { keyLength, splitParts } from './data-types.ts'
import type { HeldElement, HeldSet } from './ruleset.ts'
import { elementText } from './transaction-text.ts'

/** An element that a lookup met. */
export interface FoundElement {
  readonly set: string
  readonly element: HeldElement
  /** `10.96.0.1 . tcp . 80 : 10.244.0.5 . 8080`; the bare bytes, in hexadecimal, where the set's types are not known. */
  readonly text: string
}

const byKey = new WeakMap<readonly HeldElement[], Map<Bytes, HeldElement>>()

/** The element that a key falls on, if any. */
export function findElement(set: HeldSet, key: Bytes): FoundElement | 'not understood' | undefined {
  const element = set.interval ? findRange(set, key) : exact(set).get(key)
  if (element === 'not understood') return element
  const found = element ?? set.elements.find(({ catchAll }) => catchAll)
  return found === undefined ? undefined : { set: set.name, element: found, text: textOfElement(set, found) }
}

/** Made once for each reading of a set: sets of Services are large, and looked up for every outcome. */
function exact({ elements }: HeldSet): Map<Bytes, HeldElement> {
  let known = byKey.get(elements)
  if (known === undefined) {
    known = new Map(elements.filter(({ catchAll }) => !catchAll).map((element) => [element.key, element]))
    byKey.set(elements, known)
  }
  return known
}

function findRange(set: HeldSet, key: Bytes): HeldElement | 'not understood' | undefined {
  const { key: types } = set
  // Where the parts begin is only known by their types.
  if (types === undefined) return set.elements.some(({ end }) => end !== undefined) ? 'not understood' : exact(set).get(key)
  const within = types.length === 1 ? inRange : inRanges(types)
  return set.elements.find((element) => !element.catchAll && within(element, key))
}

const inRange = ({ key, end = key }: HeldElement, value: Bytes): boolean => value >= key && value <= end

function inRanges(types: NonNullable<HeldSet['key']>): (element: HeldElement, value: Bytes) => boolean {
  return ({ key, end = key }, value) => {
    const [low, high, parts] = [splitParts(types, key), splitParts(types, end), splitParts(types, value)]
    return parts.every((part, index) => part >= (low[index] as Bytes) && part <= (high[index] as Bytes))
  }
}

function textOfElement({ key, data, dataLength }: HeldSet, element: HeldElement): string {
  const plain = !Array.isArray(data) || (data.length > 0 && keyLength(data) === dataLength)
  if (key !== undefined && plain && !element.catchAll) return elementText({ key, ...(data === undefined ? {} : { data }) }, element)
  const hex = (bytes: Bytes): string => Buffer.from(bytes, 'latin1').toString('hex')
  return `${element.catchAll ? '*' : hex(element.key)}${element.data === undefined ? '' : ` : ${hex(element.data)}`}`
}
