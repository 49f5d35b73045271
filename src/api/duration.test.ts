import { describe, expect, test } from 'vitest'
import { humanDuration, timeSince } from './duration.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

describe('ages read as kubectl writes them', () => {
  test.each([
    [-5 * second, '<invalid>'],
    [-900, '0s'],
    [0, '0s'],
    [95 * second, '95s'],
    [2 * minute, '2m'],
    [7 * minute + 20 * second, '7m20s'],
    [10 * minute + 59 * second, '10m'],
    [179 * minute, '179m'],
    [3 * hour, '3h'],
    [3 * hour + 20 * minute, '3h20m'],
    [8 * hour + 20 * minute, '8h'],
    [47 * hour, '47h'],
    [2 * day, '2d'],
    [3 * day + 4 * hour, '3d4h'],
    [8 * day + 4 * hour, '8d'],
    [700 * day, '700d'],
    [740 * day, '2y10d'],
    [9 * 365 * day + 3 * day, '9y'],
  ])('%d ms is %s', (milliseconds, text) => expect(humanDuration(milliseconds)).toBe(text))

  test('a time that is not there is unknown', () => {
    expect(timeSince(undefined, 0)).toBe('<unknown>')
    expect(timeSince('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:05:00Z'))).toBe('5m')
  })
})
