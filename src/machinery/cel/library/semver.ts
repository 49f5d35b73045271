import { traversal } from '../budget.ts'
import { type Overload, overload } from '../functions.ts'
import { EvaluationError, Opaque } from '../values.ts'

/** https://semver.org; what stands behind a plus sign counts for nothing. */
class SemverValue extends Opaque {
  readonly typeName = 'kubernetes.Semver'
  readonly numbers: readonly [bigint, bigint, bigint]
  readonly prerelease: readonly string[]

  constructor(numbers: readonly [bigint, bigint, bigint], prerelease: readonly string[]) {
    super()
    this.numbers = numbers
    this.prerelease = prerelease
  }

  equals(other: Opaque): boolean {
    return other instanceof SemverValue && compareVersions(this, other) === 0n
  }
}

const number = '(0|[1-9]\\d*)'
const part = '(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)'
const pattern = new RegExp(`^${number}\\.${number}\\.${number}(?:-(${part}(?:\\.${part})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`)

function readVersion(text: string, normalize: boolean): SemverValue | undefined {
  const normal = normalize ? normalized(text) : text
  const [, major, minor, patch, prerelease] = (normal !== undefined && pattern.exec(normal)) || []
  if (major === undefined || minor === undefined || patch === undefined) return undefined
  const numbers = [BigInt(major), BigInt(minor), BigInt(patch)] as const
  if (numbers.some((value) => value >= 2n ** 64n)) return undefined
  return new SemverValue(numbers, prerelease === undefined ? [] : prerelease.split('.'))
}

/** `v01.2` means 1.2.0. Undefined of a short version with more behind it. */
function normalized(text: string): string | undefined {
  const [major = '', minor, ...rest] = text.replace(/^v/, '').split('.')
  const given = [major, ...(minor === undefined ? [] : [minor]), ...(rest.length > 0 ? [rest.join('.')] : [])]
  const parts = given.map((value) => (value.length > 1 ? value.replace(/^0+(?=\d)/, '').replace(/^0+(?=\D|$)/, '0') : value))
  if (parts.length < 3 && /[+-]/.test(parts[parts.length - 1] ?? '')) return undefined
  while (parts.length < 3) parts.push('0')
  return parts.join('.')
}

function version(text: string, normalize = false): SemverValue {
  const found = readVersion(text, normalize)
  if (found) return found
  throw new EvaluationError(
    /^[^.]*(?:\.[^.]*)?$/.test(text)
      ? 'No Major.Minor.Patch elements found'
      : `Invalid character(s) found in version ${JSON.stringify(text)}`,
  )
}

function compareVersions(a: SemverValue, b: SemverValue): bigint {
  for (const [index, value] of a.numbers.entries()) {
    const other = b.numbers[index] as bigint
    if (value !== other) return value < other ? -1n : 1n
  }
  return comparePrereleases(a.prerelease, b.prerelease)
}

/** One without is later than any with. */
function comparePrereleases(a: readonly string[], b: readonly string[]): bigint {
  if (a.length === 0 || b.length === 0) return a.length === b.length ? 0n : a.length === 0 ? 1n : -1n
  for (const [index, value] of a.entries()) {
    const other = b[index]
    if (other === undefined) return 1n
    if (value === other) continue
    const [isNumber, isOtherNumber] = [/^\d+$/.test(value), /^\d+$/.test(other)]
    if (isNumber && isOtherNumber) return BigInt(value) < BigInt(other) ? -1n : 1n
    if (isNumber !== isOtherNumber) return isNumber ? -1n : 1n
    return value < other ? -1n : 1n
  }
  return a.length < b.length ? -1n : 0n
}

const reading = (text: string): number => Math.max(1, traversal(text.length))
const name = 'kubernetes.Semver'

export const semver: readonly Overload[] = [
  overload(`semver(string) -> ${name}`, (text: string) => version(text), reading),
  overload(`semver(string, bool) -> ${name}`, version, reading),
  overload('isSemver(string) -> bool', (text: string) => readVersion(text, false) !== undefined, reading),
  overload('isSemver(string, bool) -> bool', (text: string, normalize: boolean) => readVersion(text, normalize) !== undefined, reading),
  overload(`(${name}) isGreaterThan(${name}) -> bool`, (a: SemverValue, b: SemverValue) => compareVersions(a, b) > 0n),
  overload(`(${name}) isLessThan(${name}) -> bool`, (a: SemverValue, b: SemverValue) => compareVersions(a, b) < 0n),
  overload(`(${name}) compareTo(${name}) -> int`, compareVersions),
  overload(`(${name}) major() -> int`, ({ numbers }: SemverValue) => numbers[0]),
  overload(`(${name}) minor() -> int`, ({ numbers }: SemverValue) => numbers[1]),
  overload(`(${name}) patch() -> int`, ({ numbers }: SemverValue) => numbers[2]),
]
