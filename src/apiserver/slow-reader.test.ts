import { mkdtemp, rm } from 'node:fs/promises'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ClusterCertificates, ensureCertificates } from '../cluster/certificates.ts'
import { TestServer } from './testing/test-server.ts'

const url = '/api/v1/namespaces/default/configmaps'
const text = 'x'.repeat(12_000)
/** Some 36 MB: more than the history of a kind keeps (8 MiB) and than sockets take by themselves. */
const changes = 3_000
const slowReaders = 20

let directory: string
let certificates: ClusterCertificates
let server: TestServer
let port: number
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ownkube-slow-reader-'))
  certificates = await ensureCertificates(directory, { nodeName: 'n1', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' }, Date.now())
  server = await TestServer.start()
  port = (await server.server.listen({ host: '127.0.0.1', port: 0, ca: certificates.ca, ...certificates.apiserver })).port
})
afterAll(async () => {
  await server.close()
  await rm(directory, { recursive: true })
})

const tls = () => ({ ca: certificates.ca, ...certificates.admin })
const watchPath = async (): Promise<string> =>
  `${url}?watch=true&resourceVersion=${(await server.ask('GET', url)).object.metadata.resourceVersion}`

interface SlowReader {
  /** Reads on, to the end: names of what it was told of, an error as its code and reason. */
  readOn(): Promise<string[]>
  close(): void
}

const nameOf = (line: string): string => {
  const { type, object } = JSON.parse(line) as { type: string; object: { code: number; reason: string; metadata: { name: string } } }
  return type === 'ERROR' ? `${object.code} ${object.reason}` : object.metadata.name
}

async function linesOf(stream: Readable): Promise<string[]> {
  const names: string[] = []
  for await (const line of createInterface({ input: stream })) if (line.startsWith('{')) names.push(nameOf(line))
  return names
}

/** Its window fills, and it gives no more. */
async function overHttp2(): Promise<SlowReader> {
  const session = connectHttp2(`https://127.0.0.1:${port}`, tls())
  const stream = session.request({ ':path': await watchPath() })
  await new Promise((resolve) => stream.once('response', resolve))
  return { readOn: () => linesOf(stream), close: () => session.destroy() }
}

/** Its socket's buffers fill. */
async function overHttp1(): Promise<SlowReader> {
  const socket: TLSSocket = connectTls({ host: '127.0.0.1', port, ...tls(), ALPNProtocols: ['http/1.1'] })
  socket.write(`GET ${await watchPath()} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  await new Promise((resolve) => socket.once('readable', resolve))
  return { readOn: () => linesOf(socket), close: () => socket.destroy() }
}

async function quickReader(): Promise<{ session: ClientHttp2Session; names: string[] }> {
  const session = connectHttp2(`https://127.0.0.1:${port}`, tls())
  const stream = session.request({ ':path': await watchPath() })
  await new Promise((resolve) => stream.once('response', resolve))
  const names: string[] = []
  createInterface({ input: stream }).on('line', (line) => names.push(nameOf(line)))
  return { session, names }
}

test.each([
  ['HTTP/2', overHttp2],
  ['HTTP/1.1', overHttp1],
])(
  'over %s, clients that stop reading hold up neither others nor memory, and are told to list anew',
  { timeout: 60_000 },
  async (how, open) => {
    const slow = await Promise.all(Array.from({ length: slowReaders }, open))
    const quick = await quickReader()
    const before = process.memoryUsage()
    const made: string[] = []
    for (let index = 0; index < changes; index++) {
      const name = `${how.replace(/\W/g, '').toLowerCase()}-${index}`
      await server.store.commit([{ key: `/registry/core/configmaps/default/${name}`, value: configMap(name), expect: 0 }])
      made.push(name)
      // The others are to keep up with this alone.
      while (quick.names.length < made.length - 100) await new Promise((resolve) => setImmediate(resolve))
    }
    while (quick.names.length < made.length) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(quick.names).toEqual(made)
    const after = process.memoryUsage()
    const grown = after.external - before.external
    // Each held back would be 36 MB; the objects themselves are in the store once.
    expect(grown / 2 ** 20).toBeLessThan(150)

    for (const reader of slow) {
      const told = await reader.readOn()
      expect(told.at(-1)).toBe('410 Expired')
      const heard = told.slice(0, -1)
      expect(heard.length).toBeGreaterThan(0)
      expect(heard.length).toBeLessThan(changes)
      expect(heard).toEqual(made.slice(0, heard.length))
      reader.close()
    }
    quick.session.destroy()
  },
)

function configMap(name: string): Uint8Array {
  const metadata = { name, namespace: 'default', uid: name, creationTimestamp: '2026-01-01T00:00:00Z' }
  return Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { text } }))
}
