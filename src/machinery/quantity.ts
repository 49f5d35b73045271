/**
 * Quantities of resources, such as `500m` or `1Gi`: exact numbers with up to nine decimals, and the family of suffixes
 * that they were written with. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
export interface Quantity {
  /** In billionths. */
  readonly nano: bigint
  readonly format: 'DecimalSI' | 'BinarySI' | 'DecimalExponent'
}

export class QuantityError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'QuantityError'
  }
}

const wrongFormat = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
const wrongSuffix = "unable to parse quantity's suffix"

const one = 1_000_000_000n
/** Larger ones count as this: the largest 64-bit integer. */
const largest = (2n ** 63n - 1n) * one
const decimalSuffixes: readonly (readonly [string, number])[] = [
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const decimalExponents = new Map(decimalSuffixes)
const decimalNames = new Map(decimalSuffixes.map(([name, exponent]) => [exponent, name]))

/** Throws {@link QuantityError} in upstream's words. More than nine decimals are rounded away from zero. */
export function parseQuantity(text: string): Quantity {
  const parts = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/.exec(text)
  if (!parts) throw new QuantityError(wrongFormat)
  const [, sign, whole = '', fraction = '', suffix = ''] = parts
  if (whole + fraction === '') throw new QuantityError(wrongFormat)
  const { base, exponent, format } = parseSuffix(suffix)
  let numerator = BigInt(whole + fraction) * one
  let denominator = 10n ** BigInt(fraction.length)
  if (exponent >= 0) numerator *= base ** BigInt(exponent)
  else denominator *= base ** BigInt(-exponent)
  let nano = (numerator + denominator - 1n) / denominator
  if (nano > largest) nano = largest
  return { nano: sign === '-' ? -nano : nano, format }
}

function parseSuffix(suffix: string): { base: bigint; exponent: number; format: Quantity['format'] } {
  const decimal = decimalExponents.get(suffix)
  if (decimal !== undefined) return { base: 10n, exponent: decimal, format: 'DecimalSI' }
  const binary = binarySuffixes.indexOf(suffix)
  if (binary > 0) return { base: 2n, exponent: binary * 10, format: 'BinarySI' }
  const exponent = /^[eE]([-+]?\d+)$/.exec(suffix)?.[1]
  // Beyond some hundreds the number is the largest or rounds to the smallest anyway; a bound keeps the arithmetic small.
  if (exponent !== undefined && Math.abs(Number(exponent)) <= 400) {
    return { base: 10n, exponent: Number(exponent), format: 'DecimalExponent' }
  }
  throw new QuantityError(wrongSuffix)
}

/** The canonical form: no fraction, the largest suffix that keeps it exact. `0.5` prints as `500m`, `1024Mi` as `1Gi`. */
export function formatQuantity(quantity: Quantity): string {
  const { nano, format } = quantity
  if (nano === 0n) return '0'
  const size = nano < 0n ? -nano : nano
  if (format === 'BinarySI' && size >= 1024n * one && size % one === 0n) return formatBinary(nano / one)
  let mantissa = nano
  let exponent = -9
  while (mantissa % 1000n === 0n && (format === 'DecimalExponent' || exponent < 18)) {
    mantissa /= 1000n
    exponent += 3
  }
  if (format === 'DecimalExponent') return exponent === 0 ? `${mantissa}` : `${mantissa}e${exponent}`
  return `${mantissa}${decimalNames.get(exponent) ?? ''}`
}

function formatBinary(value: bigint): string {
  let mantissa = value
  let power = 0
  while (mantissa % 1024n === 0n && power < binarySuffixes.length - 1) {
    mantissa /= 1024n
    power++
  }
  return `${mantissa}${binarySuffixes[power]}`
}

/** Parses and prints: how the API server stores what a client sends. */
export function canonicalQuantity(text: string): string {
  return formatQuantity(parseQuantity(text))
}

const quantityOf = (value: string | Quantity): Quantity => (typeof value === 'string' ? parseQuantity(value) : value)

/** Negative, zero or positive. */
export function compareQuantities(a: string | Quantity, b: string | Quantity): number {
  const difference = quantityOf(a).nano - quantityOf(b).nano
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** A zero takes the other's format, as upstream's Add does. */
export function addQuantities(a: string | Quantity, b: string | Quantity): Quantity {
  const [left, right] = [quantityOf(a), quantityOf(b)]
  return { nano: left.nano + right.nano, format: left.nano === 0n ? right.format : left.format }
}

/** In units of 1 (bytes, cores), rounded away from zero. */
export function quantityValue(quantity: string | Quantity): number {
  return Number(dividedAwayFromZero(quantityOf(quantity).nano, one))
}

/** In thousandths (millicores), rounded away from zero. */
export function quantityMilliValue(quantity: string | Quantity): number {
  return Number(dividedAwayFromZero(quantityOf(quantity).nano, one / 1000n))
}

/** In units of 1 with its fraction, as near as a floating-point number comes: for what the kernel is told. */
export function quantityNumber(quantity: string | Quantity): number {
  return Number(quantityOf(quantity).nano) / Number(one)
}

function dividedAwayFromZero(value: bigint, by: bigint): bigint {
  return value < 0n ? -((-value + by - 1n) / by) : (value + by - 1n) / by
}
