import { expect, test } from 'vitest'
import type { ConfigMap, Event } from '../api/generated/types.ts'
import { configMaps, events } from '../api/registry.ts'
import { createApiServer } from '../apiserver/apiserver.ts'
import { silentLog } from '../host/log.ts'
import { seededRandom } from '../host/seeded-random.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import type { NewObject } from '../machinery/object.ts'
import { MemoryStore } from '../storage/memory-store.ts'
import { type Client, ConnectionError } from './client.ts'
import { directClient } from './direct-client.ts'
import { EventRecorder } from './event-recorder.ts'

const admin = { name: 'system:admin', uid: '', groups: ['system:masters', 'system:authenticated'], extra: {} }

test('an event is written, counted up when it repeats, and kept for a server that is away', async () => {
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const store = new MemoryStore()
  const api = await createApiServer({
    store,
    clock,
    random,
    log: silentLog,
    serviceCidr: '10.96.0.0/16',
    nodePortRange: { from: 30000, to: 32767 },
  })
  const real = directClient(api.handle, admin, 'test')
  let away = false
  const client: Client = {
    ...real,
    resource(resource, namespace) {
      const collection = real.resource<Event>(resource, namespace)
      return {
        ...collection,
        create: (object: NewObject<Event>) => (away ? Promise.reject(new ConnectionError('away')) : collection.create(object)),
      } as never
    },
  }
  const stop = new AbortController()
  const recorder = new EventRecorder({ client, clock, random, log: silentLog, signal: stop.signal, component: 'tester', host: 'n' })
  const map = await real.resource<ConfigMap>(configMaps, 'default').create({ metadata: { name: 'm' } })
  recorder.event(map, 'Normal', 'Seen', 'once more')
  await clock.advance(1_000)
  recorder.event(map, 'Normal', 'Seen', 'once more')
  away = true
  recorder.event(map, 'Warning', 'Late', 'but told')
  await clock.advance(1_000)
  away = false
  await clock.advance(60_000)
  const { items } = await real.resource<Event>(events, 'default').list()
  expect(items.map(({ reason, count, type, source }) => ({ reason, count, type, source }))).toEqual([
    { reason: 'Seen', count: 2, type: 'Normal', source: { component: 'tester', host: 'n' } },
    { reason: 'Late', count: 1, type: 'Warning', source: { component: 'tester', host: 'n' } },
  ])
  expect(items[0]).toMatchObject({ involvedObject: { kind: 'ConfigMap', name: 'm' }, reportingComponent: 'tester', reportingInstance: 'n' })
  expect(items[0]?.lastTimestamp).not.toBe(items[0]?.firstTimestamp)
  stop.abort(new Error('the test is over'))
  await api.close()
  await store.close()
})
