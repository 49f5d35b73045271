import { afterEach, describe, expect, test } from 'vitest'
import type { Kind } from '../api/kind.ts'
import { configMaps, pods } from '../api/registry.ts'
import { seededRandom } from '../host/seeded-random.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import type { KubeObject } from '../machinery/object.ts'
import { MemoryStore } from '../storage/memory-store.ts'
import { CompactedError } from '../storage/store.ts'
import { jsonBytes, watchBytes } from './answer-bytes.ts'
import { encodeValue, objectList } from './cached-object.ts'
import type { Scope } from './change-history.ts'
import { KindCache } from './kind-cache.ts'
import { LaggingStore } from './testing/lagging-store.ts'
import { pod, TestServer } from './testing/test-server.ts'
import type { EncodedEvent } from './watch-event.ts'

const url = '/api/v1/namespaces/default/configmaps'
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function start(options: Parameters<typeof TestServer.start>[0]): Promise<TestServer> {
  const server = await TestServer.start(options)
  closing.push(() => server.close())
  return server
}

/** Two servers on one store; the first hears of changes only when it is let. */
async function twoServers(): Promise<{ clock: VirtualClock; store: LaggingStore; behind: TestServer; ahead: TestServer }> {
  const clock = new VirtualClock()
  const memory = new MemoryStore({ clock })
  const store = new LaggingStore(memory)
  const ahead = await start({ store: memory, clock })
  const behind = await start({ store, clock })
  return { clock, store, behind, ahead }
}
const make = (server: TestServer, name: string): Promise<{ code: number }> => server.ask('POST', url, { body: { metadata: { name } } })
const configMapsIn = ({ object }: { object: { items: KubeObject[] } }): string[] => object.items.map(({ metadata }) => metadata.name)

describe('a cache that lags behind its store', () => {
  test('holds up a read until it has what was written before, by another server too', async () => {
    const { store, behind, ahead } = await twoServers()
    store.lag()
    expect((await make(ahead, 'a')).code).toBe(201)
    let answered = false
    const reads = ['', '/a'].map((path) =>
      behind.ask('GET', url + path).then((answer) => {
        answered = true
        return answer
      }),
    )
    expect(configMapsIn((await behind.ask('GET', `${url}?resourceVersion=0`)) as never), 'any revision will do').not.toContain('a')
    expect(answered).toBe(false)
    store.catchUp()
    const [list, one] = await Promise.all(reads)
    expect(configMapsIn(list as never)).toContain('a')
    expect(one?.object.metadata.name).toBe('a')
  })

  test('answers a read that has waited too long with a timeout that says what to do', async () => {
    const { clock, store, behind, ahead } = await twoServers()
    store.lag()
    await make(ahead, 'a')
    const reads = [
      behind.ask('GET', url),
      behind.ask('GET', `${url}?resourceVersion=999`),
      behind.ask('GET', `${url}?watch=true&resourceVersion=`),
    ]
    await clock.advance(3_100)
    for (const { code, object } of await Promise.all(reads)) {
      expect(code).toBe(504)
      expect(object).toMatchObject({
        reason: 'Timeout',
        message: expect.stringContaining('Too large resource version'),
        details: { retryAfterSeconds: 1, causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
      })
    }
  })

  test('starts a watch with what was written before it', async () => {
    const { store, behind, ahead } = await twoServers()
    await make(ahead, 'a')
    store.lag()
    await make(ahead, 'b')
    const watch = behind.watch(`${url}?watch=true`)
    store.catchUp()
    await make(ahead, 'c')
    const reader = await watch
    expect(await reader.take(3)).toEqual(['ADDED a', 'ADDED b', 'ADDED c'])
    reader.stop()
  })
})

describe('a watch of the store that breaks off', () => {
  test('goes on where it was: each change is told once', async () => {
    const { clock, store, behind, ahead } = await twoServers()
    const watch = await behind.watch(`${url}?watch=true&resourceVersion=${(await behind.ask('GET', url)).object.metadata.resourceVersion}`)
    await make(ahead, 'a')
    expect(await watch.take(1)).toEqual(['ADDED a'])
    store.breakWatches(new Error('connection lost'))
    await make(ahead, 'b')
    await ahead.ask('DELETE', `${url}/a`)
    await clock.advance(600)
    expect(await watch.take(2)).toEqual(['ADDED b', 'DELETED a'])
    watch.stop()
  })

  test('with history that is gone ends in the same state, an object of the same name told as another', async () => {
    const { clock, store, behind, ahead } = await twoServers()
    for (const name of ['goes', 'changes', 'again']) await make(ahead, name)
    const { object } = await behind.ask('GET', url)
    const watch = await behind.watch(`${url}?watch=true&resourceVersion=${object.metadata.resourceVersion}`)
    store.lag()
    await ahead.ask('DELETE', `${url}/goes`)
    await ahead.ask('DELETE', `${url}/again`)
    await make(ahead, 'again')
    await make(ahead, 'new')
    await ahead.ask('PATCH', `${url}/changes`, { contentType: 'application/merge-patch+json', body: { data: { a: '1' } } })
    const revision = await store.revision()
    await store.compact(revision)
    store.breakWatches(new CompactedError(1, revision))
    store.catchUp()
    await clock.advance(600)
    expect((await watch.take(5)).sort()).toEqual(['ADDED again', 'ADDED new', 'DELETED again', 'DELETED goes', 'MODIFIED changes'])
    expect((await behind.ask('GET', url)).object.items.map(({ metadata }) => metadata.uid)).toEqual(
      (await ahead.ask('GET', url)).object.items.map(({ metadata }) => metadata.uid),
    )
    watch.stop()
  })

  test('after a restart watches of before go on where they were', async () => {
    const store = new MemoryStore()
    const first = await TestServer.start({ store })
    const { object } = await first.ask('GET', url)
    await make(first, 'a')
    await first.ask('DELETE', `${url}/a`)
    await make(first, 'b')
    await first.server.close()
    const second = await start({ store })
    const watch = await second.watch(`${url}?watch=true&resourceVersion=${object.metadata.resourceVersion}`)
    expect(await watch.take(3)).toEqual(['ADDED a', 'DELETED a', 'ADDED b'])
    watch.stop()
  })
})

describe('bookmarks', () => {
  test('say how far the store has come, though nothing that is watched has changed', async () => {
    const { clock, behind, ahead } = await twoServers()
    const from = (await behind.ask('GET', url)).object.metadata.resourceVersion
    const watch = await behind.watch(`${url}?watch=true&allowWatchBookmarks=true&resourceVersion=${from}`)
    await ahead.ask('POST', '/api/v1/namespaces/default/secrets', { body: { metadata: { name: 's' } } })
    const revision = await ahead.store.revision()
    await clock.advance(60_000)
    const { type, object } = (await watch.next()) as { type: string; object: KubeObject }
    expect(type).toBe('BOOKMARK')
    expect(Number(object.metadata.resourceVersion)).toBeGreaterThanOrEqual(revision)
    watch.stop()
  })
})

describe('watchers that are confined', () => {
  test('to a node are neither woken nor overtaken by what concerns others', async () => {
    const server = await start({})
    const onNode = await server.watch('/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Dn1')
    const next = onNode.take(3)
    for (let i = 0; i < 2_200; i++)
      await server.ask('POST', '/api/v1/namespaces/default/pods', { body: pod(`other-${i}`, { nodeName: 'n2' }) })
    await server.ask('POST', '/api/v1/namespaces/default/pods', { body: pod('mine', { nodeName: 'n1' }) })
    await server.ask('PATCH', '/api/v1/namespaces/default/pods/mine', {
      contentType: 'application/merge-patch+json',
      body: { metadata: { labels: { a: '1' } } },
    })
    await server.ask('DELETE', '/api/v1/namespaces/default/pods/mine?gracePeriodSeconds=0')
    expect(await next).toEqual(['ADDED mine', 'MODIFIED mine', 'DELETED mine'])
    onNode.stop()
  })

  test('to a name or namespace hear of that alone', async () => {
    const server = await start({})
    await server.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'elsewhere' } } })
    const [named, inNamespace] = await Promise.all([
      server.watch('/api/v1/configmaps?watch=true&fieldSelector=metadata.name%3Da'),
      server.watch('/api/v1/configmaps?watch=true&fieldSelector=metadata.namespace%3Delsewhere,metadata.name!%3Dkube-root-ca.crt'),
    ])
    await make(server, 'a')
    await make(server, 'b')
    for (const name of ['a', 'c']) await server.ask('POST', '/api/v1/namespaces/elsewhere/configmaps', { body: { metadata: { name } } })
    expect(await named?.take(2)).toEqual(['ADDED a', 'ADDED a'])
    expect(await inNamespace?.take(2)).toEqual(['ADDED a', 'ADDED c'])
    named?.stop()
    inNamespace?.stop()
  })
})

test('a reader that history has overtaken is dropped at that moment, read or not', async () => {
  const server = await start({})
  const watch = await server.watch(`${url}?watch=true`)
  const watching = async (): Promise<string | undefined> => {
    const answer = await server.raw('GET', '/metrics')
    return answer.type === 'text'
      ? /longrunning_requests\{verb="WATCH",[^}]*resource="configmaps",[^}]*\} (\d+)/.exec(answer.text)?.[1]
      : undefined
  }
  expect(await watching()).toBe('1')
  for (let i = 0; i < 2_100; i++) await make(server, `c${i}`)
  expect(await watching()).toBe('0')
  expect(await watch.take(2)).toEqual([expect.stringMatching(/^ERROR too old/), 'END'])
})

test('a form is made once for all who watch in it', async () => {
  const server = await start({})
  const forms = ['application/json;as=Table;v=v1;g=meta.k8s.io', 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io']
  for (const form of forms) {
    const watches = await Promise.all([1, 2, 3].map(() => server.watch(`${url}?watch=true`, form)))
    await make(server, `first-${forms.indexOf(form)}`)
    for (const watch of watches) while (!JSON.stringify((await watch.next())?.object).includes(`"first-${forms.indexOf(form)}"`));
    await make(server, `then-${forms.indexOf(form)}`)
    const events = (await Promise.all(watches.map((watch) => watch.next()))) as EncodedEvent[]
    expect(new Set(events).size, form).toBe(1)
    expect(JSON.parse(watchBytes(events.slice(0, 1)).toString())).toEqual({ type: 'ADDED', object: events[0]?.object })
    for (const watch of watches) watch.stop()
  }
})

test('a list goes out as the bytes that are stored, nothing decoded', () => {
  const cache = new KindCache(configMaps as unknown as Kind, 0)
  // Whoever decoded this would fail.
  for (const name of ['b', 'a'])
    cache.load(`/registry/core/configmaps/default/${name}`, Buffer.from(`{"apiVersion":"v1","metadata":{"name":"${name}"},broken`), 7)
  const list = objectList({ kind: 'ConfigMapList', metadata: { resourceVersion: '7' } }, cache.list('default'))
  expect(jsonBytes(list).toString()).toBe(
    '{"kind":"ConfigMapList","metadata":{"resourceVersion":"7"},"items":[{"apiVersion":"v1","metadata":{"resourceVersion":"7","name":"a"},broken,{"apiVersion":"v1","metadata":{"resourceVersion":"7","name":"b"},broken]}',
  )
})

test('lists by an index hold what a look at every object finds, through any changes', () => {
  const kind = pods as unknown as Kind
  const cache = new KindCache(kind, 0)
  const pick = (count: number): number => Math.floor(random() * count)
  const random = seededRandom(5).float
  for (let revision = 1; revision <= 600; revision++) {
    const [namespace, name] = [`ns${pick(3)}`, `pod-${pick(40)}`]
    const key = `/registry/core/pods/${namespace}/${name}`
    const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace }, spec: { nodeName: `n${pick(5)}` }, status: {} }
    const entry = { key, value: encodeValue(object as unknown as KubeObject), createRevision: 1, modRevision: revision }
    cache.apply({ key, revision, entry: pick(4) === 0 ? undefined : entry })
    const scope: Scope = [
      { by: 'spec.nodeName', value: `n${pick(6)}` },
      { by: 'name', value: `pod-${pick(40)}` },
      { by: 'namespace', value: 'ns1' },
    ][pick(3)] as Scope
    const within = pick(2) === 0 ? undefined : `ns${pick(3)}`
    const fits = (item: { name: string; namespace: string; object: KubeObject }): boolean => {
      const { nodeName } = (item.object as unknown as { spec: { nodeName: string } }).spec
      const value = { 'spec.nodeName': nodeName, name: item.name, namespace: item.namespace }[scope.by]
      return value === scope.value && (within === undefined || item.namespace === within)
    }
    const found = cache.list(within, scope).filter(fits)
    expect(found, JSON.stringify({ scope, within, revision })).toEqual(cache.list(undefined).filter(fits))
    if (scope.by !== 'namespace') expect(cache.list(within, scope)).toEqual(found)
  }
})
