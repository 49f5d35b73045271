import { CostExceededError, traversal } from '../budget.ts'
import { type Overload, overload } from '../functions.ts'
import { EvaluationError, ListValue, sizeOf } from '../values.ts'
import { lengthOf } from './conversions.ts'
import { formatText } from './text-format.ts'

/** No text of a single request comes near; beyond, a result would take more memory than its expression may. */
const longestText = 1 << 26

const reading = (text: string): number => Math.max(1, traversal(text.length))
const rewriting = (text: string): number => Math.max(1, traversal(text.length, 2))
const searching = (text: string, part: string): number => Math.max(1, traversal(text.length) * traversal(part.length))

/** Positions count code points; most texts have one for each unit. */
function inPoints<T>(text: string, whole: (units: readonly string[] | string) => T): T {
  return whole(lengthOf(text) === text.length ? text : [...text])
}

function slice(text: string, from: bigint, to?: bigint): string {
  return inPoints(text, (units) => {
    const end = to ?? BigInt(units.length)
    if (from < 0n || from > units.length) throw new EvaluationError(`index out of range: ${from}`)
    if (end < 0n || end > units.length) throw new EvaluationError(`index out of range: ${end}`)
    if (from > end) throw new EvaluationError(`invalid substring range. start: ${from}, end: ${end}`)
    const part = units.slice(Number(from), Number(end))
    return typeof part === 'string' ? part : part.join('')
  })
}

function charAt(text: string, at: bigint): string {
  return inPoints(text, (units) => {
    if (at < 0n || at > units.length) throw new EvaluationError(`index out of range: ${at}`)
    return units[Number(at)] ?? ''
  })
}

const pointsBefore = (text: string, unit: number): bigint => (unit < 0 ? -1n : BigInt(lengthOf(text.slice(0, unit))))

function indexOf(text: string, part: string, from = 0n): bigint {
  if (part === '') return from
  const start = slice(text, 0n, boundedOffset(text, from)).length
  return pointsBefore(text, text.indexOf(part, start))
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  if (part === '') return from ?? BigInt(lengthOf(text))
  const start = from === undefined ? undefined : slice(text, 0n, boundedOffset(text, from)).length
  return pointsBefore(text, text.lastIndexOf(part, start))
}

function boundedOffset(text: string, offset: bigint): bigint {
  if (offset < 0n || offset > lengthOf(text)) throw new EvaluationError(`index out of range: ${offset}`)
  return offset
}

function replace(text: string, old: string, by: string, limit = -1n): string {
  const parts = splitLimited(text, old, limit < 0n ? -1n : limit + 1n)
  const size = text.length + parts.length * by.length
  if (size > longestText) throw new CostExceededError()
  // Nothing stands before the first character and behind the last as well.
  if (old === '' && text !== '') {
    const count = limit < 0n ? parts.length + 1 : Math.min(Number(limit), parts.length + 1)
    const points = [...text]
    return points.map((point, index) => (index < count ? by + point : point)).join('') + (count > points.length ? by : '')
  }
  return parts.join(by)
}

/** As Go's SplitN: the last of the parts is all the rest. */
function splitLimited(text: string, separator: string, limit: bigint): string[] {
  if (limit === 0n) return []
  const parts = separator === '' ? [...text] : text.split(separator)
  if (limit < 0n || parts.length <= limit) return parts
  const most = Number(limit)
  return [...parts.slice(0, most - 1), parts.slice(most - 1).join(separator)]
}

function join(list: ListValue, separator = ''): string {
  const parts: string[] = []
  for (const item of list) {
    if (typeof item !== 'string') throw new EvaluationError('no such overload')
    parts.push(item)
  }
  return parts.join(separator)
}

function joining(list: ListValue, separator = ''): number {
  let size = list.size * separator.length
  for (const item of list) size += sizeOf(item)
  if (size > longestText) throw new CostExceededError()
  return Math.max(1, traversal(size, 2))
}

const lowerAscii = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
const upperAscii = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())

const blanks = '[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]'
const [leading, blank] = [new RegExp(`^${blanks}+`), new RegExp(blanks)]

function trim(text: string): string {
  const rest = text.replace(leading, '')
  let end = rest.length
  while (end > 0 && blank.test(rest[end - 1] as string)) end--
  return rest.slice(0, end)
}

const escapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
}
const quote = (text: string): string => `"${[...text].map((point) => escapes[point] ?? point).join('')}"`

export const strings: readonly Overload[] = [
  overload('(string) contains(string) -> bool', (text: string, part: string) => text.includes(part), searching),
  overload(
    '(string) startsWith(string) -> bool',
    (text: string, part: string) => text.startsWith(part),
    (_text: string, part: string) => reading(part),
  ),
  overload(
    '(string) endsWith(string) -> bool',
    (text: string, part: string) => text.endsWith(part),
    (_text: string, part: string) => reading(part),
  ),
  overload('(string) charAt(int) -> string', charAt, reading),
  overload('(string) indexOf(string) -> int', (text: string, part: string) => indexOf(text, part), searching),
  overload('(string) indexOf(string, int) -> int', indexOf, searching),
  overload('(string) lastIndexOf(string) -> int', (text: string, part: string) => lastIndexOf(text, part), searching),
  overload('(string) lastIndexOf(string, int) -> int', lastIndexOf, searching),
  overload('(string) substring(int) -> string', (text: string, from: bigint) => slice(text, from), reading),
  overload('(string) substring(int, int) -> string', slice, reading),
  overload('(string) lowerAscii() -> string', lowerAscii, reading),
  overload('(string) upperAscii() -> string', upperAscii, reading),
  overload('(string) trim() -> string', trim, reading),
  overload('(string) replace(string, string) -> string', (text: string, old: string, by: string) => replace(text, old, by), rewriting),
  overload('(string) replace(string, string, int) -> string', replace, rewriting),
  overload('(string) split(string) -> list(string)', (text: string, by: string) => ListValue.of(splitLimited(text, by, -1n)), rewriting),
  overload(
    '(string) split(string, int) -> list(string)',
    (text: string, by: string, limit: bigint) => ListValue.of(splitLimited(text, by, limit)),
    rewriting,
  ),
  overload('(list(string)) join() -> string', (list: ListValue) => join(list), joining),
  overload('(list(string)) join(string) -> string', join, joining),
  overload('(string) format(list(dyn)) -> string', formatText, rewriting),
  overload('strings.quote(string) -> string', quote, rewriting),
]
