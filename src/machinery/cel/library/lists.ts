import { CostExceededError, costLimitPerCall, Steps } from '../budget.ts'
import { type Overload, overload } from '../functions.ts'
import { areEqual, compareValues, Duration, EvaluationError, ListValue, OptionalValue, sizeOf, Uint, type Value } from '../values.ts'
import { checkedInt, checkedUint } from './arithmetic.ts'
import { checkedDuration } from './time.ts'

const comparable = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes']
const once = (list: Value): number => sizeOf(list)
/** Each item with each. */
const pairwise = (list: Value, other: Value = list): number => Math.max(1, sizeOf(list) * sizeOf(other))

function orderOf(a: Value, b: Value): number {
  const order = compareValues(a, b)
  if (order === undefined) throw new EvaluationError('no such overload')
  return order
}

function isSorted(list: ListValue): boolean {
  for (let index = 1; index < list.size; index++) if (orderOf(list.at(index - 1), list.at(index)) > 0) return false
  return true
}

function extreme(list: ListValue, name: string, isBetter: (order: number) => boolean): Value {
  if (list.size === 0) throw new EvaluationError(`${name} called on empty list`)
  return [...list].reduce((best, item) => (isBetter(orderOf(item, best)) ? item : best))
}

function indexOf(list: ListValue, wanted: Value, steps = new Steps()): bigint {
  for (let index = 0; index < list.size; index++) if (areEqual(list.at(index), wanted, steps)) return BigInt(index)
  return -1n
}

function lastIndexOf(list: ListValue, wanted: Value): bigint {
  const steps = new Steps()
  for (let index = list.size - 1; index >= 0; index--) if (areEqual(list.at(index), wanted, steps)) return BigInt(index)
  return -1n
}

function includes(target: Value, wanted: Value): boolean {
  return target instanceof ListValue ? indexOf(target, wanted) >= 0n : areEqual(target, wanted)
}

/** Of whatever kind of numbers the list turns out to hold. */
function sum(list: ListValue, zero: Value): Value {
  let total: Value = list.size === 0 ? zero : list.at(0)
  for (let index = 1; index < list.size; index++) total = added(total, list.at(index))
  return total
}

function added(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return checkedInt(a + b)
  if (typeof a === 'number' && typeof b === 'number') return a + b
  if (a instanceof Uint && b instanceof Uint) return checkedUint(a.value + b.value)
  if (a instanceof Duration && b instanceof Duration) return checkedDuration(a.nanoseconds + b.nanoseconds)
  throw new EvaluationError('no such overload')
}

const zeros: readonly (readonly [type: string, zero: Value])[] = [
  ['int', 0n],
  ['uint', new Uint(0n)],
  ['double', 0],
  ['duration', new Duration(0n)],
]

/** Upstream's kubernetes.lists. */
export const lists: readonly Overload[] = [
  ...comparable.map((type) => overload(`(list(${type})) isSorted() -> bool`, isSorted, once)),
  ...zeros.map(([type, zero]) => overload(`(list(${type})) sum() -> ${type}`, (list: ListValue) => sum(list, zero), once)),
  ...comparable.map((type) =>
    overload(`(list(${type})) min() -> ${type}`, (list: ListValue) => extreme(list, 'min', (order) => order < 0), once),
  ),
  ...comparable.map((type) =>
    overload(`(list(${type})) max() -> ${type}`, (list: ListValue) => extreme(list, 'max', (order) => order > 0), once),
  ),
  overload('(list(A)) indexOf(A) -> int', (list: ListValue, wanted: Value) => indexOf(list, wanted), once),
  overload('(list(A)) lastIndexOf(A) -> int', lastIndexOf, once),
  overload('(dyn) includes(dyn) -> bool', includes, once),
]

function slice(list: ListValue, from: bigint, to: bigint): ListValue {
  if (from < 0n || to < 0n) throw new EvaluationError(`cannot slice(${from}, ${to}), negative indexes not supported`)
  if (from > to) throw new EvaluationError(`cannot slice(${from}, ${to}), start index must be less than or equal to end index`)
  if (to > list.size) throw new EvaluationError(`cannot slice(${from}, ${to}), list is length ${list.size}`)
  return ListValue.of([...list].slice(Number(from), Number(to)))
}

function flattened(list: ListValue, depth: bigint, steps = new Steps()): Value[] {
  if (depth < 0n) throw new EvaluationError('level must be non-negative')
  steps.take()
  return [...list].flatMap((item) => (item instanceof ListValue && depth > 0n ? flattened(item, depth - 1n, steps) : [item]))
}

function range(count: bigint): ListValue {
  return ListValue.of(Array.from({ length: Math.max(0, Number(count)) }, (_, index) => BigInt(index)))
}

function ranging(count: bigint): number {
  if (count > costLimitPerCall) throw new CostExceededError()
  return Math.max(1, Number(count))
}

function distinct(list: ListValue): ListValue {
  const steps = new Steps()
  const found: Value[] = []
  for (const item of list) if (!found.some((other) => areEqual(other, item, steps))) found.push(item)
  return ListValue.of(found)
}

function sorted(list: ListValue): ListValue {
  return ListValue.of([...list].sort(orderOf))
}

const optionalItem = (item: Value | undefined): OptionalValue => (item === undefined ? OptionalValue.none : new OptionalValue(item))

/** cel-go's own, in its third version. */
export const listExtensions: readonly Overload[] = [
  overload('(list(A)) slice(int, int) -> list(A)', slice, once),
  overload('(list(list(A))) flatten() -> list(A)', (list: ListValue) => ListValue.of(flattened(list, 1n)), once),
  overload('(list(dyn)) flatten(int) -> list(dyn)', (list: ListValue, depth: bigint) => ListValue.of(flattened(list, depth)), once),
  overload('lists.range(int) -> list(int)', range, ranging),
  overload('(list(A)) distinct() -> list(A)', distinct, (list: Value) => pairwise(list)),
  overload('(list(A)) reverse() -> list(A)', (list: ListValue) => ListValue.of([...list].reverse()), once),
  ...comparable.map((type) => overload(`(list(${type})) sort() -> list(${type})`, sorted, (list: Value) => pairwise(list))),
  overload('(list(A)) first() -> optional(A)', (list: ListValue) => optionalItem(list.size > 0 ? list.at(0) : undefined)),
  overload('(list(A)) last() -> optional(A)', (list: ListValue) => optionalItem(list.size > 0 ? list.at(list.size - 1) : undefined)),
]

function containsAll(list: ListValue, wanted: ListValue): boolean {
  const steps = new Steps()
  return [...wanted].every((item) => indexOf(list, item, steps) >= 0n)
}

function intersects(a: ListValue, b: ListValue): boolean {
  const steps = new Steps()
  return [...a].some((item) => indexOf(b, item, steps) >= 0n)
}

export const sets: readonly Overload[] = [
  overload('sets.contains(list(A), list(A)) -> bool', containsAll, pairwise),
  overload('sets.equivalent(list(A), list(A)) -> bool', (a: ListValue, b: ListValue) => containsAll(a, b) && containsAll(b, a), pairwise),
  overload('sets.intersects(list(A), list(A)) -> bool', intersects, pairwise),
]
