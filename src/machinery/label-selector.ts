import { isObject, ownValue } from './equality.ts'
import { labelValueFaults, qualifiedNameFaults } from './names.ts'

/** One condition on an object's labels. `gt` and `lt` compare whole numbers. */
export interface Requirement {
  readonly key: string
  readonly operator: 'in' | 'notin' | 'exists' | '!exists' | '=' | '!=' | 'gt' | 'lt'
  /** One value with =, !=, gt and lt; none with exists and !exists. */
  readonly values: readonly string[]
}

type Labels = Readonly<Record<string, string>> | undefined

/** All must hold; an empty selector matches everything. */
export type LabelRequirements = readonly Requirement[]

/** The text or object is no selector; the message is upstream's. */
export class SelectorError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'SelectorError'
  }
}

export function matchesLabels(requirements: LabelRequirements, labels: Labels): boolean {
  return requirements.every((requirement) => holds(requirement, labels))
}

function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = labels && (ownValue(labels as Record<string, unknown>, key) as string | undefined)
  switch (operator) {
    case 'exists':
      return value !== undefined
    case '!exists':
      return value === undefined
    case 'in':
    case '=':
      return value !== undefined && values.includes(value)
    case 'notin':
    case '!=':
      return value === undefined || !values.includes(value)
    case 'gt':
    case 'lt': {
      if (value === undefined || !/^[-+]?\d+$/.test(value)) return false
      const [a, b] = [BigInt(value.replace('+', '')), BigInt(values[0] as string)]
      return operator === 'gt' ? a > b : a < b
    }
  }
}

/** In the form that query strings have: `app=web,tier in (a,b),!old`. */
export function formatLabelSelector(requirements: LabelRequirements): string {
  return requirements.map(formatRequirement).join(',')
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'exists':
      return key
    case '!exists':
      return `!${key}`
    case 'in':
    case 'notin':
      return `${key} ${operator} (${[...values].sort().join(',')})`
    case 'gt':
      return `${key}>${values[0]}`
    case 'lt':
      return `${key}<${values[0]}`
    default:
      return `${key}${operator}${values[0] ?? ''}`
  }
}

/** What a LabelSelector object means. None matches nothing, an empty one everything. Throws {@link SelectorError}. */
export function labelSelectorMatcher(selector: unknown): (labels: Labels) => boolean {
  if (!isObject(selector)) return () => false
  const requirements = requirementsOf(selector)
  return (labels) => matchesLabels(requirements, labels)
}

/** The requirements of a LabelSelector object (matchLabels and matchExpressions). Throws {@link SelectorError}. */
export function requirementsOf(selector: {
  matchLabels?: Readonly<Record<string, string>> | unknown
  matchExpressions?: unknown
}): LabelRequirements {
  const labels = isObject(selector.matchLabels) ? (selector.matchLabels as Record<string, string>) : {}
  const expressions = Array.isArray(selector.matchExpressions) ? (selector.matchExpressions as Expression[]) : []
  return [
    ...Object.entries(labels).map(([key, value]): Requirement => checkedRequirement({ key, operator: '=', values: [value] })),
    ...expressions.map(requirementOf),
  ]
}

interface Expression {
  readonly key: string
  readonly operator: string
  readonly values?: readonly string[]
}

const operators: Readonly<Record<string, Requirement['operator'] | undefined>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!exists',
}

function requirementOf({ key, operator, values = [] }: Expression): Requirement {
  const known = operators[operator]
  if (!known) throw new SelectorError(`"${operator}" is not a valid label selector operator`)
  return checkedRequirement({ key, operator: known, values })
}

/** Throws {@link SelectorError} in the words of upstream's NewRequirement. */
function checkedRequirement(requirement: Requirement): Requirement {
  const { key, operator, values } = requirement
  const keyFaults = qualifiedNameFaults(key)
  if (keyFaults.length > 0) throw new SelectorError(`key: Invalid value: ${JSON.stringify(key)}: ${keyFaults.join('; ')}`)
  const shown = `[${values.map((value) => JSON.stringify(value)).join(',')}]`
  if ((operator === 'in' || operator === 'notin') && values.length === 0) {
    throw new SelectorError(`values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty`)
  }
  if ((operator === 'exists' || operator === '!exists') && values.length > 0) {
    throw new SelectorError(`values: Invalid value: ${shown}: values set must be empty for exists and does not exist`)
  }
  if (operator === 'gt' || operator === 'lt') {
    if (!/^[-+]?\d+$/.test(values[0] ?? '')) {
      throw new SelectorError(
        `values[0]: Invalid value: ${JSON.stringify(values[0])}: for 'Gt', 'Lt' operators, the value must be an integer`,
      )
    }
  }
  for (const [index, value] of values.entries()) {
    const faults = labelValueFaults(value)
    if (faults.length > 0)
      throw new SelectorError(`values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${faults.join('; ')}`)
  }
  return requirement
}

type Token = { readonly kind: 'word' | 'symbol' | 'end'; readonly text: string }

/** Splits at blanks; `(`, `)` and `,` stand alone, runs of the characters = ! < > are operators. */
function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  for (const [part] of text.matchAll(/[(),]|==|=|!=|!|<|>|[^\s(),=!<>]+/g)) {
    tokens.push({ kind: /^[(),=!<>]/.test(part) ? 'symbol' : 'word', text: part })
  }
  tokens.push({ kind: 'end', text: '' })
  return tokens
}

/** Parses the `labelSelector` of a query string. Throws {@link SelectorError} in upstream's words. */
export function parseLabelSelector(text: string): LabelRequirements {
  const tokens = tokensOf(text)
  const requirements: Requirement[] = []
  let position = 0
  const peek = (): Token => tokens[position] as Token
  const next = (): Token => tokens[position < tokens.length - 1 ? position++ : position] as Token
  const startsRequirement = (token: Token): boolean => token.kind === 'word' || token.text === '!'

  if (peek().kind === 'end') return []
  if (!startsRequirement(peek())) throw new SelectorError(`found '${peek().text}', expected: !, identifier, or 'end of string'`)
  for (;;) {
    try {
      requirements.push(parseRequirement(next, peek))
    } catch (error) {
      if (error instanceof SelectorError) throw new SelectorError(`unable to parse requirement: ${error.message}`)
      throw error
    }
    const separator = next()
    if (separator.kind === 'end') return requirements
    if (separator.text !== ',') throw new SelectorError(`found '${separator.text}', expected: ',' or 'end of string'`)
    if (!startsRequirement(peek())) throw new SelectorError(`found '${peek().text}', expected: identifier after ','`)
  }
}

const symbols: Readonly<Record<string, Requirement['operator'] | undefined>> = {
  '=': '=',
  '==': '=',
  '!=': '!=',
  in: 'in',
  notin: 'notin',
  '>': 'gt',
  '<': 'lt',
}

function parseRequirement(next: () => Token, peek: () => Token): Requirement {
  const negated = peek().text === '!'
  if (negated) next()
  const key = next()
  if (key.kind !== 'word') throw new SelectorError(`found '${key.text}', expected: identifier`)
  const atEnd = peek().kind === 'end' || peek().text === ','
  if (negated || atEnd) return checkedRequirement({ key: key.text, operator: negated ? '!exists' : 'exists', values: [] })
  const operator = next()
  const known = symbols[operator.text]
  if (!known) throw new SelectorError(`found '${operator.text}', expected: in, notin, =, ==, !=, gt, lt`)
  const values = known === 'in' || known === 'notin' ? parseValues(next, peek) : [parseExactValue(next, peek)]
  return checkedRequirement({ key: key.text, operator: known, values })
}

function parseExactValue(next: () => Token, peek: () => Token): string {
  if (peek().kind === 'end' || peek().text === ',') return ''
  const value = next()
  if (value.kind !== 'word') throw new SelectorError(`found '${value.text}', expected: identifier`)
  return value.text
}

/** `(a, b)`; a missing value between commas is the empty string. */
function parseValues(next: () => Token, peek: () => Token): string[] {
  const open = next()
  if (open.text !== '(') throw new SelectorError(`found '${open.text}' expected: '('`)
  const values = new Set<string>()
  if (peek().text === ')') {
    next()
    return ['']
  }
  for (;;) {
    values.add(peek().kind === 'word' ? next().text : '')
    const separator = next()
    if (separator.text === ')') return [...values]
    if (separator.text !== ',') throw new SelectorError(`found '${separator.text}', expected: ',' or ')'`)
  }
}
