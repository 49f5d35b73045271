import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect as connect2 } from 'node:http2'
import { Agent, type RequestOptions, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ClusterCertificates, ensureCertificates, type KeyPair } from '../cluster/certificates.ts'
import { issueCertificate, makeAuthority } from '../cluster/issue-certificate.ts'
import { TestServer } from './testing/test-server.ts'

const dayMs = 86_400_000

interface Answer {
  code: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** Of the connection that carried it. */
  localPort: number
}

/** The server as clients of other languages meet it, over sockets. */
describe('over HTTP/1.1', () => {
  let directory: string
  let certificates: ClusterCertificates
  let server: TestServer
  let port: number
  let agent: Agent

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ownkube-clients-'))
    certificates = await ensureCertificates(
      directory,
      { nodeName: 'n1', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' },
      Date.now(),
    )
    server = await TestServer.start()
    port = (await server.server.listen({ host: '127.0.0.1', port: 0, ca: certificates.ca, ...certificates.apiserver })).port
    agent = new Agent({ keepAlive: true, maxSockets: 1, ca: certificates.ca, ...certificates.admin })
  })
  afterAll(async () => {
    agent.destroy()
    await server.close()
    await rm(directory, { recursive: true })
  })

  function get(path: string, options: RequestOptions = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, agent, ...options }, (response) => {
        const localPort = response.socket.localPort as number
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        response.on('end', () => resolve({ code: response.statusCode ?? 0, headers: response.headers, text, localPort }))
        response.on('error', reject)
      })
      asked.on('error', reject).end()
    })
  }
  const as = (keys: Partial<KeyPair>, more: RequestOptions = {}): RequestOptions => ({
    agent: false,
    ca: certificates.ca,
    ...keys,
    ...more,
  })
  const told = ({ code, text }: Answer): string => `${code} ${(JSON.parse(text) as { message: string }).message}`

  test('a connection carries one request after another and stays open as long as upstream keeps it', async () => {
    const first = await get('/version')
    const second = await get('/api/v1/namespaces')
    expect(second.localPort).toBe(first.localPort)
    expect(first.headers['keep-alive']).toBe('timeout=90')
  })

  test('a watch comes in chunks and ends at its time', async () => {
    const answer = await get('/api/v1/namespaces?watch=True&timeoutSeconds=1', { headers: { accept: 'application/json;stream=watch' } })
    expect(answer.headers['transfer-encoding']).toBe('chunked')
    const names = answer.text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { object: { metadata: { name: string } } }).object.metadata.name)
    expect(names).toContain('kube-system')
  })

  test.each([
    ['application/vnd.kubernetes.protobuf,application/json', 'application/vnd.kubernetes.protobuf'],
    ['application/cbor, */*', 'application/json'],
    ['application/yaml', 'application/yaml'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'application/json'],
    ['application/json;charset=utf-8', 'application/json'],
  ])('accepting %s it is answered with %s', async (accept, type) => {
    const { code, headers } = await get('/api/v1/namespaces/default', { headers: { accept } })
    expect([code, headers['content-type']]).toEqual([200, type])
  })

  test('a watch in protobuf comes in frames', async () => {
    const accept = 'application/vnd.kubernetes.protobuf;stream=watch'
    const { code, headers, text } = await get('/api/v1/namespaces?watch=1&timeoutSeconds=1&fieldSelector=metadata.name=kube-system', {
      headers: { accept },
    })
    expect([code, headers['content-type']]).toEqual([200, accept])
    // A length of four bytes, the type, and the object in an envelope of its own.
    expect([text.slice(0, 2), text.slice(4, 11)]).toEqual(['\0\0', '\n\x05ADDED'])
    expect(text).toContain('k8s\0')
  })

  test('an OpenAPI document is kept by its hash', async () => {
    const index = JSON.parse((await get('/openapi/v3')).text) as { paths: Record<string, { serverRelativeURL: string }> }
    const path = index.paths['apis/apps/v1']?.serverRelativeURL as string
    const first = await get(path)
    expect([first.code, first.headers['cache-control']]).toEqual([200, 'public, max-age=31536000, immutable'])
    expect(path).toContain(String(first.headers.etag).slice(1, -1))
    const again = await get('/openapi/v3/apis/apps/v1', { headers: { 'if-none-match': String(first.headers.etag) } })
    expect([again.code, again.text]).toEqual([304, ''])
  })

  test('addresses of hundreds of kilobytes are read', async () => {
    const { code } = await get(`/api/v1/namespaces?labelSelector=${encodeURIComponent(`name in (${'abcdefgh,'.repeat(20_000)}z)`)}`)
    expect(code).toBe(200)
  })

  test('hundreds of headers are read over HTTP/2', async () => {
    const client = connect2(`https://127.0.0.1:${port}`, { ca: certificates.ca, ...certificates.admin })
    const headers = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`x-${i}`, 'b']))
    const code = await new Promise((resolve, reject) => {
      client
        .request({ ':path': '/version', ...headers })
        .on('response', (head) => resolve(head[':status']))
        .on('error', reject)
        .resume()
    })
    client.destroy()
    expect(code).toBe(200)
  })

  test('who shows the certificate of another authority, or one that has run out, is not known', async () => {
    const now = Date.now()
    const other = await makeAuthority({ commonName: 'kubernetes', notBefore: now - dayMs, notAfter: now + dayMs })
    const subject = { commonName: 'root', organizations: ['system:masters'], usage: 'client', dnsNames: [], addresses: [] } as const
    const own = { cert: certificates.ca, key: await readFile(join(directory, 'ca.key'), 'utf8') }
    const strange = await issueCertificate(other, { ...subject, notBefore: now - dayMs, notAfter: now + dayMs })
    const late = await issueCertificate(own, { ...subject, notBefore: now - 2 * dayMs, notAfter: now - dayMs })
    for (const keys of [strange, late]) expect(told(await get('/version', as(keys)))).toBe('401 Unauthorized')
    expect((await get('/version', as({}))).code).toBe(200)
    expect(told(await get('/api/v1/nodes', as({})))).toBe(
      '403 nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope',
    )
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async (version) => {
    expect((await get('/version', as(certificates.admin, { minVersion: version, maxVersion: version }))).code).toBe(200)
  })

  test('an administrator may ask as somebody else, nobody else may', async () => {
    const jane = { 'impersonate-user': 'jane', 'impersonate-group': ['dev', 'ops'] }
    expect(told(await get('/api/v1/nodes', { headers: jane }))).toContain('403 nodes is forbidden: User "jane" cannot list')
    expect((await get('/api/v1/nodes', { headers: { 'impersonate-user': 'root', 'impersonate-group': 'system:masters' } })).code).toBe(200)
    expect(told(await get('/api/v1/nodes', { headers: { 'impersonate-group': 'dev' } }))).toMatch(/^400 /)
    expect(told(await get('/version', as({}, { headers: jane })))).toBe(
      '403 forbidden: User "system:anonymous" cannot impersonate-on:user-info:get path "/version"',
    )
  })

  test('slashes too many and encoded letters change nothing; the older watch path works', async () => {
    for (const path of ['/api/v1/namespaces/default/', '//api/v1//namespaces/default', '/api/v1/namespaces/defaul%74']) {
      expect(JSON.parse((await get(path)).text)).toMatchObject({ kind: 'Namespace', metadata: { name: 'default' } })
    }
    expect((await get('/api/v1/watch/namespaces?timeoutSeconds=1')).text).toContain('"ADDED"')
  })

  test.each([
    ['sendInitialEvents=true', 'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list'],
    ['resourceVersionMatch=Exact', 'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided'],
    [
      'resourceVersion=1&resourceVersionMatch=Odd',
      'resourceVersionMatch: Unsupported value: "Odd": supported values: "Exact", "NotOlderThan", ""',
    ],
    [
      'watch=1&resourceVersion=1&resourceVersionMatch=NotOlderThan',
      'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    ],
    [
      'watch=1&sendInitialEvents=true',
      'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    ],
  ])('%s is refused', async (query, why) => {
    expect(told(await get(`/api/v1/namespaces?${query}`))).toBe(`422 ListOptions.meta.k8s.io "" is invalid: ${why}`)
  })
})
