import { SyntaxFault } from './source.ts'

export interface Token {
  readonly kind: 'identifier' | 'quoted-identifier' | 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'symbol' | 'end'
  /** As written; of strings and bytes what they mean. */
  readonly text: string
  readonly at: number
  readonly end: number
  /** Of bytes only. */
  readonly bytes?: Uint8Array
}

const blank = /(?:[\t\n\f\r ]+|\/\/[^\n]*)*/y
const number = /0x[0-9a-fA-F]+[uU]?|\d*\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+[uU]?/y
const identifier = /[A-Za-z_][A-Za-z0-9_]*/y
const quotedIdentifier = /`[A-Za-z0-9_.\-/ ]+`/y
const symbol = /==|!=|<=|>=|&&|\|\||[-+*/%<>!?:.,()[\]{}=]/y
const stringStart = /([rR]?[bB]?|[bB][rR])("""|'''|"|')/y

/** Throws {@link SyntaxFault}. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    return pattern.exec(source) ?? undefined
  }
  for (;;) {
    at += match(blank)?.[0].length ?? 0
    if (at >= source.length) break
    const token = nextToken(source, at, match)
    if (!token) {
      throw new SyntaxFault(at, `Syntax error: token recognition error at: '${source.slice(at, at + 1)}'`)
    }
    tokens.push(token)
    at = token.end
  }
  tokens.push({ kind: 'end', text: '<EOF>', at: source.length, end: source.length })
  return tokens
}

function nextToken(source: string, at: number, match: (pattern: RegExp) => RegExpExecArray | undefined): Token | undefined {
  const quoted = match(stringStart)
  if (quoted) return stringToken(source, at, quoted[1] ?? '', quoted[2] as string)
  const digits = match(number)?.[0]
  if (digits !== undefined) {
    const hexadecimal = digits.startsWith('0x')
    const kind = /[uU]$/.test(digits) ? 'uint' : !hexadecimal && /[.eE]/.test(digits) ? 'double' : 'int'
    return { kind, text: digits, at, end: at + digits.length }
  }
  const word = match(identifier)?.[0]
  if (word !== undefined) return { kind: 'identifier', text: word, at, end: at + word.length }
  const escaped = match(quotedIdentifier)?.[0]
  if (escaped !== undefined) return { kind: 'quoted-identifier', text: escaped.slice(1, -1), at, end: at + escaped.length }
  const sign = match(symbol)?.[0]
  return sign === undefined || sign === '=' ? undefined : { kind: 'symbol', text: sign, at, end: at + sign.length }
}

function stringToken(source: string, at: number, prefix: string, quote: string): Token {
  const raw = /r/i.test(prefix)
  const start = at + prefix.length + quote.length
  let end = start
  for (;;) {
    const character = source[end]
    const broken = character === undefined || (quote.length === 1 && (character === '\n' || character === '\r'))
    if (broken) throw new SyntaxFault(at, `Syntax error: token recognition error at: '${source.slice(at, end)}'`)
    if (source.startsWith(quote, end)) break
    end += character === '\\' && !raw ? 2 : 1
  }
  const body = source.slice(start, end)
  const place = { at, end: end + quote.length }
  if (!/b/i.test(prefix)) return { kind: 'string', text: raw ? body : unescaped(body, at, false).join(''), ...place }
  const bytes = Buffer.concat((raw ? [body] : unescaped(body, at, true)).map((part) => Buffer.from(part)))
  return { kind: 'bytes', text: body, bytes: new Uint8Array(bytes), ...place }
}

const simpleEscapes: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ...['\\', '?', '"', "'", '`'].map((same): [string, string] => [same, same]),
])

/** Texts; of bytes, \x and octal escapes mean one byte each. */
function unescaped(body: string, at: number, isBytes: false): string[]
function unescaped(body: string, at: number, isBytes: boolean): (string | Uint8Array)[]
function unescaped(body: string, at: number, isBytes: boolean): (string | Uint8Array)[] {
  const parts: (string | Uint8Array)[] = []
  const pattern = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([\s\S]))|[^\\]+|\\/g
  for (const [text, hex, short, long, octal, simple] of body.matchAll(pattern)) {
    if (!text.startsWith('\\')) {
      parts.push(text)
      continue
    }
    const byte = hex !== undefined ? Number.parseInt(hex, 16) : octal !== undefined ? Number.parseInt(octal, 8) : undefined
    const point = Number.parseInt(short ?? long ?? 'x', 16)
    const same = simple === undefined ? undefined : simpleEscapes.get(simple)
    if (byte !== undefined) parts.push(isBytes ? Uint8Array.of(byte) : String.fromCodePoint(byte))
    else if (!isBytes && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)) parts.push(String.fromCodePoint(point))
    else if (same !== undefined) parts.push(same)
    else throw new SyntaxFault(at, `Syntax error: token recognition error at: '${text}'`)
  }
  return parts
}
