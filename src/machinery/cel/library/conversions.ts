import { traversal } from '../budget.ts'
import { type Overload, overload } from '../functions.ts'
import {
  Duration,
  EvaluationError,
  type ListValue,
  type MapValue,
  sizeOf,
  type Timestamp,
  TypeValue,
  typeNameOf,
  Uint,
  type Value,
} from '../values.ts'
import { checkedInt, checkedUint } from './arithmetic.ts'
import { checkedTimestamp, formatDuration, formatTimestamp, parseDuration, parseTimestamp, second } from './time.ts'

/** As Go prints a double in its shortest form: `1e+06`, `0.5`. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e')
  const power = Number(exponent)
  if (power >= -4 && power < 6) return Object.is(value, -0) ? '-0' : plain(mantissa, power)
  return `${mantissa}e${power < 0 ? '-' : '+'}${`${Math.abs(power)}`.padStart(2, '0')}`
}

/** Never with an exponent. */
export function formatDecimal(value: number): string {
  if (!Number.isFinite(value)) return formatDouble(value)
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e')
  return plain(mantissa, Number(exponent))
}

function plain(mantissa: string, power: number): string {
  const [, sign = '', digits = ''] = /^(-?)(.*)$/.exec(mantissa.replace('.', '')) ?? []
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`
  const whole = digits.slice(0, power + 1).padEnd(power + 1, '0')
  return digits.length > power + 1 ? `${sign}${whole}.${digits.slice(power + 1)}` : sign + whole
}

function parseInteger(text: string, unsigned: boolean): bigint {
  const type = unsigned ? 'uint' : 'int'
  if (!(unsigned ? /^\d+$/ : /^[+-]?\d+$/).test(text) || text.length > 100) {
    throw new EvaluationError(`type conversion error from 'string' to '${type}'`)
  }
  const value = BigInt(text.replace('+', ''))
  const fits = (unsigned ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value)) === value
  if (!fits) throw new EvaluationError(`type conversion error from 'string' to '${type}'`)
  return value
}

function truncated(value: number, what: string): bigint {
  // As cel-go: the least int is out of reach, too.
  if (!Number.isFinite(value) || value <= -(2 ** 63)) throw new EvaluationError(`${what} overflow`)
  return BigInt(Math.trunc(value))
}

function parseDouble(text: string): number {
  if (/^[+-]?inf(?:inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  if (/^nan$/i.test(text)) return Number.NaN
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text))
    throw new EvaluationError("type conversion error from 'string' to 'double'")
  return Number(text)
}

function parseBool(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false
  throw new EvaluationError("type conversion error from 'string' to 'bool'")
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) throw new EvaluationError('invalid UTF-8 in bytes, cannot convert to string')
    throw error
  }
}

/** In code points. */
export function lengthOf(text: string): number {
  let length = text.length
  for (let index = 0; index < text.length - 1; index++) {
    const isPair = (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00
    if (isPair) length--
  }
  return length
}

const same = (value: Value): Value => value
const reading = (value: Value): number => Math.max(1, traversal(sizeOf(value)))

function sizes(type: string, size: (value: never) => number): Overload[] {
  const run = (value: never): bigint => BigInt(size(value))
  return [overload(`size(${type}) -> int`, run), overload(`(${type}) size() -> int`, run)]
}

export const conversions: readonly Overload[] = [
  overload('int(int) -> int', same),
  overload('int(uint) -> int', ({ value }: Uint) => checkedInt(value)),
  overload('int(double) -> int', (value: number) => checkedInt(truncated(value, 'integer'))),
  overload('int(string) -> int', (text: string) => parseInteger(text, false), reading),
  overload('int(timestamp) -> int', ({ nanoseconds }: Timestamp) => nanoseconds / second),
  overload('int(duration) -> int', ({ nanoseconds }: Duration) => nanoseconds),
  overload('uint(uint) -> uint', same),
  overload('uint(int) -> uint', (value: bigint) => checkedUint(value)),
  overload('uint(double) -> uint', (value: number) => checkedUint(truncated(value, 'unsigned integer'))),
  overload('uint(string) -> uint', (text: string) => new Uint(parseInteger(text, true)), reading),
  overload('double(double) -> double', same),
  overload('double(int) -> double', (value: bigint) => Number(value)),
  overload('double(uint) -> double', ({ value }: Uint) => Number(value)),
  overload('double(string) -> double', parseDouble, reading),
  overload('bool(bool) -> bool', same),
  overload('bool(string) -> bool', parseBool),
  overload('string(string) -> string', same),
  overload('string(bool) -> string', (value: boolean) => `${value}`),
  overload('string(int) -> string', (value: bigint) => `${value}`),
  overload('string(uint) -> string', ({ value }: Uint) => `${value}`),
  overload('string(double) -> string', formatDouble),
  overload('string(bytes) -> string', decodeText, reading),
  overload('string(timestamp) -> string', formatTimestamp),
  overload('string(duration) -> string', formatDuration),
  overload('bytes(bytes) -> bytes', same),
  overload('bytes(string) -> bytes', (text: string) => new Uint8Array(Buffer.from(text)), reading),
  overload('timestamp(timestamp) -> timestamp', same),
  overload('timestamp(string) -> timestamp', parseTimestamp),
  overload('timestamp(int) -> timestamp', (seconds: bigint) => checkedTimestamp(seconds * second)),
  overload('duration(duration) -> duration', same),
  overload('duration(string) -> duration', parseDuration, reading),
  overload('duration(int) -> duration', (nanoseconds: bigint) => new Duration(nanoseconds)),
  overload('dyn(A) -> dyn', same),
  overload('type(A) -> type(A)', (value: Value) => new TypeValue(typeNameOf(value))),
  ...sizes('string', lengthOf),
  ...sizes('bytes', (value: Uint8Array) => value.length),
  ...sizes('list(A)', (value: ListValue) => value.size),
  ...sizes('map(A, B)', (value: MapValue) => value.size),
]
