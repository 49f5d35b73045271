import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { VirtualClock } from '../host/virtual-clock.ts'
import { MemoryStore } from '../storage/memory-store.ts'
import type { CommitResult } from '../storage/store.ts'
import { durationMs } from './request-deadline.ts'
import { pod, TestServer } from './testing/test-server.ts'

const maps = '/api/v1/namespaces/default/configmaps'

/** Each line means nine of the one before. */
const laughs = [
  'metadata: {name: laughs}',
  'a: &a ["lol"]',
  ...Array.from('bcdefghi', (name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join()}]`),
].join('\n')

describe('what a body may be', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await TestServer.start()
    await server.ask('POST', maps, { body: { metadata: { name: 'kept' }, data: { a: 'x' } } })
    await server.ask('POST', '/api/v1/namespaces/default/pods', { body: pod('web') })
  })
  afterAll(() => server.close())

  test('3 MiB, and no more', async () => {
    const body = { metadata: { name: 'large' }, data: { a: 'x'.repeat(3 << 20) } }
    const { code, object } = await server.ask('POST', maps, { body })
    expect({ code, reason: (object as unknown as { reason: string }).reason, message: object.message }).toEqual({
      code: 413,
      reason: 'RequestEntityTooLarge',
      message: 'Request entity too large: limit is 3145728',
    })
  })

  const deep = 1_500_000
  test.each([
    ['JSON, deep', 'application/json', '['.repeat(deep) + ']'.repeat(deep), /^400 .*(exceeded max depth|json parse error)/],
    [
      'JSON, deep in a field',
      'application/json',
      `{"metadata":{"name":"d"},"x":${'{"a":'.repeat(400_000)}1${'}'.repeat(400_000)}}`,
      /^400 /,
    ],
    ['JSON, cut off', 'application/json', '{"a":'.repeat(deep / 3), /^400 .*json parse error/],
    ['YAML, deep', 'application/yaml', `a: ${'['.repeat(20_000)}`, /^400 /],
    ['YAML, indented without end', 'application/yaml', Array.from({ length: 1500 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), /^400 /],
    [
      'YAML, a billion laughs',
      'application/yaml',
      laughs,
      /^400 error converting YAML to JSON: yaml: document contains excessive aliasing$/,
    ],
  ])('%s is refused in time', async (_, contentType, body, refusal) => {
    const began = performance.now()
    expect((await server.refusal('POST', maps, { body, contentType })).slice(0, 200)).toMatch(refusal)
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  test('many fields are no matter', async () => {
    const data = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`key-${i}`, 'v']))
    expect((await server.ask('POST', `${maps}?fieldValidation=Strict`, { body: { metadata: { name: 'wide' }, data } })).code).toBe(201)
  })

  test('a JSON patch has 10,000 operations at most, and does not multiply what it copies', async () => {
    const contentType = 'application/json-patch+json'
    const add = { op: 'add', path: '/data/b', value: 'y' }
    expect(await server.refusal('PATCH', `${maps}/kept`, { body: Array(10_001).fill(add), contentType })).toBe(
      '413 Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
    )
    expect((await server.ask('PATCH', `${maps}/kept`, { body: Array(10_000).fill(add), contentType })).code).toBe(200)
    const doubling = [
      { op: 'add', path: '/data/c', value: 'z'.repeat(1000) },
      ...Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/data', path: `/metadata/annotations${i}` })),
      ...Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/metadata', path: `/metadata/x${i}` })),
    ]
    const { code, object } = await server.ask('PATCH', `${maps}/kept`, { body: doubling, contentType })
    expect(code).toBe(422)
    expect(JSON.stringify(object)).toMatch(/accumulated size increase of copy is \d+, exceeding the limit 3145728/)
  })

  test('an account of many managers is shortened, not refused', async () => {
    for (let i = 0; i < 15; i++) {
      const body = { data: { [`k${i}`]: 'v' } }
      const url = `${maps}/kept?fieldManager=m${i}`
      await server.ask('PATCH', url, { body, contentType: 'application/merge-patch+json' })
    }
    const { managedFields = [] } = (await server.ask('GET', `${maps}/kept`)).object.metadata
    expect(managedFields.length).toBeLessThanOrEqual(11)
  })
})

describe('how long a request may take', () => {
  test.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['100ms', 100],
    ['-2s', -2000],
    ['0', 0],
    ['10', undefined],
    ['soon', undefined],
    ['1s ', undefined],
  ])('%s', (text, milliseconds) => expect(durationMs(text)).toBe(milliseconds))

  /** Answers nothing for as long as it is told to. */
  class StalledStore extends MemoryStore {
    stalled = false
    override async commit(...change: Parameters<MemoryStore['commit']>): Promise<CommitResult> {
      if (this.stalled) return new Promise(() => {})
      return await super.commit(...change)
    }
  }

  test('what it asks for; then the client hears that it was too long', async () => {
    const clock = new VirtualClock()
    const store = new StalledStore({ clock })
    const server = await TestServer.start({ store, clock })
    store.stalled = true
    const body = { metadata: { name: 'a' } }
    const answer = server.ask('POST', `${maps}?timeout=5s`, { body })
    await clock.advance(4_999)
    let answered = false
    void answer.then(() => (answered = true))
    await clock.advance(0)
    expect(answered).toBe(false)
    await clock.advance(1)
    const { code, object } = await answer
    expect({ code, message: object.message }).toEqual({
      code: 504,
      message: 'Timeout: request did not complete within the allotted timeout',
    })
    store.stalled = false
    expect(await server.refusal('GET', `${maps}?timeout=soon`)).toBe(
      '400 invalid timeout specified in the request URL - time: invalid duration "soon"',
    )
    expect(await server.refusal('GET', `${maps}?timeout=10`)).toBe(
      '400 invalid timeout specified in the request URL - time: missing unit in duration "10"',
    )
    await server.close()
  })

  test('a watch ends when it asks to, else after the least time and before twice as much; the time of others is not its own', async () => {
    const clock = new VirtualClock()
    const server = await TestServer.start({ clock, store: new MemoryStore({ clock }), minRequestTimeoutSeconds: 60 })
    const short = await server.watch(`${maps}?watch=1&timeoutSeconds=5&timeout=1s`)
    const long = await server.watch(`${maps}?watch=1`)
    const ended: string[] = []
    void short.take(1).then(() => ended.push('short'))
    void long.take(1).then(() => ended.push('long'))
    await clock.advance(4_900)
    expect(ended).toEqual([])
    await clock.advance(200)
    expect(ended).toEqual(['short'])
    await clock.advance(54_000)
    expect(ended).toEqual(['short'])
    await clock.advance(61_000)
    expect(ended).toEqual(['short', 'long'])
    await server.close()
  })
})
