/** What an expression is known to be before it runs. */
export interface CelType {
  readonly kind: 'dyn' | 'scalar' | 'list' | 'map' | 'object' | 'opaque' | 'type' | 'param' | 'error'
  /** As messages name it, without its parameters. */
  readonly name: string
  readonly params: readonly CelType[]
  /** Of an object: undefined for a field that it does not have. */
  readonly field?: (name: string) => CelType | undefined
}

const scalar = (name: string): CelType => ({ kind: 'scalar', name, params: [] })

export const dyn: CelType = { kind: 'dyn', name: 'dyn', params: [] }
/** Of what has been complained about already: fits everywhere, so that nothing is said twice. */
export const errorType: CelType = { kind: 'error', name: '!error!', params: [] }
export const nullType = scalar('null')
export const bool = scalar('bool')
export const int = scalar('int')
export const uint = scalar('uint')
export const double = scalar('double')
export const string = scalar('string')
export const bytes = scalar('bytes')
export const duration = scalar('duration')
export const timestamp = scalar('timestamp')

export const listOf = (item: CelType): CelType => ({ kind: 'list', name: 'list', params: [item] })
export const mapOf = (key: CelType, value: CelType): CelType => ({ kind: 'map', name: 'map', params: [key, value] })
/**
 * A map whose keys come from an expression. Keys are scalars, or what is written fails when it runs; a type that holds the keys' own
 * would otherwise grow twofold with each map of maps.
 */
export const mapKeyedBy = (key: CelType, value: CelType): CelType => mapOf(key.kind === 'scalar' || key.kind === 'param' ? key : dyn, value)
export const optionalOf = (value: CelType): CelType => ({ kind: 'opaque', name: 'optional_type', params: [value] })
export const typeOf = (of: CelType): CelType => ({ kind: 'type', name: 'type', params: [of] })
export const opaque = (name: string): CelType => ({ kind: 'opaque', name, params: [] })
export const param = (name: string): CelType => ({ kind: 'param', name, params: [] })

/** Fields may lead back to the type itself, so they are asked for one by one. */
export const objectType = (name: string, field: (name: string) => CelType | undefined): CelType => ({
  kind: 'object',
  name,
  params: [],
  field,
})

export const objectOf = (name: string, fields: Readonly<Record<string, CelType>>): CelType =>
  objectType(name, (field) => (Object.hasOwn(fields, field) ? fields[field] : undefined))

export const isOptional = (type: CelType): boolean => type.kind === 'opaque' && type.name === 'optional_type'

/** As upstream's checker prints it: `map(string, list(int))`. */
export function formatType({ name, params }: CelType): string {
  return params.length === 0 ? name : `${name}(${params.map(formatType).join(', ')})`
}

const longNames: ReadonlyMap<string, string> = new Map([
  ['null', 'null_type'],
  ['duration', 'google.protobuf.Duration'],
  ['timestamp', 'google.protobuf.Timestamp'],
])

/** As `type(x)` and upstream's "must evaluate to" name it. */
export function declaredName({ name, params }: CelType): string {
  const own = longNames.get(name) ?? name
  return params.length === 0 ? own : `${own}(${params.map(declaredName).join(', ')})`
}

/** What type parameters stand for, so far: list literals and calls of generic functions are settled as they are used. */
export class Bindings {
  readonly #bound = new Map<string, CelType>()
  /** What has been bound, in its order: so that what turns out wrong is taken back. */
  readonly #trail: string[] = []
  #count = 0

  fresh(): CelType {
    return param(`_var${this.#count++}`)
  }

  /** With a parameter of its own for each of the signature's. */
  renewed(types: readonly CelType[]): CelType[] {
    const own = new Map<string, CelType>()
    const renew = (type: CelType): CelType => {
      if (type.kind === 'param') {
        const known = own.get(type.name) ?? this.fresh()
        own.set(type.name, known)
        return known
      }
      return type.params.length === 0 ? type : { ...type, params: type.params.map(renew) }
    }
    return types.map(renew)
  }

  resolve(type: CelType): CelType {
    if (type.kind === 'param') {
      const bound = this.#bound.get(type.name)
      return bound ? this.resolve(bound) : type
    }
    return type.params.length === 0 ? type : { ...type, params: type.params.map((inner) => this.resolve(inner)) }
  }

  /** What nothing settled may be anything. */
  settled(type: CelType): CelType {
    const resolved = this.resolve(type)
    if (resolved.kind === 'param') return dyn
    return resolved.params.length === 0 ? resolved : { ...resolved, params: resolved.params.map((inner) => this.settled(inner)) }
  }

  /** Whether all go where they are to go; binds parameters only if they do. */
  allAssignable(from: readonly CelType[], to: readonly CelType[]): boolean {
    if (from.length !== to.length) return false
    const before = this.#trail.length
    if (from.every((type, index) => this.#assignable(type, to[index] as CelType))) return true
    for (const name of this.#trail.splice(before)) this.#bound.delete(name)
    return false
  }

  assignable(from: CelType, to: CelType): boolean {
    return this.allAssignable([from], [to])
  }

  /** The type of both items of a list literal; undefined: they have none in common. */
  joined(previous: CelType | undefined, current: CelType): CelType | undefined {
    if (!previous) return current
    return this.assignable(previous, current) ? mostGeneral(this.resolve(previous), this.resolve(current)) : undefined
  }

  #assignable(given: CelType, wanted: CelType): boolean {
    const from = this.resolve(given)
    const to = this.resolve(wanted)
    if (from.kind === 'param' || to.kind === 'param') return this.#bind(from, to)
    if (isAny(from) || isAny(to)) return true
    if (from.name === 'null' && from.kind === 'scalar') return acceptsNull(to)
    if (to.name === 'null' && to.kind === 'scalar') return acceptsNull(from)
    if (from.kind !== to.kind) return false
    if (from.kind === 'type') return true
    return from.name === to.name && from.params.every((inner, index) => this.#assignable(inner, to.params[index] as CelType))
  }

  #bind(from: CelType, to: CelType): boolean {
    if (from.kind === 'param' && to.kind === 'param' && from.name === to.name) return true
    const [variable, type] = to.kind === 'param' ? [to, from] : [from, to]
    if (occursIn(variable.name, type, this)) return false
    this.#bound.set(variable.name, type.kind === 'error' ? dyn : type)
    this.#trail.push(variable.name)
    return true
  }
}

const isAny = (type: CelType): boolean => type.kind === 'dyn' || type.kind === 'error'

function acceptsNull(type: CelType): boolean {
  const isNullable = type.kind === 'object' || type.kind === 'opaque' || type.name === 'duration' || type.name === 'timestamp'
  return isNullable || type.name === 'null'
}

function mostGeneral(a: CelType, b: CelType): CelType {
  return isAny(b) ? b : a
}

function occursIn(name: string, type: CelType, bindings: Bindings): boolean {
  const resolved = bindings.resolve(type)
  return resolved.kind === 'param' ? resolved.name === name : resolved.params.some((inner) => occursIn(name, inner, bindings))
}

/** Reads a type as signatures write it: `list(T)`, `map(string, optional(int))`; a capital letter is a parameter. */
export function parseType(text: string): CelType {
  const [, name = '', inner] = /^([\w.]+)(?:\((.*)\))?$/.exec(text.trim()) ?? []
  const params = inner === undefined ? [] : splitTypes(inner).map(parseType)
  const first = params[0] ?? dyn
  switch (name) {
    case 'dyn':
      return dyn
    case 'list':
      return listOf(first)
    case 'map':
      return mapOf(first, params[1] ?? dyn)
    case 'optional':
      return optionalOf(first)
    case 'type':
      return typeOf(first)
    default:
      if (/^[A-Z]$/.test(name)) return param(name)
      return /^[a-z]+$/.test(name) ? scalar(name) : opaque(name)
  }
}

/** At the commas outside of brackets. */
export function splitTypes(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let part = ''
  for (const character of text) {
    if (character === '(') depth++
    if (character === ')') depth--
    if (character === ',' && depth === 0) {
      parts.push(part)
      part = ''
    } else part += character
  }
  return part.trim() === '' && parts.length === 0 ? [] : [...parts, part]
}
