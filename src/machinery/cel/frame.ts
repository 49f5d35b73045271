import type { Meter } from './budget.ts'
import { unescapedNames } from './field-names.ts'
import type { CelType } from './types.ts'
import { EvaluationError, ListValue, MapValue, OptionalValue, typeNameOf, Uint, type Value } from './values.ts'

/** What an evaluation goes along with. */
export interface Frame {
  readonly meter: Meter
  readonly variable: (name: string) => Value | undefined
  /** What comprehensions bind at the moment, by their depth. */
  readonly slots: Value[]
}

/** Throws EvaluationError, and CostExceededError. */
export type Run = (frame: Frame) => Value

/** An expression as it will run, and what it will come to. */
export interface Typed {
  readonly type: CelType
  readonly run: Run
}

export const noSuchOverload = (): EvaluationError => new EvaluationError('no such overload')

/** Undefined: there is none of that name. Of an optional, what its value has. */
export function fieldOf(operand: Value, field: string): Value | undefined {
  if (operand instanceof OptionalValue) {
    if (operand.value === undefined) return OptionalValue.none
    if (!(operand.value instanceof MapValue || operand.value instanceof OptionalValue)) throw new EvaluationError(`no such key: ${field}`)
    const inner = fieldOf(operand.value, field)
    return inner === undefined ? OptionalValue.none : new OptionalValue(inner)
  }
  if (!(operand instanceof MapValue)) return undefined
  for (const name of unescapedNames(field)) {
    const value = operand.get(name)
    if (value !== undefined) return value
  }
  return undefined
}

/** What an index leads to; undefined: nothing. Throws for what has none. */
export function itemOf(operand: Value, index: Value): Value | undefined {
  if (operand instanceof MapValue) return operand.get(index)
  if (!(operand instanceof ListValue)) throw noSuchOverload()
  const whole = index instanceof Uint ? index.value : index
  const position = typeof whole === 'bigint' || typeof whole === 'number' ? Number(whole) : undefined
  if (position === undefined || !Number.isInteger(position))
    throw new EvaluationError(`unsupported index type in list: ${typeNameOf(index)}`)
  return position >= 0 && position < operand.size ? operand.at(position) : undefined
}

/** The outcome of either side may do without the other: `false && <error>` is false. */
export function attempt(run: Run, frame: Frame): Value | EvaluationError {
  try {
    return run(frame)
  } catch (error) {
    if (error instanceof EvaluationError) return error
    throw error
  }
}
