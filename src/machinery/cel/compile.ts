import { CostExceededError, costLimitPerCall, Meter, traversal } from './budget.ts'
import { compileMacro, type Scope } from './comprehensions.ts'
import { attempt, type Frame, fieldOf, itemOf, noSuchOverload, type Run, type Typed } from './frame.ts'
import { applied, costOf, type Functions, type Overload, takes } from './functions.ts'
import { parse } from './parser.ts'
import { formatIssues, type Issue, SyntaxFault } from './source.ts'
import { type Literal, type Node, qualifiedName } from './syntax.ts'
import {
  Bindings,
  bool,
  bytes,
  type CelType,
  double,
  duration,
  dyn,
  errorType,
  formatType,
  int,
  isOptional,
  listOf,
  mapKeyedBy,
  mapOf,
  nullType,
  opaque,
  optionalOf,
  param,
  string,
  timestamp,
  typeOf,
  uint,
} from './types.ts'
import { areEqual, EvaluationError, ListValue, MapValue, OptionalValue, shownKey, sizeOf, TypeValue, Uint, type Value } from './values.ts'

/** What expressions may speak of. */
export interface Environment {
  /** By name; a name may have dots. */
  readonly variables: ReadonlyMap<string, CelType>
  readonly functions: Functions
  /** Types whose values may be written as `Name{field: value}`. */
  readonly structs?: (name: string) => CelType | undefined
}

/** An expression that is known to make sense. */
export interface Program {
  readonly source: string
  readonly type: CelType
  /**
   * `variable` tells the value of a declared variable, when it is asked for. Throws EvaluationError, or CostExceededError
   * once `limit` is spent. `spent` is told what it cost, whether or not it fails.
   */
  evaluate(variable: (name: string) => Value | undefined, options?: { limit?: number; spent?: (cost: number) => void }): Value
}

export type Compilation = { readonly program: Program; readonly faults?: never } | { readonly program?: never; readonly faults: string }

/** `faults` is all that is wrong, in upstream's words: a place and the line of each. */
export function compile(source: string, environment: Environment): Compilation {
  const compiler = new Compiler(environment)
  try {
    const { type, run } = compiler.node(parse(source))
    if (compiler.issues.length > 0) return { faults: formatIssues(source, compiler.issues) }
    return { program: { source, type: compiler.bindings.settled(type), evaluate: evaluator(run) } }
  } catch (error) {
    if (error instanceof SyntaxFault) return { faults: formatIssues(source, [error.issue]) }
    throw error
  }
}

/** What is wrong with an expression's syntax alone, whatever it speaks of. */
export function syntaxFaults(source: string): string | undefined {
  try {
    parse(source)
    return undefined
  } catch (error) {
    if (error instanceof SyntaxFault) return formatIssues(source, [error.issue])
    throw error
  }
}

function evaluator(run: Run): Program['evaluate'] {
  return (variable, { limit = costLimitPerCall, spent } = {}) => {
    const meter = new Meter(limit)
    const value = outcomeOf(run, { meter, variable, slots: [] })
    spent?.(meter.spent)
    if (value instanceof Error) throw value
    return value
  }
}

/** A failure is an outcome, so that its cost is told as well. */
function outcomeOf(run: Run, frame: Frame): Value | Error {
  try {
    return attempt(run, frame)
  } catch (error) {
    if (error instanceof CostExceededError) return error
    throw error
  }
}

const typeNames: ReadonlyMap<string, CelType> = new Map([
  ...[bool, int, uint, double, string, bytes].map((type): [string, CelType] => [type.name, type]),
  ['list', listOf(dyn)],
  ['map', mapOf(dyn, dyn)],
  ['null_type', nullType],
  ['type', typeOf(dyn)],
  ['optional_type', optionalOf(dyn)],
  ['google.protobuf.Timestamp', timestamp],
  ['google.protobuf.Duration', duration],
  ...['kubernetes.Quantity', 'kubernetes.URL', 'kubernetes.Semver', 'net.IP', 'net.CIDR'].map((name): [string, CelType] => [
    name,
    opaque(name),
  ]),
])

const costs = { list: 10, map: 30, struct: 40 }

/** Calls whose literal arguments are looked at before they run. */
const checkedLiterals: ReadonlySet<string> = new Set(['duration', 'timestamp', 'matches'])

const failing: Run = () => {
  throw noSuchOverload()
}
const wrong: Typed = { type: errorType, run: failing }

class Compiler implements Scope {
  readonly issues: Issue[] = []
  readonly bindings = new Bindings()
  readonly #environment: Environment
  /** What comprehensions bind, the innermost last. */
  readonly #locals: { readonly name: string; readonly type: CelType }[] = []

  constructor(environment: Environment) {
    this.#environment = environment
  }

  complain(issue: Issue): void {
    this.issues.push(issue)
  }

  within<T>(variables: readonly (readonly [string, CelType])[], compile: (slot: number) => T): T {
    const slot = this.#locals.length
    for (const [name, type] of variables) this.#locals.push({ name, type })
    const result = compile(slot)
    this.#locals.length = slot
    return result
  }

  node(node: Node): Typed {
    switch (node.type) {
      case 'literal':
        return literal(node.literal)
      case 'name':
        return this.#named(node.name) ?? this.#wrong(node.at, `undeclared reference to '${node.name}' (in container '')`)
      case 'select':
        return this.#select(node)
      case 'has':
        return this.#has(node)
      case 'call':
        return this.#call(node)
      case 'list':
        return this.#list(node)
      case 'map':
        return this.#map(node)
      case 'struct':
        return this.#struct(node)
      case 'macro':
        return compileMacro(node, this)
    }
  }

  #wrong(at: number, message: string): Typed {
    this.complain({ at, message })
    return wrong
  }

  #isLocal(name: string): boolean {
    return this.#locals.some((local) => local.name === name)
  }

  #named(name: string): Typed | undefined {
    const slot = this.#locals.findLastIndex((local) => local.name === name)
    if (slot >= 0) {
      const run: Run = ({ meter, slots }) => {
        meter.spend(1)
        return slots[slot] as Value
      }
      return { type: (this.#locals[slot] as { type: CelType }).type, run }
    }
    const type = this.#environment.variables.get(name)
    if (type) {
      const run: Run = ({ meter, variable }) => {
        meter.spend(1)
        const value = variable(name)
        if (value === undefined) throw new EvaluationError(`no such attribute(s): ${name}`)
        return value
      }
      return { type, run }
    }
    const named = typeNames.get(name)
    return named && { type: typeOf(named), run: () => new TypeValue(name) }
  }

  #select(node: Extract<Node, { type: 'select' }>): Typed {
    const qualified = qualifiedName(node)
    if (qualified !== undefined && !this.#isLocal(qualified.split('.')[0] as string)) {
      const whole = this.#named(qualified)
      if (whole) return whole
    }
    const operand = this.node(node.operand)
    const { field, optional } = node
    const { type, wraps } = this.#fieldType(operand.type, field, node.at)
    const run: Run = (frame) => {
      const value = operand.run(frame)
      frame.meter.spend(1)
      const found = fieldOf(value, field)
      if (optional && !(value instanceof OptionalValue)) return found === undefined ? OptionalValue.none : new OptionalValue(found)
      if (found === undefined) throw new EvaluationError(`no such key: ${field}`)
      return found
    }
    return { type: optional || wraps ? optionalOf(type) : type, run }
  }

  /** `wraps`: it is selected of an optional. */
  #fieldType(operand: CelType, field: string, at: number): { type: CelType; wraps: boolean } {
    const resolved = this.bindings.resolve(operand)
    const wraps = isOptional(resolved)
    const type = wraps ? this.bindings.resolve(resolved.params[0] as CelType) : resolved
    switch (type.kind) {
      case 'dyn':
      case 'param':
        return { type: dyn, wraps }
      case 'error':
        return { type: errorType, wraps }
      case 'map':
        return { type: type.params[1] as CelType, wraps }
      case 'object': {
        const found = type.field?.(field)
        if (!found) this.complain({ at, message: `undefined field '${field}'` })
        return { type: found ?? errorType, wraps }
      }
      default:
        this.complain({ at, message: `type '${formatType(type)}' does not support field selection` })
        return { type: errorType, wraps }
    }
  }

  #has(node: Extract<Node, { type: 'has' }>): Typed {
    const operand = this.node(node.operand)
    this.#fieldType(operand.type, node.field, node.at)
    const run: Run = (frame) => {
      const value = operand.run(frame)
      const found = fieldOf(value, node.field)
      return value instanceof OptionalValue ? (found as OptionalValue).value !== undefined : found !== undefined
    }
    return { type: bool, run }
  }

  #list({ items }: Extract<Node, { type: 'list' }>): Typed {
    const typed = items.map(({ node, optional }) => ({ ...this.#entry(node, optional), optional }))
    const type = this.#joined(
      typed,
      items.map(({ node }) => node),
    )
    const run: Run = (frame) => {
      frame.meter.spend(costs.list)
      const values: Value[] = []
      for (const item of typed) {
        const value = optionalValue(item.run(frame), item.optional)
        if (value !== undefined) values.push(value)
      }
      return ListValue.of(values)
    }
    return { type: listOf(type), run }
  }

  /** An item of a list or map; of an optional one, what it holds. */
  #entry(node: Node, optional: boolean): Typed {
    const typed = this.node(node)
    if (!optional) return typed
    const type = this.bindings.resolve(typed.type)
    if (isOptional(type)) return { type: type.params[0] as CelType, run: typed.run }
    if (type.kind !== 'dyn' && type.kind !== 'error') {
      this.complain({ at: node.at, message: `expected type 'optional_type(dyn)' but found '${formatType(type)}'` })
    }
    return { type: dyn, run: typed.run }
  }

  /** Items of one literal have one type. */
  #joined(items: readonly Typed[], nodes: readonly Node[]): CelType {
    let joined: CelType | undefined
    for (const [index, { type }] of items.entries()) {
      const next = this.bindings.joined(joined, type)
      if (!next) {
        const [expected, found] = [joined as CelType, type].map((one) => formatType(this.bindings.settled(one)))
        this.complain({ at: (nodes[index] as Node).at, message: `expected type '${expected}' but found '${found}'` })
        return errorType
      }
      joined = next
    }
    return joined ?? this.bindings.fresh()
  }

  #map({ entries }: Extract<Node, { type: 'map' }>): Typed {
    const typed = entries.map(({ key, value, optional }) => ({ key: this.node(key), value: this.#entry(value, optional), optional }))
    const keyType = this.#joined(
      typed.map(({ key }) => key),
      entries.map(({ key }) => key),
    )
    const valueType = this.#joined(
      typed.map(({ value }) => value),
      entries.map(({ value }) => value),
    )
    const run: Run = (frame) => {
      frame.meter.spend(costs.map)
      const made: [Value, Value][] = []
      for (const { key, value, optional } of typed) {
        const name = key.run(frame)
        const item = optionalValue(value.run(frame), optional)
        if (item !== undefined) made.push([name, item])
      }
      return MapValue.of(made)
    }
    return { type: mapKeyedBy(this.bindings.resolve(keyType), valueType), run }
  }

  #struct({ name, fields, at }: Extract<Node, { type: 'struct' }>): Typed {
    const type = this.#environment.structs?.(name)
    if (!type) return this.#wrong(at, `undeclared reference to '${name}' (in container '')`)
    const typed = fields.map((field) => {
      const value = this.#entry(field.value, field.optional)
      const expected = type.field?.(field.name)
      if (!expected) this.complain({ at: field.at, message: `undefined field '${field.name}'` })
      else if (!this.bindings.assignable(value.type, expected)) {
        const [wanted, given] = [expected, value.type].map((one) => formatType(this.bindings.settled(one)))
        this.complain({ at: field.at, message: `expected type of field '${field.name}' is '${wanted}' but provided type is '${given}'` })
      }
      return { name: field.name, value, optional: field.optional }
    })
    const run: Run = (frame) => {
      frame.meter.spend(costs.struct)
      const made: [Value, Value][] = []
      for (const field of typed) {
        const value = optionalValue(field.value.run(frame), field.optional)
        if (value !== undefined) made.push([field.name, value])
      }
      return MapValue.of(made, name)
    }
    return { type, run }
  }

  #call(node: Extract<Node, { type: 'call' }>): Typed {
    const { name, target, args, at } = node
    const { functions } = this.#environment
    const space = target && qualifiedName(target)
    if (space !== undefined && !this.#isLocal(space.split('.')[0] as string)) {
      const qualified = functions.get(`${space}.${name}`)
      if (qualified) return this.#apply({ name: `${space}.${name}`, overloads: qualified, isMember: false, args, at })
    }
    const operands = target ? [target, ...args] : args
    if (!target && (name === '_[_]' || name === '_[?_]')) return this.#index(operands, name === '_[?_]', at)
    const overloads = name === '_==_' || name === '_!=_' ? [equality(name)] : functions.get(name)
    const builtIn = target ? undefined : operators.get(name)
    if (builtIn) {
      const typed = operands.map((operand) => this.node(operand))
      return { type: this.#resultOf({ name, overloads: [builtIn.overload], isMember: false, typed, at }).type, run: builtIn.run(typed) }
    }
    if (!overloads) {
      for (const operand of operands) this.node(operand)
      return this.#wrong(at, `undeclared reference to '${name}' (in container '')`)
    }
    return this.#apply({ name, overloads, isMember: target !== undefined, args: operands, at })
  }

  #apply(call: { name: string; overloads: readonly Overload[]; isMember: boolean; args: readonly Node[]; at: number }): Typed {
    const typed = call.args.map((argument) => this.node(argument))
    const { type, chosen } = this.#resultOf({ ...call, typed })
    if (type.kind !== 'error') this.#checkLiteral(call.name, call.args, chosen)
    return { type, run: dispatch(chosen, typed) }
  }

  /** Literals that cannot work are complained about before anything runs. */
  #checkLiteral(name: string, args: readonly Node[], overloads: readonly Overload[]): void {
    const last = args[args.length - 1]
    if (!checkedLiterals.has(name) || last?.type !== 'literal' || last.literal.kind !== 'string') return
    const values = name === 'matches' ? ['', last.literal.value] : [last.literal.value]
    const found = overloads.find((overload) => takes(overload, values))
    try {
      if (found) applied(found, values)
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error
      this.complain({ at: last.at, message: `invalid ${name} argument` })
    }
  }

  #resultOf(call: { name: string; overloads: readonly Overload[]; isMember: boolean; typed: readonly Typed[]; at: number }): {
    type: CelType
    chosen: Overload[]
  } {
    const { name, overloads, isMember, typed, at } = call
    const given = typed.map(({ type }) => type)
    const chosen: Overload[] = []
    let type: CelType | undefined
    for (const overload of overloads) {
      if (overload.isMember !== isMember || overload.params.length !== given.length) continue
      const [result, ...params] = this.bindings.renewed([overload.result, ...overload.params]) as [CelType, ...CelType[]]
      if (!this.bindings.allAssignable(given, params)) continue
      chosen.push(overload)
      const resolved = this.bindings.resolve(result)
      if (!type) type = resolved
      else if (formatType(type) !== formatType(resolved)) type = dyn
    }
    if (type) return { type, chosen }
    const shown = given.map((one) => formatType(this.bindings.settled(one)))
    const shownArgs = isMember ? `${shown[0]}.(${shown.slice(1).join(', ')})` : `(${shown.join(', ')})`
    if (given.some(({ kind }) => kind === 'error')) return { type: errorType, chosen }
    this.complain({ at, message: `found no matching overload for '${name}' applied to '${shownArgs}'` })
    return { type: errorType, chosen }
  }

  #index(args: readonly Node[], optional: boolean, at: number): Typed {
    const [operand, index] = args.map((argument) => this.node(argument)) as [Typed, Typed]
    const outer = this.bindings.resolve(operand.type)
    const wraps = isOptional(outer)
    const container: Typed = wraps ? { ...operand, type: this.bindings.resolve(outer.params[0] as CelType) } : operand
    const name = optional ? '_[?_]' : '_[_]'
    const { type } = this.#resultOf({ name, overloads: indexing(name), isMember: false, typed: [container, index], at })
    const isOptionalResult = optional || wraps
    const run: Run = (frame) => {
      const value = operand.run(frame)
      const key = index.run(frame)
      frame.meter.spend(1)
      if (value instanceof OptionalValue) {
        const inner = value.value === undefined ? undefined : itemOf(value.value, key)
        return inner === undefined ? OptionalValue.none : new OptionalValue(inner)
      }
      const found = itemOf(value, key)
      if (optional) return found === undefined ? OptionalValue.none : new OptionalValue(found)
      if (found === undefined) {
        throw new EvaluationError(value instanceof ListValue ? `index out of bounds: ${shownKey(key)}` : `no such key: ${shownKey(key)}`)
      }
      return found
    }
    return { type: isOptionalResult ? optionalOf(type) : type, run }
  }
}

function optionalValue(value: Value, optional: boolean): Value | undefined {
  if (!optional) return value
  if (!(value instanceof OptionalValue)) throw noSuchOverload()
  return value.value
}

function literal(given: Literal): Typed {
  switch (given.kind) {
    case 'int':
      return { type: int, run: () => given.value }
    case 'uint': {
      const value = new Uint(given.value)
      return { type: uint, run: () => value }
    }
    case 'double':
      return { type: double, run: () => given.value }
    case 'string':
      return { type: string, run: () => given.value }
    case 'bytes':
      return { type: bytes, run: () => given.value }
    case 'bool':
      return { type: bool, run: () => given.value }
    case 'null':
      return { type: nullType, run: () => null }
  }
}

/** The first of the overloads that the values fit. */
function dispatch(overloads: readonly Overload[], args: readonly Typed[]): Run {
  return (frame) => {
    const values = args.map(({ run }) => run(frame))
    const chosen = overloads.find((overload) => takes(overload, values))
    if (chosen) {
      frame.meter.spend(costOf(chosen, values))
      return applied(chosen, values)
    }
    throw noSuchOverload()
  }
}

const [itemType, keyType] = [param('A'), param('B')]

function indexing(name: string): Overload[] {
  const declare = (params: readonly CelType[], result: CelType): Overload => ({ name, isMember: false, params, result, run: () => null })
  return [declare([listOf(itemType), int], itemType), declare([mapOf(keyType, itemType), keyType], itemType)]
}

function equality(name: '_==_' | '_!=_'): Overload {
  const expected = name === '_==_'
  const run = (a: Value, b: Value): Value => areEqual(a, b) === expected
  const cost = (a: Value, b: Value): number => Math.max(1, traversal(Math.min(sizeOf(a), sizeOf(b))))
  return { name, isMember: false, params: [itemType, itemType], result: bool, run, cost }
}

/** What does not always need all of its operands. */
const operators: ReadonlyMap<string, { overload: Overload; run: (args: readonly Typed[]) => Run }> = new Map([
  ['_&&_', { overload: logic('_&&_'), run: ([a, b]: readonly Typed[]) => shortCircuit(a as Typed, b as Typed, false) }],
  ['_||_', { overload: logic('_||_'), run: ([a, b]: readonly Typed[]) => shortCircuit(a as Typed, b as Typed, true) }],
  ['_?_:_', { overload: choice(), run: ([a, b, c]: readonly Typed[]) => conditional(a as Typed, b as Typed, c as Typed) }],
])

function logic(name: string): Overload {
  return { name, isMember: false, params: [bool, bool], result: bool, run: () => null }
}

function choice(): Overload {
  return { name: '_?_:_', isMember: false, params: [bool, itemType, itemType], result: itemType, run: () => null }
}

function shortCircuit(left: Typed, right: Typed, deciding: boolean): Run {
  return (frame: Frame) => {
    const first = attempt(left.run, frame)
    if (first === deciding) return deciding
    const second = attempt(right.run, frame)
    if (second === deciding) return deciding
    if (first instanceof EvaluationError) throw first
    if (second instanceof EvaluationError) throw second
    if (typeof first !== 'boolean' || typeof second !== 'boolean') throw noSuchOverload()
    return !deciding
  }
}

function conditional(condition: Typed, yes: Typed, no: Typed): Run {
  return (frame) => {
    const held = condition.run(frame)
    if (typeof held !== 'boolean') throw noSuchOverload()
    return (held ? yes : no).run(frame)
  }
}
