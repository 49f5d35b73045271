import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EndpointSlice, Node, Pod, Service } from '../../api/generated/types.ts'
import { seededRandom } from '../../host/seeded-random.ts'
import { pod as podOf, TestServer } from '../testing/test-server.ts'
import { nodeTarget, parseProxyName, pathBehindProxy, podTarget, serviceTarget } from './proxy-target.ts'
import { locationThroughProxy, withLinksThroughProxy } from './rewrite-links.ts'

describe('a name behind which something is', () => {
  test.each([
    ['web', { scheme: undefined, name: 'web', port: '' }],
    ['web:http', { scheme: undefined, name: 'web', port: 'http' }],
    ['https:web:', { scheme: 'https', name: 'web', port: '' }],
    [':web:80', { scheme: undefined, name: 'web', port: '80' }],
  ])('%s', (text, expected) => expect(parseProxyName(text)).toEqual(expected))
  test.each(['ftp:web:80', 'a:b:c:d'])('%s is none', (text) => expect(() => parseProxyName(text)).toThrow(/invalid pod request/))
  test.each([
    ['/api/v1/namespaces/a/pods/web:80/proxy/x%20y/', '/x%20y/'],
    ['/api/v1/nodes/n/proxy/', '/'],
    ['/api/v1/nodes/n/proxy', undefined],
  ])('and its path: %s', (path, expected) => expect(pathBehindProxy(path)).toBe(expected))
})

describe('leads to', () => {
  const pod = (ports?: number[]) =>
    ({
      metadata: { name: 'web' },
      spec: { containers: [{ name: 'c', ...(ports ? { ports: ports.map((containerPort) => ({ containerPort })) } : {}) }] },
      status: { podIP: '10.0.0.1' },
    }) as unknown as Pod
  const service = (ports: object[]) => ({ metadata: { name: 'web' }, spec: { ports } }) as unknown as Service
  const slice = (port: number, name: string, ...ready: boolean[]) =>
    ({
      endpoints: ready.map((one, i) => ({ addresses: [`10.0.0.${i + 1}`], conditions: { ready: one } })),
      ports: [{ name, port }],
    }) as unknown as EndpointSlice
  const random = seededRandom(1)

  test('the port that is named, else the first that the pod declares, else that of the scheme', () => {
    expect(podTarget(pod(), parseProxyName('web:81'))).toMatchObject({ host: '10.0.0.1', port: 81, scheme: 'http' })
    expect(podTarget(pod([8080]), parseProxyName('web'))).toMatchObject({ port: 8080 })
    expect(podTarget(pod(), parseProxyName('https:web:'))).toMatchObject({ port: 443, scheme: 'https' })
    expect(() => podTarget(pod(), parseProxyName('web:none'))).toThrow(/invalid port "none"/)
  })
  test('a ready endpoint of the Service, by the name or number of its port', () => {
    const two = service([
      { name: 'http', port: 80 },
      { name: 'admin', port: 81 },
    ])
    const slices = [slice(8080, 'http', false, true), slice(8081, 'admin', true)]
    expect(serviceTarget(two, slices, parseProxyName('web:http'), random)).toMatchObject({ host: '10.0.0.2', port: 8080 })
    expect(serviceTarget(two, slices, parseProxyName('web:81'), random)).toMatchObject({ host: '10.0.0.1', port: 8081 })
    expect(() => serviceTarget(two, slices, parseProxyName('web'), random)).toThrow(/no service port "" found for service "web"/)
    expect(() => serviceTarget(service([{ port: 80 }]), [], parseProxyName('web'), random)).toThrow(
      /no endpoints available for service "web"/,
    )
  })
  test('the kubelet of a node, or another port of it', () => {
    const node = { status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] } } as unknown as Node
    expect(nodeTarget(node, parseProxyName('n'))).toEqual({ scheme: 'https', host: '192.0.2.1', port: 10250, isKubelet: true })
    expect(nodeTarget(node, parseProxyName('n:9100'))).toEqual({ scheme: 'http', host: '192.0.2.1', port: 9100, isKubelet: false })
  })
})

test('links and redirects lead back through the proxy', () => {
  expect(withLinksThroughProxy('<a class="x" href="/page">a</a><img src=\'/i.png\'><a href="other"><a href="//cdn/x">', '/p/proxy')).toBe(
    '<a class="x" href="/p/proxy/page">a</a><img src=\'/p/proxy/i.png\'><a href="other"><a href="//cdn/x">',
  )
  const target = { scheme: 'http', host: '10.0.0.1', port: 80 }
  expect(locationThroughProxy('/next?a=b', target, '/p/proxy')).toBe('/p/proxy/next?a=b')
  expect(locationThroughProxy('http://10.0.0.1/next', target, '/p/proxy')).toBe('/p/proxy/next')
  expect(locationThroughProxy('https://example.com/', target, '/p/proxy')).toBe('https://example.com/')
  expect(locationThroughProxy('next', target, '/p/proxy')).toBe('next')
})

describe('through the server', () => {
  let server: TestServer
  let behind: Server
  beforeAll(async () => {
    server = await TestServer.start()
    behind = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () =>
        response.writeHead(request.url === '/missing' ? 404 : 200).end(`${request.method} ${request.url} ${Buffer.concat(chunks)}`),
      )
    })
    await new Promise<void>((resolve) => behind.listen(0, '127.0.0.1', resolve))
    await server.ask('POST', '/api/v1/namespaces/default/pods', { body: podOf('web', { nodeName: 'n1' }) })
    await server.ask('PATCH', '/api/v1/namespaces/default/pods/web/status', {
      contentType: 'application/merge-patch+json',
      body: { status: { podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] } },
    })
  })
  afterAll(async () => {
    await server.close()
    behind.close()
  })
  const at = (rest: string) => `/api/v1/namespaces/default/pods/web:${(behind.address() as AddressInfo).port}/proxy${rest}`

  test.each(['GET', 'POST', 'PUT', 'DELETE'] as const)('%s reaches the pod with its path, query and body', async (method) => {
    const answer = await server.raw(method, at('/a/b?c=d'), method === 'GET' ? {} : { body: 'hello', contentType: 'text/plain' })
    expect(answer).toMatchObject({ type: 'text', code: 200, text: `${method} /a/b?c=d ${method === 'GET' ? '' : 'hello'}` })
  })
  test('what the pod refuses is refused, and a pod that does not answer is unavailable', async () => {
    expect(await server.raw('GET', at('/missing'))).toMatchObject({ code: 404 })
    expect(await server.refusal('GET', '/api/v1/namespaces/default/pods/web:1/proxy/')).toMatch(/^503 error trying to reach service: /)
    expect(await server.refusal('GET', '/api/v1/namespaces/default/pods/none/proxy/')).toMatch(/^404 pods "none" not found/)
  })
})
