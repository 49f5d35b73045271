import { describe, expect, test } from 'vitest'
import { systemClock } from './clock.ts'

describe('a sleep of the system clock', () => {
  test.each([0, 1])('of %i ms ends, and lets go of its signal', async (delayMs) => {
    const stop = new AbortController()
    await systemClock.sleep(delayMs, stop.signal)
    stop.abort(new Error('too late to matter'))
  })

  test.each([0, 1000])('of %i ms is cut short by its signal', async (delayMs) => {
    const stop = new AbortController()
    const sleeping = systemClock.sleep(delayMs, stop.signal)
    stop.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
  })

  test('of no time lets what is due go first', async () => {
    const order: string[] = []
    const sleeping = systemClock.sleep(0).then(() => order.push('slept'))
    queueMicrotask(() => order.push('due'))
    process.nextTick(() => order.push('due too'))
    await sleeping
    expect(order.at(-1)).toBe('slept')
    expect(order).toHaveLength(3)
  })
})
