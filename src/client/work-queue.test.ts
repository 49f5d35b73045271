import { describe, expect, test } from 'vitest'
import { silentLog } from '../host/log.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import { WorkQueue } from './work-queue.ts'
import { WorkQueueMetrics } from './work-queue-metrics.ts'

function make() {
  const clock = new VirtualClock()
  const stop = new AbortController()
  const queue = new WorkQueue({ clock, log: silentLog, signal: stop.signal, name: 'test' })
  return { clock, stop, queue }
}

describe('a work queue', () => {
  test('holds a key once', async () => {
    const { clock, queue, stop } = make()
    for (const key of ['a', 'b', 'a']) queue.add(key)
    const handled: string[] = []
    const done = queue.runWorkers(1, async (key) => void handled.push(key))
    await clock.advance(0)
    expect(handled).toEqual(['a', 'b'])
    stop.abort()
    await done
  })

  test('brings a key again that was added while it was worked on, and never gives it to two workers', async () => {
    const { clock, queue, stop } = make()
    let running = 0
    let times = 0
    const done = queue.runWorkers(3, async () => {
      expect(++running).toBe(1)
      times++
      if (times === 1) {
        queue.add('a')
        queue.add('a')
      }
      await clock.sleep(10)
      running--
    })
    queue.add('a')
    await clock.advance(100)
    expect(times).toBe(2)
    stop.abort()
    await done
  })

  test('tries failures again after 5, 10, 20 ... ms, and forgets them after a success', async () => {
    const { clock, queue, stop } = make()
    const at: number[] = []
    const done = queue.runWorkers(1, async () => {
      at.push(clock.monotonic())
      if (at.length < 4) throw new Error('not yet')
    })
    queue.add('a')
    await clock.advance(1_000)
    expect(at).toEqual([0, 5, 15, 35])
    expect(queue.failures('a')).toBe(0)
    stop.abort()
    await done
  })

  test('of several delays the soonest counts', async () => {
    const { clock, queue, stop } = make()
    const at: number[] = []
    const done = queue.runWorkers(1, async () => void at.push(clock.monotonic()))
    queue.addAfter('a', 100)
    queue.addAfter('a', 50)
    queue.addAfter('a', 80)
    await clock.advance(1_000)
    expect(at).toEqual([50])
    stop.abort()
    await done
    expect(clock.pending).toBe(0)
  })
})

test('a queue that is measured tells what waits, what is worked on, how long both took, and what came again', async () => {
  const clock = new VirtualClock()
  const stop = new AbortController()
  const queueMetrics = new WorkQueueMetrics()
  const queue = new WorkQueue({ clock, log: silentLog, signal: stop.signal, name: 'test', queueMetrics })
  const told = (metric: string): string | undefined =>
    queueMetrics
      .lines()
      .find((line) => line.startsWith(`${metric}{`))
      ?.split(' ')[1]
  queue.add('a')
  queue.add('b')
  expect(told('workqueue_depth')).toBe('2')
  await clock.advance(1_000)
  let failed = false
  const done = queue.runWorkers(1, async () => {
    await clock.sleep(2_000)
    if (failed) return
    failed = true
    throw new Error('not yet')
  })
  await clock.advance(500)
  expect([told('workqueue_depth'), told('workqueue_unfinished_work_seconds')]).toEqual(['1', '0.5'])
  expect(told('workqueue_longest_running_processor_seconds')).toBe('0.5')
  await clock.advance(10_000)
  expect({
    adds: told('workqueue_adds_total'),
    retries: told('workqueue_retries_total'),
    waited: told('workqueue_queue_duration_seconds_sum'),
    worked: told('workqueue_work_duration_seconds_sum'),
    handled: told('workqueue_work_duration_seconds_count'),
    left: told('workqueue_depth'),
  }).toEqual({ adds: '3', retries: '1', waited: expect.stringMatching(/^5\.99/), worked: '6', handled: '3', left: '0' })
  stop.abort()
  await done
  expect(told('workqueue_depth')).toBeUndefined()
})
