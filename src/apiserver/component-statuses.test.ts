import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ComponentStatus } from '../api/generated/types.ts'
import { TestServer } from './testing/test-server.ts'

const url = '/api/v1/componentstatuses'
let isWell = true
let server: TestServer
beforeAll(async () => {
  const scheduler = (): Promise<void> => (isWell ? Promise.resolve() : Promise.reject(new Error('it does not run')))
  server = await TestServer.start({ components: new Map([['scheduler', scheduler]]) })
})
afterAll(() => server.close())

const listed = async (query = ''): Promise<string[]> =>
  ((await server.ask('GET', `${url}${query}`)).object.items as unknown as ComponentStatus[]).map(
    ({ metadata, conditions }) => `${metadata?.name} ${conditions?.[0]?.status} ${conditions?.[0]?.message}`,
  )

test('components are asked when somebody wants to know', async () => {
  expect(await listed()).toEqual(['scheduler True ok', 'etcd-0 True ok'])
  isWell = false
  server.store.healthy = () => Promise.reject(new Error('no space left on device'))
  expect(await listed()).toEqual(['scheduler False it does not run', 'etcd-0 False no space left on device'])
  expect(await listed('?fieldSelector=metadata.name%3Detcd-0')).toEqual(['etcd-0 False no space left on device'])
  expect(await listed('?labelSelector=a%3Db')).toEqual([])
})

test('one is asked by its name; nothing is written', async () => {
  const { object, warnings } = await server.ask('GET', `${url}/scheduler`)
  expect(object).toMatchObject({ kind: 'ComponentStatus', apiVersion: 'v1', metadata: { name: 'scheduler' } })
  expect(warnings).toEqual(['v1 ComponentStatus is deprecated in v1.19+'])
  expect(await server.refusal('GET', `${url}/other`)).toBe('404 componentstatuses "other" not found')
  expect(await server.refusal('DELETE', `${url}/scheduler`)).toMatch(/^405 /)
})
