import { isObject } from '../equality.ts'
import { Steps } from './budget.ts'

/**
 * A value: int is bigint, double is number. Objects and lists of JSON stay as they are, and are turned into values as
 * they are read.
 */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint
  | Uint8Array
  | Duration
  | Timestamp
  | ListValue
  | MapValue
  | TypeValue
  | OptionalValue
  | Opaque

/** The expression went wrong while it ran; `||`, `&&`, all() and exists() may do without what failed. */
export class EvaluationError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'EvaluationError'
  }
}

export class Uint {
  readonly value: bigint

  constructor(value: bigint) {
    this.value = value
  }
}

export class Duration {
  readonly nanoseconds: bigint

  constructor(nanoseconds: bigint) {
    this.nanoseconds = nanoseconds
  }
}

export class Timestamp {
  /** Since 1970. */
  readonly nanoseconds: bigint

  constructor(nanoseconds: bigint) {
    this.nanoseconds = nanoseconds
  }
}

export class TypeValue {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

export class OptionalValue {
  static readonly none = new OptionalValue(undefined)
  readonly value: Value | undefined

  constructor(value: Value | undefined) {
    this.value = value
  }
}

/** A value with functions of its own only. */
export abstract class Opaque {
  abstract readonly typeName: string
  abstract equals(other: Opaque): boolean
}

export class ListValue {
  readonly #items: readonly unknown[]
  readonly #isJson: boolean

  private constructor(items: readonly unknown[], isJson: boolean) {
    this.#items = items
    this.#isJson = isJson
  }

  static of(items: readonly Value[]): ListValue {
    return new ListValue(items, false)
  }

  static ofJson(items: readonly unknown[]): ListValue {
    return new ListValue(items, true)
  }

  get size(): number {
    return this.#items.length
  }

  at(index: number): Value {
    const item = this.#items[index]
    return this.#isJson ? fromJson(item) : (item as Value)
  }

  *[Symbol.iterator](): Iterator<Value> {
    for (let index = 0; index < this.#items.length; index++) yield this.at(index)
  }
}

export interface MapSource {
  readonly size: number
  get(key: Value): Value | undefined
  keys(): Iterable<Value>
}

export class MapValue {
  /** As which type it was written, `Name{…}`; undefined: it is a plain map. */
  readonly structName: string | undefined
  readonly #source: MapSource

  constructor(source: MapSource, structName?: string) {
    this.#source = source
    this.structName = structName
  }

  static ofJson(object: Readonly<Record<string, unknown>>): MapValue {
    return new MapValue(new JsonSource(object))
  }

  static of(entries: Iterable<readonly [Value, Value]>, structName?: string): MapValue {
    return new MapValue(new EntrySource(entries), structName)
  }

  get size(): number {
    return this.#source.size
  }

  get(key: Value): Value | undefined {
    return this.#source.get(key)
  }

  keys(): Iterable<Value> {
    return this.#source.keys()
  }

  *entries(): Iterable<[Value, Value]> {
    for (const key of this.keys()) yield [key, this.get(key) as Value]
  }
}

class JsonSource implements MapSource {
  readonly #object: Readonly<Record<string, unknown>>

  constructor(object: Readonly<Record<string, unknown>>) {
    this.#object = object
  }

  get size(): number {
    return this.keys().length
  }

  get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.#object, key)) return undefined
    const value = this.#object[key]
    return value === undefined ? undefined : fromJson(value)
  }

  keys(): string[] {
    return Object.keys(this.#object).filter((key) => this.#object[key] !== undefined)
  }
}

class EntrySource implements MapSource {
  readonly #entries = new Map<string, readonly [Value, Value]>()

  constructor(entries: Iterable<readonly [Value, Value]>) {
    for (const entry of entries) {
      const key = keyOf(entry[0])
      if (key === undefined) throw new EvaluationError(`unsupported key type: ${typeNameOf(entry[0])}`)
      if (this.#entries.has(key)) throw new EvaluationError(`Failed with repeated key: ${shownKey(entry[0])}`)
      this.#entries.set(key, entry)
    }
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: Value): Value | undefined {
    const name = keyOf(key)
    return name === undefined ? undefined : this.#entries.get(name)?.[1]
  }

  keys(): Value[] {
    return [...this.#entries.values()].map(([key]) => key)
  }
}

/** Numbers that are equal are one key, whatever their types. */
function keyOf(key: Value): string | undefined {
  if (typeof key === 'string') return `s${key}`
  if (typeof key === 'boolean') return `b${key}`
  if (typeof key === 'bigint') return `n${key}`
  if (key instanceof Uint) return `n${key.value}`
  return typeof key === 'number' && Number.isInteger(key) ? `n${BigInt(key)}` : undefined
}

export function shownKey(key: Value): string {
  return key instanceof Uint ? `${key.value}` : `${key}`
}

/** Whole numbers are ints, others doubles, as of any JSON without a schema. */
export function fromJson(json: unknown): Value {
  if (typeof json === 'number') return Number.isInteger(json) && Math.abs(json) < 2 ** 63 ? BigInt(json) : json
  if (Array.isArray(json)) return ListValue.ofJson(json)
  if (isObject(json)) return MapValue.ofJson(json)
  return typeof json === 'string' || typeof json === 'boolean' ? json : null
}

/** Undefined of what JSON cannot say. */
export function toJson(value: Value, steps = new Steps()): unknown {
  steps.take()
  if (value === null || typeof value === 'boolean' || typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Uint) return Number(value.value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof ListValue) return [...value].map((item) => toJson(item, steps))
  if (value instanceof MapValue) return Object.fromEntries([...value.entries()].map(([key, item]) => [shownKey(key), toJson(item, steps)]))
  if (value instanceof OptionalValue) return value.value === undefined ? null : toJson(value.value, steps)
  return undefined
}

/** As `type(x)` names it. */
export function typeNameOf(value: Value): string {
  if (value === null) return 'null_type'
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'double'
    case 'string':
      return 'string'
  }
  if (value instanceof Uint) return 'uint'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof ListValue) return 'list'
  if (value instanceof MapValue) return value.structName ?? 'map'
  if (value instanceof TypeValue) return 'type'
  return value instanceof OptionalValue ? 'optional_type' : value.typeName
}

const numberOf = (value: Value): bigint | number | undefined => {
  if (value instanceof Uint) return value.value
  return typeof value === 'bigint' || typeof value === 'number' ? value : undefined
}

/** Undefined unless both are numbers. NaN is neither less nor more. Beside a double, an int counts as the double next to it. */
export function compareNumbers(a: Value, b: Value): number | undefined {
  const [given, other] = [numberOf(a), numberOf(b)]
  if (given === undefined || other === undefined) return undefined
  const areAlike = typeof given === typeof other
  const [left, right] = areAlike ? [given, other] : [Number(given), Number(other)]
  if (Number.isNaN(left) || Number.isNaN(right)) return Number.NaN
  return left < right ? -1 : left > right ? 1 : 0
}

/** Whatever their types: what cannot be the same is different. */
export function areEqual(a: Value, b: Value, steps = new Steps()): boolean {
  steps.take()
  if (a === b) return true
  const numbers = compareNumbers(a, b)
  if (numbers !== undefined) return numbers === 0
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (a instanceof Duration) return b instanceof Duration && a.nanoseconds === b.nanoseconds
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanoseconds === b.nanoseconds
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name
  if (a instanceof ListValue) return b instanceof ListValue && equalLists(a, b, steps)
  if (a instanceof MapValue) return b instanceof MapValue && equalMaps(a, b, steps)
  if (a instanceof OptionalValue) return b instanceof OptionalValue && equalOptionals(a, b, steps)
  return a instanceof Opaque && b instanceof Opaque && a.typeName === b.typeName && a.equals(b)
}

function equalLists(a: ListValue, b: ListValue, steps: Steps): boolean {
  if (a.size !== b.size) return false
  for (let index = 0; index < a.size; index++) if (!areEqual(a.at(index), b.at(index), steps)) return false
  return true
}

function equalMaps(a: MapValue, b: MapValue, steps: Steps): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a.entries()) {
    const other = b.get(key)
    if (other === undefined || !areEqual(value, other, steps)) return false
  }
  return true
}

function equalOptionals({ value: a }: OptionalValue, { value: b }: OptionalValue, steps: Steps): boolean {
  return a === undefined || b === undefined ? a === b : areEqual(a, b, steps)
}

/** Negative, zero or positive; undefined of what has no order. */
export function compareValues(a: Value, b: Value): number | undefined {
  const numbers = compareNumbers(a, b)
  if (numbers !== undefined) return numbers
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  const isTime = (a instanceof Duration && b instanceof Duration) || (a instanceof Timestamp && b instanceof Timestamp)
  if (!isTime) return undefined
  const difference = (a as Duration).nanoseconds - (b as Duration).nanoseconds
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** Characters, bytes or items; one of everything else. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length
  return value instanceof ListValue || value instanceof MapValue ? value.size : 1
}
