import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ManagedFieldsEntry } from '../machinery/object.ts'
import { pod, TestServer } from './testing/test-server.ts'

const maps = '/api/v1/namespaces/default/configmaps'
const map = (name: string, data: Record<string, string>, metadata: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
})
const apply = 'application/apply-patch+yaml'

describe('who owns which field', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await TestServer.start()
  })
  afterAll(() => server.close())

  const account = async (name: string): Promise<string[]> => {
    const { object } = await server.ask('GET', `${maps}/${name}`)
    return (object.metadata.managedFields ?? []).map(({ manager, operation, fieldsV1 }) => {
      const { 'f:data': data = {} } = fieldsV1 as { 'f:data'?: object }
      return `${manager} ${operation} ${Object.keys(data)}`
    })
  }

  it('is told from the creation on', async () => {
    await server.ask('POST', `${maps}?fieldManager=helm`, { body: map('a', { x: '1' }) })
    expect(await account('a')).toEqual(['helm Update .,f:x'])
    await server.ask('PATCH', `${maps}/a`, { body: { data: { y: '2' } }, contentType: 'application/merge-patch+json' })
    expect(await account('a')).toEqual(['helm Update .,f:x', 'test Update f:y'])
  })

  it('a client that turns its updates into an apply then applies without conflict', async () => {
    const { object } = await server.ask('POST', `${maps}?fieldManager=helm`, { body: map('b', { x: '1' }) })
    const applied = { body: map('b', { x: '2' }), contentType: apply }
    expect((await server.ask('PATCH', `${maps}/b?fieldManager=helm`, applied)).code).toBe(409)
    // What csaupgrade of client-go sends.
    const [entry] = object.metadata.managedFields as ManagedFieldsEntry[]
    const upgrade = [
      { op: 'replace', path: '/metadata/managedFields', value: [{ ...entry, operation: 'Apply' }] },
      { op: 'replace', path: '/metadata/resourceVersion', value: object.metadata.resourceVersion },
    ]
    const upgraded = await server.ask('PATCH', `${maps}/b`, { body: upgrade, contentType: 'application/json-patch+json' })
    expect(upgraded.code).toBe(200)
    expect(await account('b')).toEqual(['helm Apply .,f:x'])
    const { code, object: result } = await server.ask('PATCH', `${maps}/b?fieldManager=helm`, applied)
    expect([code, result.data]).toEqual([200, { x: '2' }])
  })

  it('a single empty entry clears it; an empty list and none leave it', async () => {
    await server.ask('POST', maps, { body: map('c', { x: '1' }) })
    await server.ask('PUT', `${maps}/c`, { body: map('c', { x: '1' }) })
    await server.ask('PUT', `${maps}/c`, { body: map('c', { x: '1' }, { managedFields: [] }) })
    expect(await account('c')).toEqual(['test Update .,f:x'])
    const clear = { metadata: { managedFields: [{}] } }
    await server.ask('PATCH', `${maps}/c`, { body: clear, contentType: 'application/merge-patch+json' })
    expect(await account('c')).toEqual([])
  })

  it('counts the oldest of more than ten programs as one', async () => {
    await server.ask('POST', `${maps}?fieldManager=m0`, { body: map('d', { k0: '' }) })
    for (let i = 1; i < 14; i++) {
      const body = { data: { [`k${i}`]: '' } }
      await server.ask('PATCH', `${maps}/d?fieldManager=m${i}`, { body, contentType: 'application/merge-patch+json' })
    }
    const entries = await account('d')
    expect(entries).toHaveLength(10)
    expect(entries.filter((entry) => entry.startsWith('ancient-changes'))).toHaveLength(1)
  })

  it('a pod keeps its generation as it is bound', async () => {
    await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name: 'default' } } })
    const pods = '/api/v1/namespaces/default/pods'
    const made = await server.ask('POST', pods, { body: pod('bound') })
    expect(made.code).toBe(201)
    expect(made.object.metadata.managedFields?.map(({ fieldsV1 }) => Object.keys(fieldsV1 as object))).toEqual([['f:spec']])
    await server.ask('POST', `${pods}/bound/binding`, { body: { target: { kind: 'Node', name: 'n' } } })
    const { object } = await server.ask('GET', `${pods}/bound`)
    expect([object.spec.nodeName, object.metadata.generation]).toEqual(['n', 1])
  })
})
