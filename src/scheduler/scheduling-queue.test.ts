import { beforeEach, describe, expect, test } from 'vitest'
import { VirtualClock } from '../host/virtual-clock.ts'
import { SchedulingQueue } from './scheduling-queue.ts'

describe('scheduling queue', () => {
  let clock: VirtualClock
  let stop: AbortController
  let queue: SchedulingQueue
  beforeEach(() => {
    clock = new VirtualClock()
    stop = new AbortController()
    queue = new SchedulingQueue({ clock, signal: stop.signal })
  })
  /** The key that can be had now, if any. */
  const taken = async (): Promise<string | undefined> => {
    let key: string | undefined
    void queue.take().then((next) => {
      key = next
    })
    await Promise.resolve()
    await Promise.resolve()
    return key
  }

  test('the most important first, then in order of arrival', async () => {
    queue.add('a', 0)
    queue.add('b', 0)
    queue.add('important', 1000)
    queue.add('a', 0)
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(['important', 'a', 'b'])
    expect(await taken()).toBeUndefined()
  })

  test('a pod that fits nowhere waits for what may help it, and for its back-off', async () => {
    queue.add('a', 0)
    await queue.take()
    queue.rejected('a', ['node'])
    await clock.advance(60_000)
    queue.happened('pod-placed')
    const next = queue.take()
    await clock.advance(60_000)
    queue.happened('node')
    expect(await next).toBe('a')
    queue.rejected('a', ['node'])
    queue.happened('node')
    const again = taken()
    expect(await again).toBeUndefined()
    expect(clock.pending).toBe(1)
  })

  test('the back-off doubles with each attempt, up to ten seconds', async () => {
    queue.add('a', 0)
    await queue.take()
    for (const backoffMs of [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]) {
      queue.rejected('a', ['node'])
      queue.happened('node')
      const begun = clock.monotonic()
      let at = 0
      const next = queue.take().then(() => {
        at = clock.monotonic()
      })
      await clock.advance(11_000)
      await next
      expect(at - begun).toBe(backoffMs)
    }
  })

  test('a pod that is deleted does not come again', async () => {
    queue.add('ready', 0)
    queue.delete('ready')
    queue.add('a', 0)
    await queue.take()
    queue.delete('a')
    queue.rejected('a', ['node'])
    queue.happened('node')
    await clock.advance(60_000)
    expect(await taken()).toBeUndefined()
  })

  test('the end of its signal ends the wait and every timer', async () => {
    queue.add('a', 0)
    await queue.take()
    queue.failed('a')
    const waiting = queue.take()
    stop.abort()
    expect(await waiting).toBeUndefined()
    expect(clock.pending).toBe(0)
  })
})
