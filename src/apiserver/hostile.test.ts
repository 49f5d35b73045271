import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { kinds } from '../api/registry.ts'
import { resourcePath } from '../machinery/group-version.ts'
import { pod, TestServer } from './testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(() => server.close())

const bodies: readonly unknown[] = [
  {},
  [],
  null,
  { metadata: null },
  { metadata: { name: 'x' } },
  { metadata: { name: 'x' }, spec: null },
  { metadata: { name: 'x' }, spec: {}, status: {} },
  { metadata: { name: 'x', labels: { __proto__: 'y', constructor: 'z' }, ownerReferences: [{}], finalizers: [''] } },
  {
    metadata: { name: 'x' },
    spec: { containers: [{}], ports: [{}], template: {}, selector: {} },
    data: { '': '' },
    subsets: [{}],
    endpoints: [{}],
  },
  { metadata: { name: 'x' }, spec: { template: { spec: { containers: null } }, strategy: {}, clusterIPs: ['', 'None'], type: '' } },
]

test('no body makes the server fail', async () => {
  for (const kind of kinds) {
    const url = resourcePath(kind, kind.namespaced ? 'default' : undefined)
    for (const body of bodies) {
      const { code, object } = await server.ask('POST', `${url}?dryRun=All`, { body })
      expect({ kind: kind.kind, body, failed: code >= 500 && object }).toEqual({ kind: kind.kind, body, failed: false })
    }
  }
})

test('no patch makes the server fail', async () => {
  await server.ask('POST', '/api/v1/namespaces/default/pods', { body: pod('target') })
  const url = '/api/v1/namespaces/default/pods/target?dryRun=All&fieldManager=m'
  for (const type of ['merge-patch+json', 'strategic-merge-patch+json', 'json-patch+json', 'apply-patch+yaml']) {
    for (const body of [
      ...bodies,
      { spec: null },
      { metadata: { name: null } },
      { spec: { containers: null } },
      [{ op: 'remove', path: '/spec' }],
      [{ op: 'add', path: '' }],
    ]) {
      const { code, object } = await server.ask('PATCH', url, { contentType: `application/${type}`, body })
      expect({ type, body, failed: code >= 500 && object }).toEqual({ type, body, failed: false })
    }
  }
})

test('no address makes the server fail', async () => {
  const segment = fc.constantFrom(
    'api',
    'apis',
    'v1',
    'apps',
    'namespaces',
    'default',
    'pods',
    'deployments',
    'x',
    'status',
    'scale',
    'log',
    'finalize',
    '%',
    '..',
    'openapi',
    'v3',
    '',
  )
  const method = fc.constantFrom('GET' as const, 'POST' as const, 'PUT' as const, 'PATCH' as const, 'DELETE' as const)
  const key = fc.constantFrom(
    'watch',
    'limit',
    'continue',
    'resourceVersion',
    'resourceVersionMatch',
    'labelSelector',
    'fieldSelector',
    'dryRun',
    'timeoutSeconds',
    'sendInitialEvents',
  )
  const query = fc.array(
    fc.tuple(key, fc.constantFrom('', '1', 'true', '-1', 'x', 'a in (b', 'All', 'Exact', 'NotOlderThan', '99999999999999999999')),
    { maxLength: 4 },
  )
  await fc.assert(
    fc.asyncProperty(method, fc.array(segment, { maxLength: 8 }), query, async (verb, segments, pairs) => {
      const stop = new AbortController()
      const url = `/${segments.join('/')}?${new URLSearchParams(pairs)}`
      const answer = await server.raw(verb, url, {}, stop.signal)
      stop.abort()
      if (answer.type !== 'watch') expect({ url, code: Math.min(answer.code, 500) }).not.toEqual({ url, code: 500 })
    }),
    { numRuns: 300 },
  )
})
