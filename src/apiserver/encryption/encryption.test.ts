import { afterEach, describe, expect, test } from 'vitest'
import { VirtualClock } from '../../host/virtual-clock.ts'
import { MemoryStore } from '../../storage/memory-store.ts'
import { storeContract } from '../../storage/store-contract.ts'
import { TestServer } from '../testing/test-server.ts'
import { EncryptedStore } from './encrypted-store.ts'
import { type Encryption, readEncryptionConfiguration } from './encryption-configuration.ts'

const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64')
const configured = (resources: string, ...providers: string[]): Promise<Encryption> =>
  readEncryptionConfiguration(
    `{apiVersion: apiserver.config.k8s.io/v1, kind: EncryptionConfiguration, resources: [{resources: [${resources}], providers: [${providers.join(', ')}]}]}`,
  )
const gcm = (name: string, fill: number): string => `{aesgcm: {keys: [{name: ${name}, secret: ${key(fill)}}]}}`
const secrets = '/api/v1/namespaces/default/secrets'
const secret = (name: string): object => ({ metadata: { name }, stringData: { password: 'open sesame' } })

const servers: TestServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.server.close()
})

/** A server over a store that another may have written before. */
async function serve(store: MemoryStore, encryption?: Encryption): Promise<TestServer> {
  const server = await TestServer.start({ store, ...(encryption ? { encryption } : {}) })
  servers.push(server)
  return server
}

async function storedAt(store: MemoryStore, name: string): Promise<string> {
  const entry = await store.get(`/registry/core/secrets/default/${name}`)
  return Buffer.from(entry?.value ?? []).toString('latin1')
}

describe('secrets are stored encrypted', () => {
  test('and read, listed, watched and changed as ever', async () => {
    const store = new MemoryStore()
    const server = await serve(store, await configured('secrets', gcm('k1', 1)))
    const watch = await server.watch(`${secrets}?watch=1`)
    await server.ask('POST', secrets, { body: secret('a') })
    expect(await storedAt(store, 'a')).toMatch(/^k8s:enc:aesgcm:v1:k1:/)
    expect(await storedAt(store, 'a')).not.toContain('metadata')
    expect((await server.ask('GET', `${secrets}/a`)).object.data).toEqual({ password: Buffer.from('open sesame').toString('base64') })
    expect((await server.ask('GET', secrets)).object.items.map(({ metadata }) => metadata.name)).toEqual(['a'])
    expect((await server.ask('GET', `${secrets}?limit=1`)).object.items).toHaveLength(1)
    await server.ask('PATCH', `${secrets}/a`, { body: { data: { more: 'eA==' } }, contentType: 'application/merge-patch+json' })
    expect(await watch.take(2)).toEqual(['ADDED a', 'MODIFIED a'])
    watch.stop()
    expect(await server.refusal('POST', secrets, { body: secret('a') })).toBe('409 secrets "a" already exists')
    await server.ask('POST', '/api/v1/namespaces/default/configmaps', { body: { metadata: { name: 'c' } } })
    expect(Buffer.from((await store.get('/registry/core/configmaps/default/c'))?.value ?? []).toString()).toMatch(/^\{"apiVersion":"v1"/)
  })

  test('a new key: old ones read, whatever is written anew has the new one, though nothing of it changes', async () => {
    const store = new MemoryStore()
    const plain = await serve(store)
    await plain.ask('POST', secrets, { body: secret('a') })
    await plain.server.close()
    const first = await serve(store, await configured('secrets', gcm('k1', 1), '{identity: {}}'))
    await first.ask('POST', secrets, { body: secret('b') })
    await first.server.close()
    const both = `{aesgcm: {keys: [{name: k2, secret: ${key(2)}}, {name: k1, secret: ${key(1)}}]}}`
    const second = await serve(store, await configured('secrets', both, '{identity: {}}'))
    const { items } = (await second.ask('GET', secrets)).object
    for (const item of items) await second.ask('PUT', `${secrets}/${item.metadata.name}`, { body: item })
    expect(await storedAt(store, 'a')).toMatch(/^k8s:enc:aesgcm:v1:k2:/)
    expect(await storedAt(store, 'b')).toMatch(/^k8s:enc:aesgcm:v1:k2:/)
    const revision = await store.revision()
    const [again] = (await second.ask('GET', secrets)).object.items
    await second.ask('PUT', `${secrets}/a`, { body: again })
    expect(await store.revision()).toBe(revision)
    await second.server.close()
    // The old key may go, and so may encryption as a whole.
    const last = await serve(store, await configured('secrets', '{identity: {}}', gcm('k2', 2)))
    for (const item of (await last.ask('GET', secrets)).object.items)
      await last.ask('PUT', `${secrets}/${item.metadata.name}`, { body: item })
    await last.server.close()
    const bare = await serve(store)
    expect((await bare.ask('GET', secrets)).object.items).toHaveLength(2)
  })

  test('everything may be, and a server finds it again', async () => {
    const store = new MemoryStore()
    const encryption = await configured("'*.*'", gcm('k1', 1))
    const server = await serve(store, encryption)
    await server.ask('POST', '/api/v1/namespaces/default/services', { body: { metadata: { name: 's' }, spec: { ports: [{ port: 80 }] } } })
    await server.server.close()
    const entries = (await store.list('/registry/')).entries.filter(
      ({ value }) => !Buffer.from(value).toString('latin1').startsWith('k8s:enc:'),
    )
    expect(entries.map((entry) => entry.key)).toEqual([])
    const again = await serve(store, encryption)
    expect((await again.ask('GET', '/api/v1/namespaces/default/services/s')).code).toBe(200)
  })
})

describe('what cannot be decrypted', () => {
  async function withLost(): Promise<MemoryStore> {
    const store = new MemoryStore()
    const server = await serve(store, await configured('secrets', gcm('k1', 1)))
    await server.ask('POST', secrets, { body: secret('lost') })
    await server.server.close()
    return store
  }

  test('says so where it is asked for, and nowhere else', async () => {
    const server = await serve(await withLost(), await configured('secrets', gcm('k2', 2)))
    const why = 'no matching key was found for the provided AES transformer'
    expect(await server.refusal('GET', `${secrets}/lost`)).toBe(`500 Internal error occurred: ${why}`)
    expect(await server.refusal('GET', secrets)).toBe(
      `500 Internal error occurred: unable to transform key "/registry/core/secrets/default/lost": ${why}`,
    )
    expect(await server.refusal('GET', `/api/v1/secrets?limit=1`)).toContain('unable to transform key')
    expect(await server.refusal('POST', secrets, { body: secret('lost') })).toBe('409 secrets "lost" already exists')
    expect((await server.ask('POST', secrets, { body: secret('new') })).code).toBe(201)
    expect((await server.ask('GET', `${secrets}/new`)).code).toBe(200)
    expect((await server.ask('GET', '/api/v1/namespaces/kube-system/secrets')).code).toBe(200)
  })

  test('a server that encrypts nothing does not take ciphertext for objects', async () => {
    const server = await serve(await withLost())
    expect(await server.refusal('GET', `${secrets}/lost`)).toBe(
      '500 Internal error occurred: identity transformer tried to read encrypted data',
    )
  })

  test('what becomes unreadable ends the watches of it; what is put right is served again', async () => {
    const store = new MemoryStore()
    const server = await serve(store, await configured('secrets', gcm('k1', 1)))
    await server.ask('POST', secrets, { body: secret('a') })
    const watch = await server.watch(`${secrets}?watch=1&resourceVersion=0`)
    expect(await watch.take(1)).toEqual(['ADDED a'])
    const good = (await store.get('/registry/core/secrets/default/a'))?.value as Uint8Array
    await store.commit([{ key: '/registry/core/secrets/default/a', value: Buffer.from('k8s:enc:kms:v2:x'), expect: undefined }])
    expect(await watch.take(1)).toEqual(['END'])
    expect(await server.refusal('GET', `${secrets}/a`)).toBe('500 Internal error occurred: no matching prefix found')
    await store.commit([{ key: '/registry/core/secrets/default/a', value: good, expect: undefined }])
    expect((await server.ask('GET', `${secrets}/a`)).code).toBe(200)
  })
})

const clock = new VirtualClock()
storeContract(
  'encrypted',
  async (options) => new EncryptedStore(new MemoryStore({ ...options, clock }), await configured("'*.*'", gcm('k1', 1))),
  (milliseconds) => clock.advance(milliseconds),
)
