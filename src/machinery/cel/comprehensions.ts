import { attempt, type Frame, noSuchOverload, type Run, type Typed } from './frame.ts'
import type { Issue } from './source.ts'
import type { Node } from './syntax.ts'
import { type Bindings, bool, type CelType, dyn, formatType, int, isOptional, listOf, mapKeyedBy, optionalOf } from './types.ts'
import { compareValues, EvaluationError, ListValue, MapValue, OptionalValue, type Value } from './values.ts'

export type Macro = Extract<Node, { type: 'macro' }>

/** Of the compiler, what comprehensions need. */
export interface Scope {
  readonly bindings: Bindings
  complain(issue: Issue): void
  node(node: Node): Typed
  /** With the names bound while `compile` is under way; `slot` is where the first of them lies. */
  within<T>(variables: readonly (readonly [name: string, type: CelType])[], compile: (slot: number) => T): T
}

/** As upstream's comprehensions cost: what each turn takes, and each item that becomes part of a result. */
const costOfTurn = 3
const costOfItem = 10

/** Calls `visit` for each item until it answers; the one or two variables are bound meanwhile. */
type Loop = (frame: Frame, visit: (item: Value, key: Value) => Value | undefined) => Value | undefined

export function compileMacro(node: Macro, scope: Scope): Typed {
  const target = scope.node(node.target)
  if (node.name === 'optMap' || node.name === 'optFlatMap') return compileOptionalMap(node, target, scope)
  const type = scope.bindings.resolve(target.type)
  const [key, item] = rangeOf(type, node, scope)
  const isPair = node.variables.length === 2
  // With one variable a map's keys are gone through.
  const single = type.kind === 'map' ? key : item
  const types = isPair ? [key, item] : [single]
  const variables = node.variables.map((name, index) => [name, types[index] as CelType] as const)
  return scope.within(variables, (slot) => {
    const loop = loopOver(target.run, slot, isPair)
    const args = node.args.map((argument) => scope.node(argument))
    return compileLoop(node, { loop, args, single, key, scope, keyed: isPair })
  })
}

function rangeOf(type: CelType, node: Macro, scope: Scope): [key: CelType, item: CelType] {
  if (type.kind === 'list') return [int, scope.bindings.resolve(type.params[0] as CelType)]
  if (type.kind === 'map') return type.params.map((inner) => scope.bindings.resolve(inner)) as [CelType, CelType]
  const isDynamic = type.kind === 'dyn' || type.kind === 'error' || type.kind === 'param'
  if (!isDynamic) {
    const what = `expression of type '${formatType(type)}' cannot be range of a comprehension (must be list, map, or dynamic)`
    scope.complain({ at: node.target.at, message: what })
  }
  return [dyn, dyn]
}

function loopOver(range: Run, slot: number, isPair: boolean): Loop {
  return (frame, visit) => {
    const over = range(frame)
    const turn = (key: Value, item: Value): Value | undefined => {
      frame.meter.spend(costOfTurn)
      frame.slots[slot] = isPair ? key : item
      if (isPair) frame.slots[slot + 1] = item
      return visit(item, key)
    }
    if (over instanceof ListValue) {
      for (let index = 0; index < over.size; index++) {
        const found = turn(BigInt(index), over.at(index))
        if (found !== undefined) return found
      }
    } else if (over instanceof MapValue) {
      for (const key of over.keys()) {
        const found = turn(key, isPair ? (over.get(key) as Value) : key)
        if (found !== undefined) return found
      }
    } else throw noSuchOverload()
    return undefined
  }
}

interface Parts {
  readonly loop: Loop
  readonly args: readonly Typed[]
  readonly single: CelType
  readonly key: CelType
  readonly scope: Scope
  /** There are two variables. */
  readonly keyed: boolean
}

function compileLoop(node: Macro, parts: Parts): Typed {
  const { args, single, key, scope } = parts
  const last = args[args.length - 1] as Typed
  const isConditional = args.length === 2 || ['all', 'exists', 'exists_one', 'existsOne', 'filter'].includes(node.name)
  const condition = isConditional ? (args[0] as Typed) : undefined
  if (condition && !scope.bindings.assignable(condition.type, bool)) {
    const shown = formatType(scope.bindings.settled(condition.type))
    const name = node.name === 'exists' ? '_||_' : node.name === 'all' ? '_&&_' : '_?_:_'
    const applied =
      name === '_?_:_' ? `(${shown}, ${node.name === 'exists_one' ? 'int, int' : 'list(dyn), list(dyn)'})` : `(bool, ${shown})`
    scope.complain({ at: node.at, message: `found no matching overload for '${name}' applied to '${applied}'` })
  }
  switch (node.name) {
    case 'all':
    case 'exists':
      return { type: bool, run: quantifier(parts.loop, last.run, node.name === 'exists') }
    case 'exists_one':
    case 'existsOne':
      return { type: bool, run: exactlyOne(parts.loop, last.run) }
    case 'filter':
      return { type: listOf(single), run: gathering(parts.loop, last.run, (_frame, item, own) => (parts.keyed ? item : own)) }
    case 'map':
    case 'transformList':
      return { type: listOf(last.type), run: gathering(parts.loop, condition?.run, last.run) }
    case 'transformMap':
      return { type: mapKeyedBy(key, last.type), run: gatheringEntries(parts.loop, condition?.run, last.run) }
    case 'transformMapEntry':
      return { type: scope.bindings.resolve(last.type), run: merging(parts.loop, condition?.run, last.run) }
    case 'sortBy':
      return { type: listOf(single), run: sorting(parts.loop, last.run) }
    default:
      throw new Error(`no such macro: ${node.name}`)
  }
}

/** `exists` and `all`: one item that decides makes up for others that fail. */
function quantifier(loop: Loop, condition: Run, deciding: boolean): Run {
  return (frame) => {
    let failure: EvaluationError | undefined
    const found = loop(frame, () => {
      const held = attempt(condition, frame)
      if (held === deciding) return deciding
      if (held instanceof EvaluationError) failure = held
      else if (typeof held !== 'boolean') failure = noSuchOverload()
      return undefined
    })
    if (found === undefined && failure) throw failure
    return found ?? !deciding
  }
}

function exactlyOne(loop: Loop, condition: Run): Run {
  return (frame) => {
    let count = 0
    loop(frame, () => {
      if (isTrue(condition(frame))) count++
      return undefined
    })
    return count === 1
  }
}

function isTrue(value: Value): boolean {
  if (typeof value !== 'boolean') throw noSuchOverload()
  return value
}

/** What `result` makes of the items that the condition holds for. */
function gathering(loop: Loop, condition: Run | undefined, result: (frame: Frame, item: Value, own: Value) => Value): Run {
  return (frame) => {
    const items: Value[] = []
    loop(frame, (item) => {
      if (condition && !isTrue(condition(frame))) return undefined
      frame.meter.spend(costOfItem)
      items.push(result(frame, item, item))
      return undefined
    })
    return ListValue.of(items)
  }
}

function gatheringEntries(loop: Loop, condition: Run | undefined, result: Run): Run {
  return (frame) => {
    const entries: [Value, Value][] = []
    loop(frame, (_item, key) => {
      if (condition && !isTrue(condition(frame))) return undefined
      frame.meter.spend(costOfItem)
      entries.push([key, result(frame)])
      return undefined
    })
    return MapValue.of(entries)
  }
}

function merging(loop: Loop, condition: Run | undefined, result: Run): Run {
  return (frame) => {
    const entries: [Value, Value][] = []
    loop(frame, () => {
      if (condition && !isTrue(condition(frame))) return undefined
      frame.meter.spend(costOfItem)
      const made = result(frame)
      if (!(made instanceof MapValue)) throw noSuchOverload()
      for (const entry of made.entries()) {
        if (entries.some(([key]) => compareValues(key, entry[0]) === 0)) {
          throw new EvaluationError(`insert failed: key ${String(entry[0])} already exists`)
        }
        entries.push(entry)
      }
      return undefined
    })
    return MapValue.of(entries)
  }
}

function sorting(loop: Loop, key: Run): Run {
  return (frame) => {
    const keyed: { key: Value; item: Value }[] = []
    loop(frame, (item) => {
      frame.meter.spend(costOfItem)
      keyed.push({ key: key(frame), item })
      return undefined
    })
    keyed.sort((a, b) => {
      const order = compareValues(a.key, b.key)
      if (order === undefined) throw new EvaluationError('list elements must be comparable')
      return order
    })
    return ListValue.of(keyed.map(({ item }) => item))
  }
}

function compileOptionalMap(node: Macro, target: Typed, scope: Scope): Typed {
  const { bindings } = scope
  const type = bindings.resolve(target.type)
  const inner = isOptional(type) ? (type.params[0] as CelType) : dyn
  if (!isOptional(type) && !bindings.assignable(type, dyn)) {
    scope.complain({ at: node.at, message: `found no matching overload for '${node.name}' applied to '${formatType(type)}'` })
  }
  return scope.within([[node.variables[0] as string, inner]], (slot) => {
    const result = scope.node(node.args[0] as Node)
    const isFlat = node.name === 'optFlatMap'
    return {
      type: isFlat ? result.type : optionalOf(result.type),
      run: (frame) => {
        const value = target.run(frame)
        if (!(value instanceof OptionalValue)) throw noSuchOverload()
        if (value.value === undefined) return value
        frame.slots[slot] = value.value
        const made = result.run(frame)
        return isFlat ? made : new OptionalValue(made)
      },
    }
  })
}
