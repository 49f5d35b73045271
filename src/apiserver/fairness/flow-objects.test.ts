import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/generated/types.ts'
import { VirtualClock } from '../../host/virtual-clock.ts'
import { TestServer } from '../testing/test-server.ts'

let server: TestServer
const clock = new VirtualClock()
beforeAll(async () => {
  server = await TestServer.start({ clock })
})
afterAll(() => server.close())

const base = '/apis/flowcontrol.apiserver.k8s.io/v1'
const schemas = `${base}/flowschemas`
const levels = `${base}/prioritylevelconfigurations`
const contentType = 'application/merge-patch+json'
const annotation = 'apf.kubernetes.io/autoupdate-spec'
const named = async (url: string): Promise<string[]> => (await server.ask('GET', url)).object.items.map(({ metadata }) => metadata.name)
const patch = (url: string, body: object) => server.ask('PATCH', url, { contentType, body })
const schemaOf = async (name: string) => (await server.ask('GET', `${schemas}/${name}`)).object as unknown as FlowSchema
const levelOf = async (name: string) => (await server.ask('GET', `${levels}/${name}`)).object as unknown as PriorityLevelConfiguration
/** A minute later, when the server has looked at its objects. */
const minute = () => clock.advance(60_001)
const dangling = async (name: string): Promise<string | undefined> =>
  (await schemaOf(name)).status?.conditions?.map(({ status, reason, message }) => `${status} ${reason}: ${message}`).join()

test('a cluster begins with upstream’s levels and schemas', async () => {
  expect(await named(levels)).toEqual([
    'catch-all',
    'exempt',
    'global-default',
    'leader-election',
    'node-high',
    'system',
    'workload-high',
    'workload-low',
  ])
  expect(await named(schemas)).toHaveLength(12 - 1)
  expect((await schemaOf('probes')).metadata.annotations).toEqual({ [annotation]: 'true' })
  expect(await dangling('probes')).toBe(
    'False Found: This FlowSchema references the PriorityLevelConfiguration object named "exempt" and it exists',
  )
})

describe('what is changed or deleted', () => {
  test('of a suggested one goes back, unless it is marked as somebody’s own', async () => {
    await patch(`${levels}/system`, { spec: { limited: { nominalConcurrencyShares: 7 } } })
    await patch(`${levels}/workload-low`, {
      metadata: { annotations: { [annotation]: 'false' } },
      spec: { limited: { nominalConcurrencyShares: 7 } },
    })
    await server.ask('DELETE', `${schemas}/service-accounts`)
    await minute()
    expect((await levelOf('system')).spec?.limited?.nominalConcurrencyShares).toBe(30)
    expect((await levelOf('workload-low')).spec?.limited?.nominalConcurrencyShares).toBe(7)
    expect((await schemaOf('service-accounts')).spec?.matchingPrecedence).toBe(9000)
  })

  test('and unmarked is taken for somebody’s own', async () => {
    await patch(`${schemas}/system-nodes`, { metadata: { annotations: null }, spec: { matchingPrecedence: 501 } })
    await minute()
    expect(await schemaOf('system-nodes')).toMatchObject({
      metadata: { annotations: { [annotation]: 'false' } },
      spec: { matchingPrecedence: 501 },
    })
  })

  test('of a mandatory one goes back whatever its mark; how much the exempt level lends stays', async () => {
    await patch(`${levels}/catch-all`, {
      metadata: { annotations: { [annotation]: 'false' } },
      spec: { limited: { nominalConcurrencyShares: 99 } },
    })
    await patch(`${levels}/exempt`, { spec: { exempt: { nominalConcurrencyShares: 3 } } })
    await minute()
    expect(await levelOf('catch-all')).toMatchObject({
      metadata: { annotations: { [annotation]: 'true' } },
      spec: { limited: { nominalConcurrencyShares: 5 } },
    })
    expect((await levelOf('exempt')).spec?.exempt).toEqual({ nominalConcurrencyShares: 3, lendablePercent: 0 })
  })

  test('what a former version suggested goes, what an administrator made stays', async () => {
    const spec = { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } }
    await server.ask('POST', levels, { body: { metadata: { name: 'former', annotations: { [annotation]: 'true' } }, spec } })
    await server.ask('POST', levels, { body: { metadata: { name: 'mine' }, spec } })
    await minute()
    expect(await named(levels)).not.toContain('former')
    expect(await named(levels)).toContain('mine')
  })
})

test('a schema whose level is missing says so, until it is there', async () => {
  const spec = { priorityLevelConfiguration: { name: 'late' }, matchingPrecedence: 77, rules: [] }
  await server.ask('POST', schemas, { body: { metadata: { name: 'early' }, spec } })
  const because = (text: string): string => `This FlowSchema references the PriorityLevelConfiguration object named "late" ${text}`
  await expect.poll(() => dangling('early')).toBe(`True NotFound: ${because('but there is no such object')}`)
  await server.ask('POST', levels, {
    body: { metadata: { name: 'late' }, spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } } },
  })
  await expect.poll(() => dangling('early')).toBe(`False Found: ${because('and it exists')}`)
})
