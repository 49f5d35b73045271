import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KubeObject } from '../machinery/object.ts'
import { TestServer } from './testing/test-server.ts'

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions, row by row. */
let server: TestServer
const url = '/api/v1/namespaces/default/configmaps'
/** The resourceVersion after each of these was made. */
const at: Record<string, number> = {}
let newest: number

beforeAll(async () => {
  server = await TestServer.start()
  await server.ask('DELETE', `${url}/kube-root-ca.crt`)
  for (const name of ['a', 'b', 'c', 'd']) {
    const { object } = await server.ask('POST', url, { body: { metadata: { name } } })
    at[name] = Number(object.metadata.resourceVersion)
  }
  newest = at.d as number
})
afterAll(() => server.close())

interface Listed {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string; readonly remainingItemCount?: number }
  readonly items: readonly KubeObject[]
}
const list = async (query: string): Promise<Listed> => (await server.ask('GET', `${url}?${query}`)).object as unknown as Listed
const shown = ({ items }: Listed): string => items.map(({ metadata }) => metadata.name).join('')
/** `rv=b` stands for the revision at which b was made, `rv=later` for one to come. */
const filled = (query: string): string =>
  query.replace(/rv=([a-d])/, (_, name: string) => `resourceVersion=${at[name]}`).replace('rv=', 'resourceVersion=')

describe('a list', () => {
  test.each<[string, string, string, 'b' | 'newest', number | undefined]>([
    ['the most recent', '', 'abcd', 'newest', undefined],
    ['any', 'rv=0', 'abcd', 'newest', undefined],
    ['not older than', 'rv=b', 'abcd', 'newest', undefined],
    ['the most recent, in pages', 'limit=1', 'a', 'newest', 3],
    ['any, whose pages upstream has never cut', 'limit=1&rv=0', 'abcd', 'newest', undefined],
    ['exactly, for pages of an old kind of client', 'limit=1&rv=b', 'a', 'b', 1],
    ['exactly, page and all', 'limit=5&rv=b', 'ab', 'b', undefined],
    ['exactly', 'rv=b&resourceVersionMatch=Exact', 'ab', 'b', undefined],
    ['exactly, in pages', 'limit=1&rv=b&resourceVersionMatch=Exact', 'a', 'b', 1],
    ['not older than, said so', 'rv=b&resourceVersionMatch=NotOlderThan', 'abcd', 'newest', undefined],
    ['not older than, in pages', 'limit=3&rv=b&resourceVersionMatch=NotOlderThan', 'abc', 'newest', 1],
    ['any, said so', 'rv=0&resourceVersionMatch=NotOlderThan', 'abcd', 'newest', undefined],
    ['of less than no items is of all', 'limit=-1', 'abcd', 'newest', undefined],
  ])('%s: %s', async (_, query, names, revision, remaining) => {
    const found = await list(filled(query))
    expect(shown(found)).toBe(names)
    const { resourceVersion, remainingItemCount } = found.metadata
    if (revision === 'b') expect(Number(resourceVersion)).toBe(at.b)
    else expect(Number(resourceVersion)).toBeGreaterThanOrEqual(newest)
    expect([remainingItemCount, found.metadata.continue !== undefined]).toEqual([remaining, remaining !== undefined])
  })

  test.each<[string, string]>([
    [
      'resourceVersionMatch=Exact',
      '422 ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    ],
    [
      'rv=0&resourceVersionMatch=Exact',
      '422 ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    ],
    [
      'rv=b&resourceVersionMatch=Newer',
      '422 ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Newer": supported values: "Exact", "NotOlderThan", ""',
    ],
    [
      'rv=b&resourceVersionMatch=Exact&continue=x',
      '422 ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided',
    ],
    [
      'sendInitialEvents=true',
      '422 ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    ],
    ['rv=xyz', '400 invalid resource version: resourceVersion: Invalid value: "xyz": strconv.ParseUint: parsing "xyz": invalid syntax'],
    ['rv=-1', '400 invalid resource version: resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax'],
    [
      'rv=99999999999999999999',
      '400 invalid resource version: resourceVersion: Invalid value: "99999999999999999999": strconv.ParseUint: parsing "99999999999999999999": value out of range',
    ],
    ['limit=many', '400 strconv.ParseInt: parsing "many": invalid syntax'],
    ['limit=1&continue=nonsense', '400 invalid continue token: continue key is not valid: it is none that a server has written'],
    [
      'continue=eyJ2IjoidjkiLCJydiI6MSwic3RhcnQiOiJhIn0',
      '400 invalid continue token: continue key is not valid: server does not recognize this encoded version v9',
    ],
  ])('%s is refused', async (query, said) => expect(await server.refusal('GET', `${url}?${filled(query)}`)).toBe(said))

  test('that goes on takes no other version', async () => {
    const token = (await list('limit=1')).metadata.continue
    expect(await server.refusal('GET', `${url}?limit=1&continue=${token}&resourceVersion=${at.b}`)).toBe(
      '400 specifying resource version is not allowed when using continue',
    )
    expect(shown(await list(`limit=1&continue=${token}&resourceVersion=0`))).toBe('b')
  })

  test('its token is upstream’s, and leads nowhere else', async () => {
    const token = (await list('limit=2')).metadata.continue as string
    const read = JSON.parse(Buffer.from(token, 'base64url').toString())
    expect(read).toEqual({ v: 'meta.k8s.io/v1', rv: expect.any(Number), start: 'b\0' })
    const made = (start: string): string => Buffer.from(JSON.stringify({ ...read, start })).toString('base64url')
    expect(await server.refusal('GET', `${url}?continue=${made('../kube-system/a')}`)).toMatch(/^400 invalid continue token/)
    expect((await server.ask('GET', `/api/v1/configmaps?limit=1&continue=${made('default/c\0')}`)).object.items[0]?.metadata.name).toBe('d')
  })

  test.each(['rv=later', 'rv=later&resourceVersionMatch=NotOlderThan', 'rv=later&resourceVersionMatch=Exact', 'rv=later&limit=1'])(
    'of a version that is still to come is a timeout that says when to ask again: %s',
    async (query) => {
      const { code, object } = await server.ask('GET', `${url}?${filled(query).replace('later', String(newest + 1000))}`)
      expect([code, object]).toMatchObject([
        504,
        {
          reason: 'Timeout',
          message: expect.stringMatching(`^Timeout: Too large resource version: ${newest + 1000}, current: \\d+$`),
          details: { retryAfterSeconds: 1, causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
        },
      ])
    },
  )
})

describe('a get', () => {
  test.each(['', 'rv=0', 'rv=a'])('with %s answers what is there now', async (query) => {
    expect((await server.ask('GET', `${url}/b?${filled(query)}`)).object.metadata.name).toBe('b')
  })
  test('of a version that is none, or still to come', async () => {
    expect(await server.refusal('GET', `${url}/b?resourceVersion=x`)).toBe(
      '400 invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax',
    )
    expect(await server.refusal('GET', `${url}/b?resourceVersion=${newest + 1000}`)).toMatch(/^504 Timeout: Too large resource version/)
  })
})

describe('a watch', () => {
  const bookmark = 'BOOKMARK end'
  /** What it tells before anything happens, and the first thing that happens then. */
  const told = async (query: string): Promise<string> => {
    const watch = await server.watch(`${url}?watch=true&fieldSelector=metadata.name!%3Dkube-root-ca.crt&${filled(query)}`)
    await server.ask('POST', url, { body: { metadata: { name: 'next' } } })
    const said: string[] = []
    while (said.at(-1) !== 'next') {
      const event = await watch.next()
      if (!event) return `${said.join(' ')} END`
      const { metadata } = event.object as KubeObject
      if (event.type === 'BOOKMARK') said.push(metadata.annotations?.['k8s.io/initial-events-end'] === 'true' ? bookmark : 'BOOKMARK')
      else said.push(metadata.name)
    }
    watch.stop()
    await server.ask('DELETE', `${url}/next`)
    return said.slice(0, -1).join(' ')
  }
  test.each<[string, string, string]>([
    ['from the most recent, what is there first', '', 'a b c d'],
    ['from the most recent, with bookmarks', 'allowWatchBookmarks=true', `a b c d ${bookmark}`],
    ['from any, what is there first', 'rv=0', 'a b c d'],
    ['from any, with bookmarks', 'rv=0&allowWatchBookmarks=true', `a b c d ${bookmark}`],
    ['from exactly one on', 'rv=b', 'c d'],
    ['with initial events', 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan', 'a b c d'],
    [
      'with initial events and bookmarks',
      'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
      `a b c d ${bookmark}`,
    ],
    [
      'with initial events not older than',
      `sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&rv=b`,
      `a b c d ${bookmark}`,
    ],
    [
      'with initial events of any',
      `sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&rv=0`,
      `a b c d ${bookmark}`,
    ],
    ['without initial events', 'sendInitialEvents=false&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true', ''],
    ['without initial events, from one on', 'sendInitialEvents=false&resourceVersionMatch=NotOlderThan&rv=c', 'd'],
  ])('%s: %s', async (_, query, names) => {
    // Deletions of the tests before are no part of it.
    if (query.includes('rv=b') || query.includes('rv=c')) {
      const said = await told(query)
      expect(
        said
          .split(' ')
          .filter((one) => one !== 'next')
          .join(' ')
          .trim(),
      ).toBe(names)
    } else expect(await told(query)).toBe(names)
  })

  test.each<[string, string]>([
    [
      'sendInitialEvents=true',
      '422 ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    ],
    [
      'resourceVersionMatch=NotOlderThan',
      '422 ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    ],
    [
      'sendInitialEvents=true&resourceVersionMatch=Exact&rv=b',
      '422 ListOptions.meta.k8s.io "" is invalid: [resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]',
    ],
    [
      'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x',
      '422 ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided',
    ],
    ['rv=xyz', '422 configmaps "" is invalid: resourceVersion: Invalid value: "xyz": strconv.ParseUint: parsing "xyz": invalid syntax'],
    ['timeoutSeconds=soon', '400 strconv.ParseInt: parsing "soon": invalid syntax'],
  ])('%s is refused', async (query, said) => expect(await server.refusal('GET', `${url}?watch=true&${filled(query)}`)).toBe(said))
})

test('pages whose revision is gone can be gone on with at the newest', async () => {
  const first = await list('limit=2')
  await server.ask('POST', url, { body: { metadata: { name: 'cc' } } })
  await server.store.compact(await server.store.revision())
  const { code, object } = await server.ask('GET', `${url}?limit=1&continue=${first.metadata.continue}`)
  expect([code, object]).toMatchObject([
    410,
    {
      reason: 'Expired',
      message: expect.stringMatching(
        /^The provided continue parameter is too old to display a consistent list result\. You can start a new list without the continue parameter, or use the continue token in this response/,
      ),
    },
  ])
  const token = (object.metadata as { continue?: string }).continue
  const next = await list(`limit=2&continue=${token}`)
  expect(shown(next)).toBe('ccc')
  expect(Number(next.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion))
  expect(shown(await list(`limit=2&continue=${next.metadata.continue}`))).toBe('d')
  expect(await server.refusal('GET', `${url}?resourceVersion=${at.a}&resourceVersionMatch=Exact`)).toBe(
    '410 The resourceVersion for the provided list is too old.',
  )
})
