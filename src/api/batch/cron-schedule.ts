/** A schedule in the form of cron, as https://pkg.go.dev/github.com/robfig/cron/v3 reads it: sets of numbers, a field each. */
export interface CronSchedule {
  readonly minutes: ReadonlySet<number>
  readonly hours: ReadonlySet<number>
  readonly daysOfMonth: ReadonlySet<number>
  readonly months: ReadonlySet<number>
  readonly daysOfWeek: ReadonlySet<number>
  /** If both kinds of day are restricted, either is enough. */
  readonly anyDayOfMonth: boolean
  readonly anyDayOfWeek: boolean
}

export class CronError extends Error {}

interface Bounds {
  readonly least: number
  readonly most: number
  readonly names?: readonly string[]
}

const bounds: readonly Bounds[] = [
  { least: 0, most: 59 },
  { least: 0, most: 23 },
  { least: 1, most: 31 },
  { least: 1, most: 12, names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'] },
  { least: 0, most: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
]

const descriptors: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/** Throws {@link CronError} in upstream's words. */
export function parseCronSchedule(text: string): CronSchedule {
  const named = text.startsWith('@') ? descriptors[text] : text
  if (named === undefined) throw new CronError(`unrecognized descriptor: ${text}`)
  const fields = named.split(/\s+/).filter(Boolean)
  if (fields.length !== bounds.length) throw new CronError(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`)
  const [minutes, hours, daysOfMonth, months, daysOfWeek] = fields.map((field, index) => numbersOf(field, bounds[index] as Bounds)) as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ]
  const isAny = (field = ''): boolean => /^[*?]/.test(field)
  return { minutes, hours, daysOfMonth, months, daysOfWeek, anyDayOfMonth: isAny(fields[2]), anyDayOfWeek: isAny(fields[4]) }
}

function numbersOf(field: string, limits: Bounds): Set<number> {
  const numbers = new Set<number>()
  for (const part of field.split(',').filter(Boolean)) addRange(numbers, part, limits)
  return numbers
}

/** `*`, `5`, `1-5`, and each with a step: `*` + `/15`, `10/5` (from 10 on), `1-5/2`. */
function addRange(numbers: Set<number>, part: string, limits: Bounds): void {
  const [range = '', stepText, ...moreSteps] = part.split('/')
  if (moreSteps.length > 0) throw new CronError(`too many slashes: ${part}`)
  const [lowText = '', highText, ...moreHyphens] = range.split('-')
  if (moreHyphens.length > 0) throw new CronError(`too many hyphens: ${part}`)
  const isAny = lowText === '*' || lowText === '?'
  const low = isAny ? limits.least : numberOf(lowText, limits)
  const step = stepText === undefined ? 1 : numberOf(stepText, { least: 0, most: 0 })
  const openEnded = isAny || (highText === undefined && stepText !== undefined)
  const high = openEnded ? limits.most : highText === undefined ? low : numberOf(highText, limits)
  if (low < limits.least) throw new CronError(`beginning of range (${low}) below minimum (${limits.least}): ${part}`)
  if (high > limits.most) throw new CronError(`end of range (${high}) above maximum (${limits.most}): ${part}`)
  if (low > high) throw new CronError(`beginning of range (${low}) beyond end of range (${high}): ${part}`)
  if (step === 0) throw new CronError(`step of range should be a positive number: ${part}`)
  for (let number = low; number <= high; number += step) numbers.add(number)
}

function numberOf(text: string, { names, least }: Bounds): number {
  const index = names?.indexOf(text.toLowerCase()) ?? -1
  if (index >= 0) return index + least
  if (/^-\d+$/.test(text)) throw new CronError(`negative number (${text}) not allowed: ${text}`)
  if (!/^\d+$/.test(text))
    throw new CronError(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text)
}
