import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityNumber,
  quantityValue,
} from './quantity.ts'

describe('canonical form', () => {
  it.each([
    ['0', '0'],
    ['0.5', '500m'],
    ['1.5', '1500m'],
    ['1000m', '1'],
    ['1000', '1k'],
    ['1024', '1024'],
    ['1024Mi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['0.1Ki', '102400m'],
    ['1023Ki', '1023Ki'],
    ['1e3', '1e3'],
    ['1500e3', '1500e3'],
    ['1E', '1E'],
    ['100k', '100k'],
    ['-5m', '-5m'],
    ['+1', '1'],
    ['0.0000000001', '1n'],
    ['1e-12', '1e-9'],
    ['00012', '12'],
    ['99999999999999999999', '9223372036854775807'],
  ])('%s is stored as %s', (text, canonical) => {
    expect(canonicalQuantity(text)).toBe(canonical)
  })

  it.each(['', 'abc', '1x', '1 Gi', '--1', '1.2.3', 'Mi', '1MM', '0x10'])('%j is none', (text) => {
    expect(() => parseQuantity(text)).toThrow(/quantities must match|unable to parse quantity's suffix/)
  })

  it('is a fixed point, and keeps the number', () => {
    const suffix = fc.constantFrom('', 'm', 'u', 'n', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'Ti', 'e3', 'e-2')
    fc.assert(
      fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), suffix, (number, unit) => {
        const canonical = canonicalQuantity(`${number}${unit}`)
        expect(canonicalQuantity(canonical)).toBe(canonical)
        expect(compareQuantities(canonical, `${number}${unit}`)).toBe(0)
      }),
    )
  })
})

describe('arithmetic', () => {
  it('rounds away from zero', () => {
    expect(quantityValue('1m')).toBe(1)
    expect(quantityValue('1Gi')).toBe(1073741824)
    expect(quantityMilliValue('1.5')).toBe(1500)
    expect(quantityMilliValue('1u')).toBe(1)
    expect(quantityValue('-1500m')).toBe(-2)
  })
  it('adds exactly, in the form of the first that isn’t zero', () => {
    expect(formatQuantity(addQuantities('512Mi', '0.5Gi'))).toBe('1Gi')
    expect(formatQuantity(addQuantities('0', '512Mi'))).toBe('512Mi')
    expect(compareQuantities('1000m', '1')).toBe(0)
    expect(compareQuantities('1Mi', '1M')).toBe(1)
  })
})

describe('as a number with its fraction', () => {
  it.each([
    ['100m', 0.1],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['2', 2],
    ['1e3', 1000],
    ['128Mi', 2 ** 27],
    ['1E', 1e18],
  ])('%s is %d', (text, number) => {
    expect(quantityNumber(text)).toBeCloseTo(number)
  })
})
