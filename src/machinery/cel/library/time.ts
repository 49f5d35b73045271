import { type Overload, overload } from '../functions.ts'
import { Duration, EvaluationError, Timestamp } from '../values.ts'

export const second = 1_000_000_000n
const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: second,
  m: 60n * second,
  h: 3600n * second,
}

export function checkedDuration(nanoseconds: bigint): Duration {
  if (BigInt.asIntN(64, nanoseconds) !== nanoseconds) throw new EvaluationError('integer overflow')
  return new Duration(nanoseconds)
}

const [firstSecond, lastSecond] = [-62135596800n, 253402300799n]

/** Of the years 1 to 9999. */
export function checkedTimestamp(nanoseconds: bigint): Timestamp {
  if (nanoseconds < firstSecond * second || nanoseconds >= (lastSecond + 1n) * second) throw new EvaluationError('timestamp overflow')
  return new Timestamp(nanoseconds)
}

/** `1h30m`, `-1.5s`. */
export function parseDuration(text: string): Duration {
  const [, sign = '', body = ''] = /^([+-]?)(.*)$/s.exec(text) ?? []
  if (body === '0') return new Duration(0n)
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) {
    throw new EvaluationError(`time: invalid duration ${JSON.stringify(text)}`)
  }
  let total = 0n
  for (const [, whole = '', fraction = '', unit = ''] of body.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const size = units[unit] as bigint
    total += BigInt(whole || '0') * size + (BigInt(fraction || '0') * size) / 10n ** BigInt(fraction.length)
  }
  return checkedDuration(sign === '-' ? -total : total)
}

/** RFC 3339. */
export function parseTimestamp(text: string): Timestamp {
  const parts = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/.exec(text)
  const [, date = '', time = '', fraction = '', zone = ''] = parts ?? []
  const milliseconds = parts ? Date.parse(`${date}T${time}${zone.toUpperCase()}`) : Number.NaN
  const isDay = Number.isFinite(milliseconds) && new Date(`${date}T00:00:00Z`).toISOString().startsWith(date)
  if (!isDay) throw new EvaluationError(`parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": cannot parse`)
  return checkedTimestamp(BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0')))
}

export function formatDuration({ nanoseconds }: Duration): string {
  return `${decimal(nanoseconds)}s`
}

function decimal(nanoseconds: bigint): string {
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds
  const fraction = `${size % second}`.padStart(9, '0').replace(/0+$/, '')
  return `${nanoseconds < 0n ? '-' : ''}${size / second}${fraction ? `.${fraction}` : ''}`
}

export function formatTimestamp({ nanoseconds }: Timestamp): string {
  const fraction = floorModulo(nanoseconds, second)
  const whole = (nanoseconds - fraction) / second
  const decimals = `${fraction}`.padStart(9, '0').replace(/0+$/, '')
  const text = new Date(Number(whole) * 1000).toISOString().replace(/\.\d+Z$/, '')
  return `${text}${decimals ? `.${decimals}` : ''}Z`
}

const floorModulo = (value: bigint, by: bigint): bigint => ((value % by) + by) % by

/** What the clock of a place shows then, as if it were UTC. */
function localDate({ nanoseconds }: Timestamp, zone: string): Date {
  const utc = Number((nanoseconds - floorModulo(nanoseconds, 1_000_000n)) / 1_000_000n)
  const [, sign, hours, minutes] = /^([+-]?)(\d\d):(\d\d)$/.exec(zone) ?? []
  if (hours !== undefined) {
    const offset = (Number(hours) * 60 + Number(minutes)) * 60_000
    return new Date(sign === '-' ? utc - offset : utc + offset)
  }
  if (zone === '' || zone === 'UTC') return new Date(utc)
  const options = {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  } as const
  try {
    const format = new Intl.DateTimeFormat('en-US', { ...options, second: '2-digit' })
    const parts = Object.fromEntries(format.formatToParts(utc).map(({ type, value }) => [type, Number(value)]))
    const milliseconds = Number(floorModulo(BigInt(utc), 1000n))
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second: seconds = 0 } = parts as Record<string, number>
    return new Date(Date.UTC(year, month - 1, day, hour, minute, seconds, milliseconds))
  } catch (error) {
    if (error instanceof RangeError) throw new EvaluationError(`unknown time zone ${zone}`)
    throw error
  }
}

function ofTimestamp(name: string, part: (date: Date) => number): Overload[] {
  return [
    overload(`(timestamp) ${name}() -> int`, (time: Timestamp) => BigInt(part(localDate(time, '')))),
    overload(`(timestamp) ${name}(string) -> int`, (time: Timestamp, zone: string) => BigInt(part(localDate(time, zone)))),
  ]
}

const ofDuration = (name: string, unit: bigint): Overload =>
  overload(`(duration) ${name}() -> int`, ({ nanoseconds }: Duration) => nanoseconds / unit)

const dayOfYear = (date: Date): number => Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000)

export const time: readonly Overload[] = [
  ...ofTimestamp('getFullYear', (date) => date.getUTCFullYear()),
  ...ofTimestamp('getMonth', (date) => date.getUTCMonth()),
  ...ofTimestamp('getDate', (date) => date.getUTCDate()),
  ...ofTimestamp('getDayOfMonth', (date) => date.getUTCDate() - 1),
  ...ofTimestamp('getDayOfWeek', (date) => date.getUTCDay()),
  ...ofTimestamp('getDayOfYear', dayOfYear),
  ...ofTimestamp('getHours', (date) => date.getUTCHours()),
  ...ofTimestamp('getMinutes', (date) => date.getUTCMinutes()),
  ...ofTimestamp('getSeconds', (date) => date.getUTCSeconds()),
  ...ofTimestamp('getMilliseconds', (date) => date.getUTCMilliseconds()),
  ofDuration('getHours', 3600n * second),
  ofDuration('getMinutes', 60n * second),
  ofDuration('getSeconds', second),
  ofDuration('getMilliseconds', 1_000_000n),
]
