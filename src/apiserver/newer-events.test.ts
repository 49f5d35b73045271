import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestServer } from './testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(() => server.close())

const newer = '/apis/events.k8s.io/v1/namespaces/default/events'
const core = '/api/v1/namespaces/default/events'
const event = (name: string, more: object = {}): object => ({
  metadata: { name },
  eventTime: '2026-01-02T03:04:05.000000Z',
  reportingController: 'example.com/controller',
  reportingInstance: 'c-1',
  action: 'Binding',
  reason: 'Scheduled',
  type: 'Normal',
  note: 'as it should be',
  regarding: { kind: 'Pod', name: 'web', namespace: 'default' },
  ...more,
})

describe('events.k8s.io/v1', () => {
  test.each<[string, object, string]>([
    ['says who does what, and why', { action: '', reason: '' }, '[action: Required value, reason: Required value]'],
    [
      'says who reports',
      { reportingController: '' },
      '[reportingController: Required value, reportingController: Invalid value: "": name part must be non-empty',
    ],
    ['says when', { eventTime: null }, 'eventTime: Required value'],
    ['is normal or a warning', { type: 'Odd' }, 'type: Invalid value: "": has invalid value: Odd'],
    [
      'leaves the old fields alone',
      { deprecatedCount: 1, deprecatedFirstTimestamp: '2026-01-02T03:04:05Z', deprecatedSource: { component: 'c' } },
      '[firstTimestamp: Invalid value: "": needs to be unset, count: Invalid value: "": needs to be unset, source: Invalid value: "": needs to be unset]',
    ],
    [
      'has a series of two at least',
      { series: { count: 1 } },
      '[series.count: Invalid value: "": should be at least 2, series.lastObservedTime: Required value]',
    ],
    ['is not too long', { note: 'x'.repeat(1025) }, 'message: Invalid value: "": can have at most 1024 characters'],
  ])('an event %s', async (_, more, faults) => {
    expect(await server.refusal('POST', newer, { body: event('bad', more) })).toContain(`422 Event "bad" is invalid: ${faults}`)
  })

  test('what core/v1 has always taken it still takes', async () => {
    const old = { metadata: { name: 'old' }, involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' }, count: 3, type: 'Odd' }
    expect((await server.ask('POST', core, { body: old })).code).toBe(201)
    const changed = { body: { message: 'other', count: 4 }, contentType: 'application/merge-patch+json' }
    expect((await server.ask('PATCH', `${core}/old`, changed)).code).toBe(200)
  })

  test('what has been stays so: only its series changes', async () => {
    expect((await server.ask('POST', newer, { body: event('seen') })).code).toBe(201)
    const merge = (body: object) => ({ body, contentType: 'application/merge-patch+json' })
    const series = { count: 2, lastObservedTime: '2026-01-02T03:05:05.000000Z' }
    expect((await server.ask('PATCH', `${newer}/seen`, merge({ series }))).code).toBe(200)
    expect(await server.refusal('PATCH', `${newer}/seen`, merge({ series: { count: 1 } }))).toContain(
      'series.count: Invalid value: "": should be at least 2',
    )
    expect(await server.refusal('PATCH', `${newer}/seen`, merge({ reason: 'Other', reportingController: 'other.io/c' }))).toBe(
      '422 Event "seen" is invalid: [reason: Invalid value: "Other": field is immutable, reportingController: Invalid value: "other.io/c": field is immutable]',
    )
    expect((await server.ask('PATCH', `${core}/seen`, merge({ message: 'by the other door' }))).code).toBe(200)
    expect((await server.ask('PATCH', `${newer}/seen`, merge({ metadata: { labels: { a: 'b' } } }))).code).toBe(200)
  })
})
