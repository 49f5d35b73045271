import { SyntaxFault } from './source.ts'
import { type Entry, type FieldEntry, type Literal, type Node, qualifiedName } from './syntax.ts'
import { type Token, tokensOf } from './tokens.ts'

/** What upstream's parser allows. */
const maxDepth = 250
const maxCodePoints = 100_000

const reserved: ReadonlySet<string> = new Set(
  'as break const continue else false for function if import in let loop package namespace null return true var void while'.split(' '),
)

/** Binary operators by how tightly they bind, the loosest first; all lead to the left. */
const levels: readonly ReadonlySet<string>[] = [
  new Set(['||']),
  new Set(['&&']),
  new Set(['==', '!=', '<', '<=', '>', '>=', 'in']),
  new Set(['+', '-']),
  new Set(['*', '/', '%']),
]

/** How many variables each binds, and how many arguments it has beside them. */
const macros: ReadonlyMap<string, readonly (readonly [variables: number, args: number])[]> = new Map([
  [
    'all',
    [
      [1, 1],
      [2, 1],
    ],
  ],
  [
    'exists',
    [
      [1, 1],
      [2, 1],
    ],
  ],
  [
    'exists_one',
    [
      [1, 1],
      [2, 1],
    ],
  ],
  [
    'existsOne',
    [
      [1, 1],
      [2, 1],
    ],
  ],
  [
    'map',
    [
      [1, 1],
      [1, 2],
    ],
  ],
  ['filter', [[1, 1]]],
  [
    'transformList',
    [
      [2, 1],
      [2, 2],
    ],
  ],
  [
    'transformMap',
    [
      [2, 1],
      [2, 2],
    ],
  ],
  [
    'transformMapEntry',
    [
      [2, 1],
      [2, 2],
    ],
  ],
  ['optMap', [[1, 1]]],
  ['optFlatMap', [[1, 1]]],
  ['sortBy', [[1, 1]]],
])

const expectations = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"

/** Throws {@link SyntaxFault}. */
export function parse(source: string): Node {
  if (source.length > maxCodePoints)
    throw new SyntaxFault(0, `expression code point size exceeds limit: size: ${source.length}, limit ${maxCodePoints}`)
  return new Parser(tokensOf(source)).whole()
}

class Parser {
  readonly #tokens: readonly Token[]
  #position = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  whole(): Node {
    const node = this.#expression()
    const token = this.#peek()
    if (token.kind !== 'end') throw this.#unexpected(token, '<EOF>', 'mismatched')
    return node
  }

  #peek(): Token {
    return this.#tokens[this.#position] as Token
  }

  #next(): Token {
    const token = this.#peek()
    if (token.kind !== 'end') this.#position++
    return token
  }

  #isSymbol(text: string): boolean {
    const token = this.#peek()
    return token.kind === 'symbol' && token.text === text
  }

  #take(text: string): Token | undefined {
    return this.#isSymbol(text) ? this.#next() : undefined
  }

  #expect(text: string): Token {
    const token = this.#take(text)
    if (!token) throw this.#unexpected(this.#peek(), `'${text}'`, 'mismatched')
    return token
  }

  #unexpected({ at, kind, text, end }: Token, expected: string, how: 'mismatched' | 'extraneous'): SyntaxFault {
    const shown = kind === 'string' || kind === 'bytes' ? `'${'.'.repeat(end - at)}'` : `'${text}'`
    return new SyntaxFault(at, `Syntax error: ${how} input ${shown} expecting ${expected}`)
  }

  /** Bounds what the evaluation's stack has to hold. */
  #nested<T>(parse: () => T): T {
    if (++this.#depth > maxDepth) throw new SyntaxFault(this.#peek().at, `expression recursion limit exceeded: ${maxDepth}`)
    const result = parse()
    this.#depth--
    return result
  }

  #expression(): Node {
    return this.#nested(() => {
      const condition = this.#binary(0)
      const question = this.#take('?')
      if (!question) return condition
      const yes = this.#binary(0)
      this.#expect(':')
      const no = this.#expression()
      return { type: 'call', name: '_?_:_', target: undefined, args: [condition, yes, no], at: question.at }
    })
  }

  #binary(level: number): Node {
    const operators = levels[level]
    if (!operators) return this.#unary()
    let left = this.#binary(level + 1)
    let chained = 0
    for (;;) {
      const token = this.#peek()
      const isOperator = (token.kind === 'symbol' || token.text === 'in') && token.kind !== 'string' && operators.has(token.text)
      if (!isOperator) {
        this.#depth -= chained
        return left
      }
      this.#next()
      // Chains nest to the left, and are as deep for whoever walks them.
      if (++this.#depth > maxDepth) throw new SyntaxFault(token.at, `expression recursion limit exceeded: ${maxDepth}`)
      chained++
      const right = this.#binary(level + 1)
      const name = token.text === 'in' ? '@in' : `_${token.text}_`
      left = { type: 'call', name, target: undefined, args: [left, right], at: token.at }
    }
  }

  #unary(): Node {
    const token = this.#peek()
    if (token.kind !== 'symbol' || (token.text !== '!' && token.text !== '-')) return this.#member(this.#primary())
    const following = this.#tokens[this.#position + 1]
    if (token.text === '-' && (following?.kind === 'int' || following?.kind === 'double')) {
      this.#next()
      return this.#member({ type: 'literal', literal: literalOf(this.#next(), '-'), at: token.at })
    }
    let count = 0
    while (this.#isSymbol(token.text)) {
      this.#next()
      count++
    }
    const operand = this.#nested(() => this.#member(this.#primary()))
    // A pair of signs means nothing.
    return count % 2 === 0 ? operand : { type: 'call', name: `${token.text}_`, target: undefined, args: [operand], at: token.at }
  }

  #member(primary: Node): Node {
    let node = primary
    let chained = 0
    for (;;) {
      const token = this.#peek()
      if (token.kind !== 'symbol' || (token.text !== '.' && token.text !== '[')) break
      if (++chained + this.#depth > maxDepth) throw new SyntaxFault(token.at, `expression recursion limit exceeded: ${maxDepth}`)
      this.#next()
      node = token.text === '.' ? this.#selection(node, token) : this.#index(node, token)
    }
    return node
  }

  #selection(operand: Node, dot: Token): Node {
    const optional = this.#take('?') !== undefined
    const name = this.#next()
    if (name.kind === 'quoted-identifier') return { type: 'select', operand, field: name.text, optional, at: dot.at }
    const isName = name.kind === 'identifier' && !['in', 'true', 'false', 'null'].includes(name.text)
    if (!isName) throw this.#unexpected(name, '{IDENTIFIER, ESC_IDENTIFIER}', 'mismatched')
    const open = optional ? undefined : this.#take('(')
    if (open) return this.#call(name, operand, open, this.#args(')'))
    const node: Node = { type: 'select', operand, field: name.text, optional, at: dot.at }
    return !optional && this.#isSymbol('{') && qualifiedName(node) !== undefined ? this.#struct(qualifiedName(node) as string) : node
  }

  #index(operand: Node, bracket: Token): Node {
    const optional = this.#take('?') !== undefined
    const index = this.#expression()
    this.#expect(']')
    return { type: 'call', name: optional ? '_[?_]' : '_[_]', target: undefined, args: [operand, index], at: bracket.at }
  }

  #args(close: string): Node[] {
    const args: Node[] = []
    if (this.#take(close)) return args
    for (;;) {
      args.push(this.#expression())
      if (this.#take(close)) return args
      if (!this.#take(',')) throw this.#unexpected(this.#peek(), `{'${close}', ','}`, 'mismatched')
    }
  }

  #call({ text: name }: Token, target: Node | undefined, open: Token, args: readonly Node[]): Node {
    if (name === 'has' && !target && args.length === 1) return hasOf(args[0] as Node)
    if (target) {
      const macro = macroOf(name, target, open.at, args)
      if (macro) return macro
    }
    return { type: 'call', name, target, args, at: open.at }
  }

  #primary(): Node {
    const token = this.#next()
    const { at } = token
    switch (token.kind) {
      case 'int':
      case 'uint':
      case 'double':
      case 'string':
      case 'bytes':
        return { type: 'literal', literal: literalOf(token, ''), at }
      case 'identifier':
        return this.#named(token, '')
      case 'symbol':
        return this.#bracketed(token)
      default:
        throw this.#unexpected(token, expectations, 'mismatched')
    }
  }

  #bracketed(token: Token): Node {
    switch (token.text) {
      case '(': {
        const inner = this.#expression()
        this.#expect(')')
        return inner
      }
      case '[':
        return this.#list(token.at)
      case '{':
        return this.#map(token.at)
      case '.':
        if (this.#peek().kind === 'identifier') return this.#named(this.#next(), '.')
    }
    throw this.#unexpected(token, expectations, 'extraneous')
  }

  /** `dot`: a leading dot, which means the same where there is no container. */
  #named(token: Token, dot: '' | '.'): Node {
    const { text: name, at } = token
    if (dot === '') {
      if (name === 'true' || name === 'false') return { type: 'literal', literal: { kind: 'bool', value: name === 'true' }, at }
      if (name === 'null') return { type: 'literal', literal: { kind: 'null' }, at }
    }
    if (name === 'in') throw this.#unexpected(token, expectations, 'mismatched')
    if (reserved.has(name)) throw new SyntaxFault(at, `reserved identifier: ${name}`)
    const open = this.#take('(')
    if (open) return this.#call(token, undefined, open, this.#args(')'))
    if (this.#isSymbol('{')) return this.#struct(name)
    return { type: 'name', name, at }
  }

  #list(at: number): Node {
    const items: { node: Node; optional: boolean }[] = []
    for (;;) {
      if (this.#take(']')) return { type: 'list', items, at }
      const optional = this.#take('?') !== undefined
      items.push({ node: this.#expression(), optional })
      if (!this.#take(',') && !this.#isSymbol(']')) throw this.#unexpected(this.#peek(), "{']', ','}", 'mismatched')
    }
  }

  #map(at: number): Node {
    const entries: Entry[] = []
    for (;;) {
      if (this.#take('}')) return { type: 'map', entries, at }
      const optional = this.#take('?') !== undefined
      const key = this.#expression()
      this.#expect(':')
      entries.push({ key, value: this.#expression(), optional })
      if (!this.#take(',') && !this.#isSymbol('}')) throw this.#unexpected(this.#peek(), "{'}', ','}", 'mismatched')
    }
  }

  #struct(name: string): Node {
    const { at } = this.#expect('{')
    const fields: FieldEntry[] = []
    for (;;) {
      if (this.#take('}')) return { type: 'struct', name, fields, at }
      const optional = this.#take('?') !== undefined
      const field = this.#next()
      if (field.kind !== 'identifier' && field.kind !== 'quoted-identifier') {
        throw this.#unexpected(field, '{IDENTIFIER, ESC_IDENTIFIER}', 'mismatched')
      }
      const colon = this.#expect(':')
      fields.push({ name: field.text, at: colon.at, value: this.#expression(), optional })
      if (!this.#take(',') && !this.#isSymbol('}')) throw this.#unexpected(this.#peek(), "{'}', ','}", 'mismatched')
    }
  }
}

function hasOf(argument: Node): Node {
  if (argument.type !== 'select' || argument.optional) throw new SyntaxFault(argument.at, 'invalid argument to has() macro')
  return { type: 'has', operand: argument.operand, field: argument.field, at: argument.at }
}

function macroOf(name: string, target: Node, at: number, args: readonly Node[]): Node | undefined {
  const shape = macros.get(name)?.find(([variables, others]) => variables + others === args.length)
  if (!shape) return undefined
  // map(x, condition, result) and all(i, x, condition) differ in how many names they begin with.
  const variables = args.slice(0, shape[0]).map((argument) => {
    if (argument.type !== 'name') throw new SyntaxFault(argument.at, 'argument must be a simple name')
    return argument.name
  })
  if (new Set(variables).size < variables.length) {
    throw new SyntaxFault((args[1] as Node).at, `duplicate variable name: ${variables[0]}`)
  }
  return { type: 'macro', name, target, variables, args: args.slice(shape[0]), at }
}

function literalOf(token: Token, sign: '' | '-'): Literal {
  const { kind, text, at } = token
  if (kind === 'string') return { kind, value: text }
  if (kind === 'bytes') return { kind, value: token.bytes as Uint8Array }
  if (kind === 'double') return { kind, value: Number(sign + text) }
  const digits = BigInt(text.replace(/[uU]$/, ''))
  const value = sign === '-' ? -digits : digits
  if (kind === 'uint') {
    if (value >= 2n ** 64n) throw new SyntaxFault(at, 'invalid uint literal')
    return { kind, value }
  }
  if (value >= 2n ** 63n || value < -(2n ** 63n)) throw new SyntaxFault(at, 'invalid int literal')
  return { kind: 'int', value }
}
