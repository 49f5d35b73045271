import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { VirtualClock } from '../../host/virtual-clock.ts'
import { keepAlive } from './keep-alive.ts'

test('an open socket is pinged twice a minute, a closed one no more', async () => {
  const clock = new VirtualClock()
  let pings = 0
  const socket = Object.assign(new EventEmitter(), { readyState: 1, OPEN: 1, ping: () => pings++ })
  keepAlive(socket as unknown as Parameters<typeof keepAlive>[0], clock)
  await clock.advance(120_000)
  expect(pings).toBe(4)
  socket.emit('close')
  await clock.advance(120_000)
  expect([pings, clock.pending]).toEqual([4, 0])
})
