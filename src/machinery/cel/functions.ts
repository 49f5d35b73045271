import type { CelType } from './types.ts'
import { parseType, splitTypes } from './types.ts'
import { Duration, ListValue, MapValue, Opaque, OptionalValue, Timestamp, TypeValue, Uint, type Value } from './values.ts'

/** One of the things that a function's name means, by the types of its arguments. */
export interface Overload {
  readonly name: string
  /** `target.name(…)`; its target is the first of the arguments. */
  readonly isMember: boolean
  readonly params: readonly CelType[]
  readonly result: CelType
  readonly run: (...args: readonly never[]) => Value
  /** What a call will take, told before it runs. Absent: one. */
  readonly cost?: (...args: readonly never[]) => number
}

/** The values fit what the overload declares, which its types cannot say. */
const asDeclared = (values: readonly Value[]): readonly never[] => values as unknown as readonly never[]

export const applied = ({ run }: Overload, values: readonly Value[]): Value => run(...asDeclared(values))
export const costOf = ({ cost }: Overload, values: readonly Value[]): number => (cost ? cost(...asDeclared(values)) : 1)
export const takes = ({ params }: Overload, values: readonly Value[]): boolean =>
  params.length === values.length && params.every((type, index) => fits(values[index] as Value, type))

/** All that may be called. */
export type Functions = ReadonlyMap<string, readonly Overload[]>

/** Gathers by name; the order among the overloads of a name stays. */
export function functionsOf(...libraries: readonly (readonly Overload[])[]): Functions {
  const functions = new Map<string, Overload[]>()
  for (const overload of libraries.flat()) functions.set(overload.name, [...(functions.get(overload.name) ?? []), overload])
  return functions
}

/**
 * Declares by its signature: `size(string) -> int` is called as a function, `(list(T)) indexOf(T) -> int` on a target.
 * `run` gets what the signature says, the target first.
 */
export function overload(signature: string, run: (...args: readonly never[]) => Value, cost?: Overload['cost']): Overload {
  const [, target, name = '', params = '', result = ''] = /^(?:\((.*)\) )?([^\s(]+)\((.*)\) -> (.*)$/.exec(signature) ?? []
  const types = [...(target === undefined ? [] : [target]), ...splitTypes(params)].map(parseType)
  return { name, isMember: target !== undefined, params: types, result: parseType(result), run, ...(cost ? { cost } : {}) }
}

/** Whether a value may go where a type is declared; what lists and maps hold is not looked at. */
function fits(value: Value, type: CelType): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'param':
    case 'error':
      return true
    case 'list':
      return value instanceof ListValue
    case 'map':
    case 'object':
      return value instanceof MapValue
    case 'type':
      return value instanceof TypeValue
    case 'opaque':
      if (type.name === 'optional_type') return value instanceof OptionalValue
      return value instanceof Opaque && value.typeName === type.name
    case 'scalar':
      return scalars[type.name]?.(value) ?? false
  }
}

const scalars: Readonly<Record<string, (value: Value) => boolean>> = {
  null: (value) => value === null,
  bool: (value) => typeof value === 'boolean',
  int: (value) => typeof value === 'bigint',
  uint: (value) => value instanceof Uint,
  double: (value) => typeof value === 'number',
  string: (value) => typeof value === 'string',
  bytes: (value) => value instanceof Uint8Array,
  duration: (value) => value instanceof Duration,
  timestamp: (value) => value instanceof Timestamp,
}
