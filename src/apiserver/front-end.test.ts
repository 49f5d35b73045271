import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type ClientHttp2Session, connect } from 'node:http2'
import { createServer, request as httpsRequest, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type ClusterCertificates, ensureCertificates, type KeyPair, readAuthority } from '../cluster/certificates.ts'
import { issueCertificate } from '../cluster/issue-certificate.ts'
import { pod, TestServer } from './testing/test-server.ts'

let directory: string
let certificates: ClusterCertificates
let server: TestServer
let kubelet: Server
let port: number

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ownkube-front-end-'))
  certificates = await ensureCertificates(directory, { nodeName: 'n1', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' }, Date.now())
  const { ca, apiserver, apiserverKubeletClient, kubeletServer } = certificates
  kubelet = await fakeKubelet({ ca, ...kubeletServer })
  server = await TestServer.start({ kubeletClient: { ca, ...apiserverKubeletClient } })
  port = (await server.server.listen({ host: '127.0.0.1', port: 0, ca, ...apiserver })).port
  const status = {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: (kubelet.address() as AddressInfo).port } },
  }
  await server.ask('POST', '/api/v1/nodes', { body: { metadata: { name: 'n1' }, status } })
  await server.ask('POST', '/api/v1/namespaces/default/pods', { body: pod('web', { nodeName: 'n1' }) })
})
afterAll(async () => {
  await server.close()
  kubelet.close()
  await rm(directory, { recursive: true })
})

/** Echoes what it is sent after an upgrade; its log says what it was asked. */
async function fakeKubelet(tls: { ca: string; cert: string; key: string }): Promise<Server> {
  const made = createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    response.setHeader('content-type', 'text/plain')
    if (request.url?.includes('previous=true')) {
      response.writeHead(400).end('previous terminated container "main" in pod "web" not found')
      return
    }
    response.write(`first ${request.url}\n`)
    response.end('second\n')
  })
  made.on('upgrade', (request, socket) => {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\n`)
    socket.write(`${request.method} ${request.url}\n`)
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  return made
}

const session = (as?: KeyPair): ClientHttp2Session => connect(`https://127.0.0.1:${port}`, { ca: certificates.ca, ...as })

function over2(
  client: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<{ code: number; headers: Record<string, unknown>; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const stream = client.request({ ':path': path, ...headers })
    const chunks: Buffer[] = []
    let head: Record<string, unknown> = {}
    stream.on('response', (given) => {
      head = given
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => resolve({ code: Number(head[':status']), headers: head, bytes: Buffer.concat(chunks) }))
    stream.on('error', reject)
    stream.end(body)
  })
}

describe('over HTTP/2', () => {
  test('a certificate says who asks; without one it is anonymous', async () => {
    const admin = session(certificates.admin)
    const stranger = session()
    expect(JSON.parse((await over2(admin, '/api/v1/namespaces/default/pods/web')).bytes.toString())).toMatchObject({ kind: 'Pod' })
    expect((await over2(stranger, '/api/v1/namespaces/default/pods/web')).code).toBe(403)
    expect((await over2(stranger, '/healthz')).bytes.toString()).toBe('ok')
    expect((await over2(stranger, '/healthz', { authorization: 'Bearer made-up' })).code).toBe(401)
    admin.close()
    stranger.close()
  })

  test('a certificate ends when it runs out, on a connection that is open too', async () => {
    const authority = (await readAuthority(directory)) as KeyPair
    const soon = Date.now() + 2_000
    const wanted = { commonName: 'brief', organizations: ['system:masters'], usage: 'client', dnsNames: [], addresses: [] } as const
    const brief = session(await issueCertificate(authority, { ...wanted, notBefore: Date.now() - 60_000, notAfter: soon }))
    expect((await over2(brief, '/api/v1/nodes')).code).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, soon - Date.now()))
    expect((await over2(brief, '/api/v1/nodes')).code).toBe(401)
    brief.close()
  })

  test('nobody is let in without credentials where that is asked for', async () => {
    const strict = await TestServer.start({ anonymousAuth: false })
    const at = await strict.server.listen({ host: '127.0.0.1', port: 0, ca: certificates.ca, ...certificates.apiserver })
    const [stranger, admin] = [undefined, certificates.admin].map((as) =>
      connect(`https://127.0.0.1:${at.port}`, { ca: certificates.ca, ...as }),
    )
    expect((await over2(stranger as ClientHttp2Session, '/healthz')).code).toBe(401)
    expect((await over2(admin as ClientHttp2Session, '/healthz')).code).toBe(200)
    for (const client of [stranger, admin]) client?.close()
    await strict.close()
  })

  test('every answer, a refusal too, names the flow to which its request belongs', async () => {
    const objects = async (plural: string, name: string): Promise<string> =>
      (await server.ask('GET', `/apis/flowcontrol.apiserver.k8s.io/v1/${plural}/${name}`)).object.metadata.uid
    const cases = [
      { client: session(certificates.admin), path: '/api/v1/pods', schema: 'exempt', level: 'exempt' },
      { client: session(), path: '/api/v1/pods', schema: 'global-default', level: 'global-default' },
      { client: session(), path: '/readyz', schema: 'probes', level: 'exempt' },
    ]
    for (const { client, path, schema, level } of cases) {
      expect((await over2(client, path)).headers).toMatchObject({
        'x-kubernetes-pf-flowschema-uid': await objects('flowschemas', schema),
        'x-kubernetes-pf-prioritylevel-uid': await objects('prioritylevelconfigurations', level),
      })
      client.close()
    }
  })

  test('large answers are compressed, YAML and tables are answered, bodies are bounded', async () => {
    const admin = session(certificates.admin)
    const url = '/api/v1/namespaces/default/configmaps'
    const body = JSON.stringify({ metadata: { name: 'large' }, data: { text: 'x'.repeat(200_000) } })
    expect((await over2(admin, url, { ':method': 'POST', 'content-type': 'application/json' }, body)).code).toBe(201)
    const { headers, bytes } = await over2(admin, url, { 'accept-encoding': 'gzip' })
    expect(headers['content-encoding']).toBe('gzip')
    expect(JSON.parse(gunzipSync(bytes).toString()).items).toHaveLength(1)
    expect((await over2(admin, '/api/v1/namespaces/default', { accept: 'application/yaml' })).bytes.toString()).toMatch(
      /^apiVersion: v1\nkind: Namespace\n/,
    )
    const tooLarge = await over2(admin, url, { ':method': 'POST', 'content-type': 'application/json' }, 'x'.repeat(3_200_000))
    expect(tooLarge.code).toBe(413)
    admin.close()
  })

  test('warnings go out in any language; what has control characters is no header, and left out', async () => {
    const admin = session(certificates.admin)
    const body = JSON.stringify({ metadata: { name: 'warned' }, 'größe 尺寸 "q"': 1, 'a\u0007b': 2 })
    const headers = { ':method': 'POST', 'content-type': 'application/json' }
    const answer = await over2(admin, '/api/v1/namespaces/default/configmaps?dryRun=All', headers, body)
    expect(answer.code).toBe(201)
    expect(Buffer.from(String(answer.headers.warning), 'latin1').toString()).toBe('299 - "unknown field \\"größe 尺寸 \\"q\\"\\""')
    admin.close()
  })

  test('a watch is told at once, survives many that are cancelled, and ends when the client leaves', async () => {
    const admin = session(certificates.admin)
    const path = '/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%3Dseen'
    for (let index = 0; index < 50; index++) {
      const cancelled = admin.request({ ':path': path })
      cancelled.on('error', () => {})
      await new Promise((resolve) => cancelled.once('response', resolve))
      cancelled.close(8)
    }
    const stream = admin.request({ ':path': path })
    await new Promise((resolve) => stream.once('response', resolve))
    const line = new Promise<string>((resolve) => stream.once('data', (chunk: Buffer) => resolve(chunk.toString())))
    await server.ask('POST', '/api/v1/namespaces/default/configmaps', { body: { metadata: { name: 'seen' } } })
    expect(JSON.parse(await line)).toMatchObject({
      type: 'ADDED',
      object: { metadata: { name: 'seen', resourceVersion: expect.any(String) } },
    })
    admin.destroy()
  })

  test('logs come from the kubelet as they are', async () => {
    const admin = session(certificates.admin)
    const { bytes } = await over2(admin, '/api/v1/namespaces/default/pods/web/log?follow=true&tailLines=5')
    expect(bytes.toString()).toBe('first /containerLogs/default/web/main?follow=true&tailLines=5\nsecond\n')
    const wrong = await over2(admin, '/api/v1/namespaces/default/pods/web/log?container=nope')
    expect(JSON.parse(wrong.bytes.toString())).toMatchObject({ code: 400, message: 'container nope is not valid for pod web' })
    const refused = await over2(admin, '/api/v1/namespaces/default/pods/web/log?previous=true')
    expect(JSON.parse(refused.bytes.toString())).toMatchObject({
      kind: 'Status',
      ...{ code: 400, reason: 'BadRequest', message: 'previous terminated container "main" in pod "web" not found' },
    })
    admin.close()
  })
})

describe('over HTTP/1.1', () => {
  const options = (path: string): object => ({ host: '127.0.0.1', port, path, ca: certificates.ca, ...certificates.admin, agent: false })

  test('the same is answered', async () => {
    const text = await new Promise<string>((resolve, reject) => {
      httpsRequest(options('/version'), (response) => {
        let body = ''
        response.on('data', (chunk) => (body += chunk))
        response.on('end', () => resolve(body))
      })
        .on('error', reject)
        .end()
    })
    expect(JSON.parse(text)).toMatchObject({ major: '1' })
  })

  test('an upgraded connection passes both ways, whatever its protocol', async () => {
    const path = '/api/v1/namespaces/default/pods/web/exec?command=cat&command=-n&stdin=true&stdout=true&container=main'
    const told = await new Promise<string>((resolve, reject) => {
      const request = httpsRequest({ ...options(path), method: 'POST', headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1' } })
      request.on('error', reject)
      request.on('upgrade', (_response, socket) => {
        let text = ''
        socket.write('echo me\n')
        socket.on('data', (chunk: Buffer) => {
          text += chunk
          if (!text.includes('echo me')) return
          socket.destroy()
          resolve(text)
        })
      })
      request.end()
    })
    expect(told).toBe('POST /exec/default/web/main?input=1&output=1&command=cat&command=-n\necho me\n')
  })

  test('an upgrade that may not be is refused with a status', async () => {
    const code = await new Promise<number>((resolve, reject) => {
      const path = '/api/v1/namespaces/default/pods/absent/exec?command=a&stdout=true'
      const request = httpsRequest({ ...options(path), headers: { connection: 'Upgrade', upgrade: 'websocket' } }, (response) => {
        response.resume()
        resolve(response.statusCode as number)
      })
      request.on('error', reject).end()
    })
    expect(code).toBe(404)
  })

  describe('a watch over a WebSocket', () => {
    const open = (path: string, protocols: string[] = [], headers: Record<string, string> = {}): WebSocket =>
      new WebSocket(`wss://127.0.0.1:${port}${path}`, protocols, { ca: certificates.ca, ...certificates.admin, headers })
    const configMaps = '/api/v1/namespaces/default/configmaps'

    test('tells each event as a message, and ignores what the client says', async () => {
      const socket = open(`${configMaps}?watch=true&fieldSelector=metadata.name%3Dby-socket`, ['base64.binary.k8s.io'])
      const messages: { text: string; isBinary: boolean }[] = []
      socket.on('message', (data, isBinary) => messages.push({ text: String(data), isBinary }))
      await once(socket, 'open')
      expect(socket.protocol).toBe('base64.binary.k8s.io')
      socket.send('what is this?')
      await server.ask('POST', configMaps, { body: { metadata: { name: 'by-socket' } } })
      await server.ask('DELETE', `${configMaps}/by-socket`)
      await expect.poll(() => messages.length).toBe(2)
      expect(messages.map(({ text, isBinary }) => [JSON.parse(text).type, JSON.parse(text).object.metadata.name, isBinary])).toEqual([
        ['ADDED', 'by-socket', false],
        ['DELETED', 'by-socket', false],
      ])
      socket.close()
      await once(socket, 'close')
    })

    test('ends with its time', async () => {
      const [code] = await once(open(`${configMaps}?watch=true&timeoutSeconds=1`), 'close')
      expect(code).toBe(1000)
    })

    test('is refused with a status before it has begun', async () => {
      const refused = open(`${configMaps}?watch=true&labelSelector=a%3D%3D%3Db`)
      const [error] = await once(refused, 'error')
      expect(String(error)).toContain('400')
    })

    test('is in protobuf for those who ask for it, and is let go when the client leaves', async () => {
      const followers = (): Promise<string> => server.raw('GET', '/metrics').then((answer) => (answer.type === 'text' ? answer.text : ''))
      const labels = 'verb="WATCH",group="",version="v1",resource="configmaps",subresource="",scope="namespace",component="apiserver"'
      const line = `apiserver_longrunning_requests{${labels}}`
      const socket = open(`${configMaps}?watch=true&fieldSelector=metadata.name%3Dencoded`, [], {
        accept: 'application/vnd.kubernetes.protobuf;stream=watch',
      })
      await once(socket, 'open')
      const message = once(socket, 'message')
      await server.ask('POST', configMaps, { body: { metadata: { name: 'encoded' } } })
      const [bytes, isBinary] = (await message) as [Buffer, boolean]
      expect([isBinary, bytes.includes('ADDED'), bytes.includes('k8s\0')]).toEqual([true, true, true])
      expect(await followers()).toContain(`${line} 1`)
      socket.terminate()
      await expect.poll(followers).toContain(`${line} 0`)
    })
  })
})
