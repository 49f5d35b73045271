import { parseQuantity, type Quantity, QuantityError } from '../machinery/quantity.ts'

export { compareQuantities } from '../machinery/quantity.ts'

const wholeUnit = 1_000_000_000n

function parsed(text: string): Quantity | undefined {
  try {
    return parseQuantity(text)
  } catch (error) {
    if (error instanceof QuantityError) return undefined
    throw error
  }
}

/** What upstream says of text that is no quantity. */
export const quantitySyntax = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

export const isQuantity = (text: string): boolean => parsed(text) !== undefined

/** False for what is no quantity: that is another fault. */
export function isNegativeQuantity(text: string | undefined): boolean {
  const quantity = text === undefined ? undefined : parsed(text)
  return quantity !== undefined && quantity.nano < 0n
}

export function isPositiveQuantity(text: string | undefined): boolean {
  const quantity = text === undefined ? undefined : parsed(text)
  return quantity !== undefined && quantity.nano > 0n
}

export function isWholeQuantity(text: string): boolean {
  const quantity = parsed(text)
  return quantity !== undefined && quantity.nano % wholeUnit === 0n
}

/** Bytes come whole: a fraction was meant for something else, as `100m` of memory was for 100Mi. */
export function* wholeByteWarnings(path: string, quantity: string | undefined): Iterable<string> {
  if (quantity === undefined || !isQuantity(quantity) || isWholeQuantity(quantity)) return
  yield `${path}: fractional byte value ${JSON.stringify(quantity)} is invalid, must be an integer`
}
