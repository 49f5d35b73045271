import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ConfigMap, Deployment, Pod } from '../api/generated/types.ts'
import { configMaps, deployments, pods } from '../api/registry.ts'
import { isAlreadyExists, isConflict, isExpired, isNotFound, type StatusError } from '../machinery/status.ts'
import type { Client, WatchEvent } from './client.ts'

const caught = (promise: Promise<unknown>): Promise<StatusError> =>
  promise.then(
    () => {
      throw new Error('it should have failed')
    },
    (error: StatusError) => error,
  )

/** What every client must do, whatever carries its calls: both run this suite against the real API server. */
export function clientContract(name: string, start: () => Promise<{ client: Client; close: () => Promise<void> }>): void {
  describe(name, () => {
    let client: Client
    let close: () => Promise<void>
    beforeAll(async () => {
      ;({ client, close } = await start())
    })
    afterAll(() => close())
    const maps = () => client.resource<ConfigMap>(configMaps, 'default')

    test('creates, gets, lists, updates and deletes', async () => {
      const created = await maps().create({ metadata: { name: 'a', labels: { set: 'crud' } }, data: { k: '1' } })
      expect(created).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { k: '1' } })
      const updated = await maps().update({ ...created, data: { k: '2' } })
      expect(await maps().get('a')).toEqual(updated)
      const list = await maps().list({ labelSelector: 'set=crud' })
      expect(list.items.map((item) => item.metadata.name)).toEqual(['a'])
      expect(isConflict(await caught(maps().update(created)))).toBe(true)
      await maps().delete('a', { preconditions: { uid: created.metadata.uid } })
      expect(isNotFound(await caught(maps().get('a')))).toBe(true)
    })

    test('a thousand calls at once, of dozens under way, each get their answer', async () => {
      let next = 0
      const caller = async (): Promise<void> => {
        while (next < 1_000) {
          const name = `many-${next++}`
          expect((await maps().create({ metadata: { name }, data: { text: 'x'.repeat(800) } })).metadata.name).toBe(name)
        }
      }
      await Promise.all(Array.from({ length: 64 }, caller))
    })

    test('tells what went wrong as the server words it', async () => {
      const missing = await caught(maps().get('nobody'))
      expect([missing.code, missing.reason, missing.message]).toEqual([404, 'NotFound', 'configmaps "nobody" not found'])
      await maps().create({ metadata: { name: 'twice' } })
      expect(isAlreadyExists(await caught(maps().create({ metadata: { name: 'twice' } })))).toBe(true)
      const bad = await caught(maps().create({ metadata: { name: 'Not A Name' } }))
      expect([bad.code, bad.reason]).toEqual([422, 'Invalid'])
    })

    test('patches in every way', async () => {
      await maps().create({ metadata: { name: 'patched' }, data: { a: '1' } })
      await maps().patch('patched', { type: 'json', body: [{ op: 'add', path: '/data/b', value: '2' }] })
      await maps().patch('patched', { type: 'merge', body: { data: { c: '3' } } })
      const patched = await maps().patch('patched', { type: 'strategic', body: { data: { a: null } } })
      expect(patched.data).toEqual({ b: '2', c: '3' })
    })

    test('writes a status, which changes nothing else', async () => {
      const spec = {
        selector: { matchLabels: { app: 's' } },
        template: { metadata: { labels: { app: 's' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      }
      const all = client.resource<Deployment>(deployments, 'default')
      const made = await all.create({ metadata: { name: 'status' }, spec: { ...spec, paused: true } as Deployment['spec'] })
      const written = await all.updateStatus({ ...made, spec: { ...made.spec, replicas: 9 }, status: { observedGeneration: 1 } })
      expect([written.spec.replicas, written.status?.observedGeneration]).toEqual([1, 1])
    })

    test('pages through a list', async () => {
      for (const n of [1, 2, 3]) await maps().create({ metadata: { name: `page-${n}`, labels: { set: 'paged' } } })
      const first = await maps().list({ labelSelector: 'set=paged', limit: 2 })
      const token = first.metadata.continue ?? ''
      const second = await maps().list({ labelSelector: 'set=paged', limit: 2, continue: token })
      expect([...first.items, ...second.items].map((item) => item.metadata.name)).toEqual(['page-1', 'page-2', 'page-3'])
    })

    test('watches from a revision: what came after it, each once, until the signal', async () => {
      const list = await maps().list()
      const stop = new AbortController()
      const seen: string[] = []
      const { resourceVersion = '' } = list.metadata
      const created = await maps().create({ metadata: { name: 'watched' } })
      const big = 'x'.repeat(900_000)
      await maps().update({ ...created, data: { big } })
      await maps().delete('watched')
      for await (const event of maps().watch({ resourceVersion, signal: stop.signal })) {
        seen.push(`${event.type} ${event.object.metadata.name} ${event.object.data?.big?.length ?? 0}`)
        if (event.type === 'DELETED') stop.abort(new Error('enough'))
      }
      expect(seen).toEqual(['ADDED watched 0', 'MODIFIED watched 900000', 'DELETED watched 900000'])
    })

    test('a watch waits for what is yet to come', async () => {
      const { resourceVersion = '' } = (await maps().list()).metadata
      const stop = new AbortController()
      const events = maps().watch({ resourceVersion, signal: stop.signal })[Symbol.asyncIterator]()
      const next: Promise<IteratorResult<WatchEvent<ConfigMap>>> = events.next()
      await maps().create({ metadata: { name: 'later' } })
      expect((await next).value?.object.metadata.name).toBe('later')
      const end = events.next()
      stop.abort(new Error('enough'))
      expect((await end).done).toBe(true)
    })

    test('a watch that cannot be had says why', async () => {
      const watch = async (): Promise<void> => {
        for await (const _ of maps().watch({ resourceVersion: 'nonsense', signal: new AbortController().signal })) return
      }
      const refusal = await caught(watch())
      expect([refusal.code, isExpired(refusal)]).toEqual([422, false])
    })

    test('reaches subresources', async () => {
      const all = client.resource<Pod>(pods, 'default')
      await all.create({ metadata: { name: 'bound' }, spec: { containers: [{ name: 'c', image: 'i' }] } })
      const target = { apiVersion: 'v1', kind: 'Node', name: 'n1' }
      await all.createSubresource('bound', 'binding', { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'bound' }, target })
      expect((await all.get('bound')).spec.nodeName).toBe('n1')
    })

    test('reads a raw path', async () => {
      expect(JSON.parse(await client.raw('/version'))).toHaveProperty('gitVersion')
      expect((await caught(client.raw('/nowhere'))).code).toBe(404)
    })

    test('deletes collections by selector', async () => {
      for (const n of [1, 2]) await maps().create({ metadata: { name: `gone-${n}`, labels: { set: 'gone' } } })
      await maps().deleteCollection({ labelSelector: 'set=gone' })
      expect((await maps().list({ labelSelector: 'set=gone' })).items).toEqual([])
    })

    test('a missing namespace is the caller’s mistake', async () => {
      await expect(client.resource<ConfigMap>(configMaps).get('a')).rejects.toThrow(/a namespace is needed/)
    })
  })
}
