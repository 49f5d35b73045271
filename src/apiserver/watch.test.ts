import { afterEach, beforeEach, expect, test } from 'vitest'
import { VirtualClock } from '../host/virtual-clock.ts'
import type { KubeObject } from '../machinery/object.ts'
import { TestServer } from './testing/test-server.ts'
import { ObjectEvent } from './watch-event.ts'

let server: TestServer
beforeEach(async () => {
  server = await TestServer.start()
})
afterEach(() => server.close())

const url = '/api/v1/namespaces/default/configmaps'
const make = (name: string, labels: Record<string, string> = {}): Promise<unknown> =>
  server.ask('POST', url, { body: { metadata: { name, labels } } })
const relabel = (name: string, labels: Record<string, string | null>): Promise<unknown> =>
  server.ask('PATCH', `${url}/${name}`, { contentType: 'application/merge-patch+json', body: { metadata: { labels } } })
const versionNow = async (): Promise<string> => (await server.ask('GET', url)).object.metadata.resourceVersion

test('tells what is there, then every change, in order', async () => {
  await make('a')
  const watch = await server.watch(`${url}?watch=true`)
  await make('b')
  await relabel('a', { x: '1' })
  await server.ask('DELETE', `${url}/a`)
  expect(await watch.take(4)).toEqual(['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED a'])
  watch.stop()
  expect(await watch.take(1)).toEqual(['END'])
})

test('from a version tells only what came after, even if that was long before it asked', async () => {
  await make('a')
  const version = await versionNow()
  await make('b')
  await server.ask('DELETE', `${url}/b`)
  const watch = await server.watch(`${url}?watch=true&resourceVersion=${version}`)
  expect(await watch.take(2)).toEqual(['ADDED b', 'DELETED b'])
  watch.stop()
})

test('a selection is told of objects that come into it and leave it', async () => {
  const watch = await server.watch(`${url}?watch=true&labelSelector=app%3Dweb`)
  await make('a', { app: 'db' })
  await relabel('a', { app: 'web' })
  await relabel('a', { more: '1' })
  await relabel('a', { app: null })
  await make('b', { app: 'web' })
  expect(await watch.take(4)).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a', 'ADDED b'])
  watch.stop()
})

test('a deletion carries the last state with the version of the deletion', async () => {
  await make('a', { app: 'web' })
  const version = await versionNow()
  const watch = await server.watch(`${url}?watch=true&resourceVersion=${version}`)
  await server.ask('DELETE', `${url}/a`)
  const event = await watch.next()
  const object = event?.object as KubeObject
  expect(object.metadata.labels).toEqual({ app: 'web' })
  expect(Number(object.metadata.resourceVersion)).toBeGreaterThan(Number(version))
  watch.stop()
})

test('one namespace does not hear of another', async () => {
  await server.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default2' } } })
  const watch = await server.watch(`${url}?watch=true`)
  await server.ask('POST', '/api/v1/namespaces/default2/configmaps', { body: { metadata: { name: 'other' } } })
  await make('mine')
  expect(await watch.take(1)).toEqual(['ADDED mine'])
  watch.stop()
})

test('a version whose history is gone ends in an error that makes clients list anew', async () => {
  for (let index = 0; index < 2100; index++) await make(`c${index}`)
  const watch = await server.watch(`${url}?watch=true&resourceVersion=8`)
  expect(await watch.take(2)).toEqual([expect.stringMatching(/^ERROR too old resource version: 8 \(\d+\)$/), 'END'])
})

test('a slow reader is dropped, and the others hear everything', async () => {
  const slow = await server.watch(`${url}?watch=true&resourceVersion=${await versionNow()}`)
  const quick = await server.watch(`${url}?watch=true`)
  for (let index = 0; index < 2500; index++) {
    await make(`c${index}`)
    if (index % 100 === 99) expect(await quick.take(100)).toHaveLength(100)
  }
  expect(await slow.take(2)).toEqual([expect.stringMatching(/^ERROR too old/), 'END'])
  quick.stop()
})

test('initial events end in a bookmark that says so, as WatchList clients need', async () => {
  await make('a')
  const query = 'watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan'
  const watch = await server.watch(`${url}?${query}`)
  expect(await watch.take(1)).toEqual(['ADDED a'])
  const bookmark = await watch.next()
  expect(bookmark).toMatchObject({
    type: 'BOOKMARK',
    object: { kind: 'ConfigMap', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
  })
  await make('b')
  expect(await watch.take(1)).toEqual(['ADDED b'])
  watch.stop()
  expect(await server.refusal('GET', `${url}?watch=true&sendInitialEvents=true`)).toMatch(/^422 .*sendInitialEvents requires/)
})

test('ends at its time with a bookmark', async () => {
  const watch = await server.watch(`${url}?watch=true&timeoutSeconds=1&allowWatchBookmarks=true`)
  // The first marks the end of what was there.
  expect(await watch.take(3)).toEqual(['BOOKMARK', 'BOOKMARK', 'END'])
})

test('Events go by themselves an hour after they were last written, told as any deletion; nothing else does', async () => {
  const clock = new VirtualClock()
  const aging = await TestServer.start({ clock })
  const events = '/api/v1/namespaces/default/events'
  const body = (name: string): object => ({
    metadata: { name },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'Seen',
  })
  await aging.ask('POST', events, { body: body('once') })
  await aging.ask('POST', events, { body: body('again') })
  await aging.ask('POST', url, { body: { metadata: { name: 'stays' } } })
  await clock.advance(1800_000)
  await aging.ask('PATCH', `${events}/again`, { contentType: 'application/merge-patch+json', body: { count: 2 } })
  await clock.advance(1790_000)
  const { object } = await aging.ask('GET', events)
  expect(object.items).toHaveLength(2)
  const watch = await aging.watch(`${events}?watch=true&resourceVersion=${object.metadata.resourceVersion}`)
  await clock.advance(20_000)
  expect(await watch.take(1)).toEqual(['DELETED once'])
  expect((await aging.ask('GET', events)).object.items.map((event) => event.metadata.name)).toEqual(['again'])
  watch.stop()
  await clock.advance(1800_000)
  expect((await aging.ask('GET', events)).object.items).toEqual([])
  expect((await aging.ask('GET', url)).object.items.map((item) => item.metadata.name)).toContain('stays')
  await aging.close()
})

test('an event is one object with one encoding, however many watch', async () => {
  const watches = await Promise.all([1, 2, 3].map(() => server.watch(`${url}?watch=true`)))
  await make('a')
  const events = (await Promise.all(watches.map((watch) => watch.next()))) as ObjectEvent[]
  for (const event of events) expect(event).toBeInstanceOf(ObjectEvent)
  expect(new Set(events.map((event) => event.line())).size).toBe(1)
  expect(JSON.parse((events[0] as ObjectEvent).line().toString())).toEqual({ type: 'ADDED', object: events[0]?.object })
  for (const watch of watches) watch.stop()
})

test('tables come line by line', async () => {
  const watch = await server.watch(`${url}?watch=true`, 'application/json;as=Table;v=v1;g=meta.k8s.io')
  await make('a')
  await make('b')
  expect(await watch.next()).toMatchObject({ type: 'ADDED', object: { kind: 'Table', rows: [{ cells: ['a', 0, expect.any(String)] }] } })
  expect(await watch.next()).toMatchObject({ type: 'ADDED', object: { kind: 'Table', columnDefinitions: null } })
  watch.stop()
})
