import { Steps, traversal } from '../budget.ts'
import { type Overload, overload } from '../functions.ts'
import {
  areEqual,
  compareValues,
  type Duration,
  EvaluationError,
  ListValue,
  type MapValue,
  sizeOf,
  type Timestamp,
  Uint,
  type Value,
} from '../values.ts'
import { checkedDuration, checkedTimestamp } from './time.ts'

export function checkedInt(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new EvaluationError('integer overflow')
  return value
}

export function checkedUint(value: bigint): Uint {
  if (BigInt.asUintN(64, value) !== value) throw new EvaluationError('unsigned integer overflow')
  return new Uint(value)
}

function nonZero(value: bigint, what: string): bigint {
  if (value === 0n) throw new EvaluationError(`${what} by zero`)
  return value
}

type IntRun = (a: bigint, b: bigint) => bigint

/** Of ints, uints and, where there is one, doubles. */
function numeric(name: string, whole: IntRun, double?: (a: number, b: number) => number): Overload[] {
  return [
    overload(`${name}(int, int) -> int`, (a: bigint, b: bigint) => checkedInt(whole(a, b))),
    overload(`${name}(uint, uint) -> uint`, (a: Uint, b: Uint) => checkedUint(whole(a.value, b.value))),
    ...(double ? [overload(`${name}(double, double) -> double`, double)] : []),
  ]
}

const ordered = ['bool', 'int', 'uint', 'double', 'string', 'bytes', 'timestamp', 'duration']
const numbers = ['int', 'uint', 'double']
const textCost = (a: Value, b: Value): number => Math.max(1, traversal(Math.min(sizeOf(a), sizeOf(b))))

function comparison(name: string, holds: (order: number) => boolean): Overload[] {
  const pairs = ordered.flatMap((type) => [
    [type, type],
    ...(numbers.includes(type) ? numbers.filter((other) => other !== type).map((other) => [type, other]) : []),
  ])
  const run = (a: Value, b: Value): boolean => holds(compareValues(a, b) ?? Number.NaN)
  return pairs.map(([a, b]) => overload(`${name}(${a}, ${b}) -> bool`, run, textCost))
}

function contains(list: ListValue, wanted: Value): boolean {
  const steps = new Steps()
  for (const item of list) if (areEqual(item, wanted, steps)) return true
  return false
}

const joinedCost = (a: Value, b: Value): number => Math.max(1, traversal(sizeOf(a) + sizeOf(b)))

export const arithmetic: readonly Overload[] = [
  ...numeric(
    '_+_',
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  ...numeric(
    '_-_',
    (a, b) => a - b,
    (a, b) => a - b,
  ),
  ...numeric(
    '_*_',
    (a, b) => a * b,
    (a, b) => a * b,
  ),
  ...numeric(
    '_/_',
    (a, b) => a / nonZero(b, 'divide'),
    (a, b) => a / b,
  ),
  ...numeric('_%_', (a, b) => a % nonZero(b, 'modulus')),
  overload('_+_(string, string) -> string', (a: string, b: string) => a + b, joinedCost),
  overload('_+_(bytes, bytes) -> bytes', (a: Uint8Array, b: Uint8Array) => new Uint8Array(Buffer.concat([a, b])), joinedCost),
  overload('_+_(list(A), list(A)) -> list(A)', (a: ListValue, b: ListValue) => ListValue.of([...a, ...b]), joinedCost),
  overload('_+_(timestamp, duration) -> timestamp', (a: Timestamp, b: Duration) => checkedTimestamp(a.nanoseconds + b.nanoseconds)),
  overload('_+_(duration, timestamp) -> timestamp', (a: Duration, b: Timestamp) => checkedTimestamp(a.nanoseconds + b.nanoseconds)),
  overload('_+_(duration, duration) -> duration', (a: Duration, b: Duration) => checkedDuration(a.nanoseconds + b.nanoseconds)),
  overload('_-_(timestamp, timestamp) -> duration', (a: Timestamp, b: Timestamp) => checkedDuration(a.nanoseconds - b.nanoseconds)),
  overload('_-_(timestamp, duration) -> timestamp', (a: Timestamp, b: Duration) => checkedTimestamp(a.nanoseconds - b.nanoseconds)),
  overload('_-_(duration, duration) -> duration', (a: Duration, b: Duration) => checkedDuration(a.nanoseconds - b.nanoseconds)),
  overload('-_(int) -> int', (value: bigint) => checkedInt(-value)),
  overload('-_(double) -> double', (value: number) => -value),
  overload('!_(bool) -> bool', (value: boolean) => !value),
  ...comparison('_<_', (order) => order < 0),
  ...comparison('_<=_', (order) => order <= 0),
  ...comparison('_>_', (order) => order > 0),
  ...comparison('_>=_', (order) => order >= 0),
  overload(
    '@in(A, list(A)) -> bool',
    (item: Value, list: ListValue) => contains(list, item),
    (_item: Value, list: Value) => sizeOf(list),
  ),
  overload('@in(A, map(A, B)) -> bool', (key: Value, map: MapValue) => map.get(key) !== undefined),
]
