import { Steps } from '../budget.ts'
import { Duration, EvaluationError, ListValue, MapValue, Timestamp, TypeValue, typeNameOf, Uint, type Value } from '../values.ts'
import { formatDecimal, formatDouble } from './conversions.ts'
import { formatDuration, formatTimestamp } from './time.ts'

/** `'%s has %d'.format(['a', 2])`: %s, %d, %f, %e, %b, %o, %x, %X, and %%. */
export function formatText(format: string, args: ListValue): string {
  let next = 0
  const text = format.replace(
    /%(?:%|(?:\.(\d{1,3}))?([sdfeboxX])|[\s\S]?)/g,
    (clause, precision: string | undefined, verb: string | undefined) => {
      if (clause === '%%') return '%'
      if (verb === undefined)
        throw new EvaluationError(`could not parse formatting clause: unrecognized formatting clause "${clause.slice(1)}"`)
      if (next >= args.size) throw new EvaluationError(`index ${next} out of range`)
      return formatted(verb, args.at(next++), precision === undefined ? undefined : Number(precision))
    },
  )
  return text
}

function wrongArgument(what: string, value: Value): EvaluationError {
  return new EvaluationError(`error during formatting: ${what}, was given ${typeNameOf(value)}`)
}

function formatted(verb: string, value: Value, precision: number | undefined): string {
  switch (verb) {
    case 's':
      return shown(value)
    case 'd':
      if (typeof value === 'number' && !Number.isFinite(value)) return formatDouble(value).replace(/\+?Inf$/, 'Infinity')
      return `${wholeOf(value, 'decimal clause can only be used on integers')}`
    case 'f':
    case 'e':
      return fixed(verb, value, precision ?? 6)
    case 'b':
      if (typeof value === 'boolean') return value ? '1' : '0'
      return wholeOf(value, 'only integers and bools can be formatted as binary').toString(2)
    case 'o':
      return wholeOf(value, 'octal clause can only be used on integers').toString(8)
    default: {
      const hexadecimal = hex(value)
      return verb === 'X' ? hexadecimal.toUpperCase() : hexadecimal
    }
  }
}

function wholeOf(value: Value, what: string): bigint {
  if (typeof value === 'bigint') return value
  if (value instanceof Uint) return value.value
  throw wrongArgument(what, value)
}

function hex(value: Value): string {
  if (typeof value === 'string') return Buffer.from(value).toString('hex')
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return wholeOf(value, 'only integers, byte buffers, and strings can be formatted as hex').toString(16)
}

function fixed(verb: 'f' | 'e', value: Value, precision: number): string {
  const number =
    typeof value === 'number'
      ? value
      : Number(wholeOf(value, `${verb === 'f' ? 'fixed-point' : 'scientific'} clause can only be used on doubles`))
  if (!Number.isFinite(number)) return formatDouble(number).replace(/\+?Inf$/, 'Infinity')
  if (verb === 'f') return decimals(number, Math.min(precision, 99))
  return number.toExponential(Math.min(precision, 100)).replace(/e([+-])(\d)$/, 'e$10$2')
}

/** Rounded to the even digit from halfway, as Go does. */
function decimals(number: number, precision: number): string {
  if (Math.abs(number) >= 1e21) return `${BigInt(number)}${precision > 0 ? `.${'0'.repeat(precision)}` : ''}`
  const exact = number.toFixed(100)
  const end = exact.indexOf('.') + 1 + precision
  const isHalfway = /^50*$/.test(exact.slice(end))
  const below = exact.slice(0, end).replace(/\.$/, '')
  return isHalfway && /[02468]$/.test(below) ? below : number.toFixed(precision)
}

function shown(value: Value, steps = new Steps()): string {
  steps.take()
  if (value === null) return 'null'
  if (typeof value === 'string') return value
  if (typeof value === 'number') return formatDecimal(value).replace(/\+?Inf$/, 'Infinity')
  if (typeof value === 'bigint' || typeof value === 'boolean') return `${value}`
  if (value instanceof Uint) return `${value.value}`
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  if (value instanceof Duration) return formatDuration(value)
  if (value instanceof Timestamp) return formatTimestamp(value)
  if (value instanceof TypeValue) return value.name
  if (value instanceof ListValue) return `[${[...value].map((item) => shown(item, steps)).join(', ')}]`
  if (value instanceof MapValue) {
    const entries = [...value.entries()].map(([key, item]) => `${shown(key, steps)}: ${shown(item, steps)}`)
    return `{${entries.sort().join(', ')}}`
  }
  throw wrongArgument(
    'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps',
    value,
  )
}
