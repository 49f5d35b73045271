import { type Overload, overload } from '../functions.ts'
import { areEqual, EvaluationError, ListValue, MapValue, OptionalValue, type Value } from '../values.ts'

function isZero(value: Value): boolean {
  if (value === null || value === false || value === '' || areEqual(value, 0n)) return true
  if (value instanceof ListValue || value instanceof MapValue) return value.size === 0
  return value instanceof Uint8Array && value.length === 0
}

function dereferenced({ value }: OptionalValue): Value {
  if (value === undefined) throw new EvaluationError('optional.none() dereference')
  return value
}

function present(list: ListValue): ListValue {
  return ListValue.of([...list].flatMap((item) => (item instanceof OptionalValue && item.value !== undefined ? [item.value] : [])))
}

export const optionals: readonly Overload[] = [
  overload('optional.of(A) -> optional(A)', (value: Value) => new OptionalValue(value)),
  overload('optional.ofNonZeroValue(A) -> optional(A)', (value: Value) => (isZero(value) ? OptionalValue.none : new OptionalValue(value))),
  overload('optional.none() -> optional(A)', () => OptionalValue.none),
  overload('optional.unwrap(list(optional(A))) -> list(A)', present),
  overload('(list(optional(A))) unwrapOpt() -> list(A)', present),
  overload('(optional(A)) value() -> A', dereferenced),
  overload('(optional(A)) hasValue() -> bool', ({ value }: OptionalValue) => value !== undefined),
  overload('(optional(A)) or(optional(A)) -> optional(A)', (a: OptionalValue, b: OptionalValue) => (a.value === undefined ? b : a)),
  overload('(optional(A)) orValue(A) -> A', ({ value }: OptionalValue, otherwise: Value) => value ?? (value === null ? null : otherwise)),
]
