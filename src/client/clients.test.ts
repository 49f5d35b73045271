import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ConfigMap } from '../api/generated/types.ts'
import { configMaps } from '../api/registry.ts'
import { type ApiServer, createApiServer } from '../apiserver/apiserver.ts'
import { ensureCertificates } from '../cluster/certificates.ts'
import { systemClock } from '../host/clock.ts'
import { silentLog } from '../host/log.ts'
import { systemRandom } from '../host/random.ts'
import { MemoryStore } from '../storage/memory-store.ts'
import { ConnectionError } from './client.ts'
import { clientContract } from './client-contract.ts'
import { directClient } from './direct-client.ts'
import { httpClient } from './http-client.ts'
import { startInformer } from './informer.ts'

const admin = { name: 'system:admin', uid: '', groups: ['system:masters', 'system:authenticated'], extra: {} }

async function server(store = new MemoryStore()): Promise<ApiServer> {
  return await createApiServer({
    store,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    serviceCidr: '10.96.0.0/16',
    nodePortRange: { from: 30000, to: 32767 },
  })
}

let folder: string
let certificates: Awaited<ReturnType<typeof ensureCertificates>>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ownkube-clients-'))
  certificates = await ensureCertificates(folder, { nodeName: 'n', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' }, Date.now())
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const serve = (api: ApiServer, port = 0): Promise<{ port: number }> =>
  api.listen({ host: '127.0.0.1', port, ca: certificates.ca, ...certificates.apiserver })

clientContract('in process', async () => {
  const api = await server()
  return { client: directClient(api.handle, admin, 'test'), close: () => api.close() }
})

clientContract('over HTTP/2', async () => {
  const api = await server()
  const { port } = await serve(api)
  const client = httpClient({ server: `https://127.0.0.1:${port}`, ca: certificates.ca, ...certificates.admin })
  return {
    client,
    async close() {
      await client.close()
      await api.close()
    },
  }
})

describe('a connection that fails', () => {
  test('a server that is not there is told as such', async () => {
    const client = httpClient({ server: 'https://127.0.0.1:1', ca: certificates.ca })
    await expect(client.raw('/version')).rejects.toThrow(ConnectionError)
    await client.close()
  })

  test('a server of another authority is refused', async () => {
    const api = await server()
    const { port } = await serve(api)
    const other = await mkdtemp(join(tmpdir(), 'ownkube-other-'))
    const names = { nodeName: 'n', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' }
    const { ca } = await ensureCertificates(other, names, Date.now())
    await rm(other, { recursive: true })
    const client = httpClient({ server: `https://127.0.0.1:${port}`, ca })
    await expect(client.raw('/version')).rejects.toThrow(ConnectionError)
    await client.close()
    await api.close()
  })

  test('a peer that has gone silent is noticed by its missing answer to a ping, and the next call connects anew', async () => {
    const api = await server()
    const { port } = await serve(api)
    const relay = await Relay.start(port)
    const client = httpClient({
      server: `https://127.0.0.1:${relay.port}`,
      ca: certificates.ca,
      ...certificates.admin,
      pingIntervalMs: 50,
    })
    const maps = client.resource<ConfigMap>(configMaps, 'default')
    const { resourceVersion = '' } = (await maps.list()).metadata
    const watch = maps.watch({ resourceVersion, signal: new AbortController().signal })[Symbol.asyncIterator]()
    const next = watch.next()
    relay.freeze()
    await expect(next).rejects.toThrow(ConnectionError)
    relay.thaw()
    await maps.create({ metadata: { name: 'after' } })
    await client.close()
    await relay.close()
    await api.close()
  })

  test('an informer over a server that is replaced misses nothing and tells nothing twice', async () => {
    const store = new MemoryStore()
    const first = await server(store)
    const { port } = await serve(first)
    const relay = await Relay.start(port)
    const client = httpClient({ server: `https://127.0.0.1:${relay.port}`, ca: certificates.ca, ...certificates.admin })
    const stop = new AbortController()
    const told: string[] = []
    const deps = { client, resource: configMaps, clock: systemClock, random: systemRandom, log: silentLog, signal: stop.signal }
    const informer = startInformer<ConfigMap>({ ...deps, labelSelector: 'set=informer' })
    informer.on({
      added: (map) => told.push(`added ${map.metadata.name}`),
      updated: (map) => told.push(`updated ${map.metadata.name}`),
      deleted: (map) => told.push(`deleted ${map.metadata.name}`),
    })
    await informer.synced()
    const direct = directClient(first.handle, admin, 'test').resource<ConfigMap>(configMaps, 'default')
    const labels = { set: 'informer' }
    const one = await direct.create({ metadata: { name: 'one', labels } })
    await until(() => told.length === 1)
    relay.cut()
    await direct.create({ metadata: { name: 'two', labels } })
    await direct.update({ ...one, data: { k: 'v' } })
    await direct.delete('two')
    await until(() => told.length === 4)
    expect(told).toEqual(['added one', 'added two', 'updated one', 'deleted two'])
    stop.abort(new Error('enough'))
    await client.close()
    await relay.close()
    await first.close()
  })
})

async function until(done: () => boolean): Promise<void> {
  for (let waited = 0; !done(); waited += 10) {
    if (waited > 5_000) throw new Error('it never came')
    await systemClock.sleep(10)
  }
}

/** A relay of TCP that can fall silent, or cut what goes through it. */
class Relay {
  readonly port: number
  readonly #server: Server
  readonly #sockets: Set<Socket>
  static async start(target: number): Promise<Relay> {
    const { connect } = await import('node:net')
    const sockets = new Set<Socket>()
    const relay = createServer((incoming) => {
      const outgoing = connect(target, '127.0.0.1')
      for (const [from, to] of [
        [incoming, outgoing],
        [outgoing, incoming],
      ] as const) {
        sockets.add(from)
        from.on('error', () => to.destroy()).on('close', () => to.destroy())
        from.pipe(to)
      }
    })
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
    return new Relay(relay, sockets)
  }
  constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server
    this.#sockets = sockets
    this.port = (server.address() as { port: number }).port
  }
  #frozen: Socket[] = []
  freeze(): void {
    this.#frozen = [...this.#sockets]
    for (const socket of this.#frozen) socket.unpipe().pause()
  }
  thaw(): void {
    for (const socket of this.#frozen) socket.destroy()
  }
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
