import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  QuantityError,
  quantityNumber,
} from '../../quantity.ts'
import { traversal } from '../budget.ts'
import { type Overload, overload } from '../functions.ts'
import { EvaluationError, Opaque } from '../values.ts'

const typeName = 'kubernetes.Quantity'

class QuantityValue extends Opaque {
  readonly typeName = typeName
  readonly quantity: Quantity

  constructor(quantity: Quantity) {
    super()
    this.quantity = quantity
  }

  equals(other: Opaque): boolean {
    return other instanceof QuantityValue && compareQuantities(this.quantity, other.quantity) === 0
  }
}

function quantity(text: string): QuantityValue {
  try {
    return new QuantityValue(parseQuantity(text))
  } catch (error) {
    if (error instanceof QuantityError) throw new EvaluationError(error.message)
    throw error
  }
}

function isQuantity(text: string): boolean {
  try {
    parseQuantity(text)
    return true
  } catch (error) {
    if (error instanceof QuantityError) return false
    throw error
  }
}

const one = 1_000_000_000n

function wholeOf({ nano }: Quantity): bigint | undefined {
  const whole = nano / one
  // The largest stands for all that are larger.
  return nano % one === 0n && BigInt.asIntN(64, whole) === whole && whole < 2n ** 63n - 1n ? whole : undefined
}

function asInteger({ quantity }: QuantityValue): bigint {
  const whole = wholeOf(quantity)
  if (whole === undefined) throw new EvaluationError('cannot convert value to integer')
  return whole
}

const ofInt = (value: bigint): Quantity => ({ nano: value * one, format: 'DecimalExponent' })
const negated = ({ nano, format }: Quantity): Quantity => ({ nano: -nano, format })
const sum = (a: Quantity, b: Quantity): QuantityValue => new QuantityValue(addQuantities(a, b))
const order = (a: QuantityValue, b: QuantityValue): number => compareQuantities(a.quantity, b.quantity)
const signOf = (value: number | bigint): bigint => (value < 0 ? -1n : value > 0 ? 1n : 0n)
const reading = (text: string): number => Math.max(1, traversal(text.length))

export const quantities: readonly Overload[] = [
  overload(`quantity(string) -> ${typeName}`, quantity, reading),
  overload('isQuantity(string) -> bool', isQuantity, reading),
  overload(`(${typeName}) sign() -> int`, ({ quantity: { nano } }: QuantityValue) => signOf(nano)),
  overload(`(${typeName}) isGreaterThan(${typeName}) -> bool`, (a: QuantityValue, b: QuantityValue) => order(a, b) > 0),
  overload(`(${typeName}) isLessThan(${typeName}) -> bool`, (a: QuantityValue, b: QuantityValue) => order(a, b) < 0),
  overload(`(${typeName}) compareTo(${typeName}) -> int`, (a: QuantityValue, b: QuantityValue) => signOf(order(a, b))),
  overload(`(${typeName}) asApproximateFloat() -> double`, (value: QuantityValue) => quantityNumber(value.quantity)),
  overload(`(${typeName}) asInteger() -> int`, asInteger),
  overload(`(${typeName}) isInteger() -> bool`, (value: QuantityValue) => wholeOf(value.quantity) !== undefined),
  overload(`(${typeName}) add(${typeName}) -> ${typeName}`, (a: QuantityValue, b: QuantityValue) => sum(a.quantity, b.quantity)),
  overload(`(${typeName}) add(int) -> ${typeName}`, (a: QuantityValue, b: bigint) => sum(a.quantity, ofInt(b))),
  overload(`(${typeName}) sub(${typeName}) -> ${typeName}`, (a: QuantityValue, b: QuantityValue) => sum(a.quantity, negated(b.quantity))),
  overload(`(${typeName}) sub(int) -> ${typeName}`, (a: QuantityValue, b: bigint) => sum(a.quantity, ofInt(-b))),
  overload(`string(${typeName}) -> string`, (value: QuantityValue) => formatQuantity(value.quantity)),
]
