import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ClusterCertificates, ensureCertificates } from '../../cluster/certificates.ts'
import { TestServer } from '../testing/test-server.ts'
import { readAuditPolicy } from './audit-policy.ts'

let folder: string
let certificates: ClusterCertificates
let server: TestServer
let port: number
let closing: Promise<void> | undefined
/** What was told, complete: the server is closed for it. */
let told: Record<string, unknown>[]
const answers: { code: number; headers: Record<string, unknown>; body: string }[] = []

const rules = 'omitStages: [RequestReceived], rules: [{level: None, userGroups: ["system:nodes"]}, {level: Metadata}]'

async function get(path: string, headers: Record<string, string>, method = 'GET', body = ''): Promise<void> {
  answers.push(
    await new Promise((resolve, reject) => {
      const { ca, admin } = certificates
      const identity = headers.authorization ? {} : admin
      const sent = httpsRequest({ host: '127.0.0.1', port, path, method, headers, ca, ...identity, agent: false }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({ code: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() }),
        )
      })
      sent.on('error', reject)
      sent.end(body)
    }),
  )
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ownkube-audit-http-'))
  certificates = await ensureCertificates(folder, { nodeName: 'n1', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' }, Date.now())
  const { policy } = await readAuditPolicy(`{apiVersion: audit.k8s.io/v1, kind: Policy, ${rules}}`)
  const path = join(folder, 'audit.log')
  server = await TestServer.start({ audit: { policy, path, limits: { maxBytes: 1 << 20, maxAgeDays: 0, maxBackups: 0 } } })
  port = (await server.server.listen({ host: '127.0.0.1', port: 0, ca: certificates.ca, ...certificates.apiserver })).port
  await get('/api/v1/nodes?limit=1', { 'audit-id': 'mine', 'x-forwarded-for': '192.0.2.7, nonsense', 'user-agent': 'u'.repeat(1100) })
  await get('/api/v1/nodes', { authorization: 'Bearer none' })
  await get('/api/v1/nodes', { 'impersonate-user': 'eve', 'impersonate-group': 'dev' })
  await get('/api/v1/namespaces', { 'content-type': 'application/json', 'content-length': String(4 << 20) }, 'POST')
  await get('/version', { 'impersonate-group': 'dev' })
  closing = server.close()
  await closing
  told = (await readFile(path, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
})
afterAll(async () => {
  await (closing ?? server.close())
  await rm(folder, { recursive: true, force: true })
})

describe('audit over HTTPS', () => {
  test('a request has an id, its own or one made for it, which the answer tells', () => {
    expect(answers[0]?.headers['audit-id']).toBe('mine')
    expect(told[0]).toMatchObject({ auditID: 'mine', requestURI: '/api/v1/nodes?limit=1', sourceIPs: ['192.0.2.7', '127.0.0.1'] })
    expect(told[0]?.userAgent).toBe(`${'u'.repeat(1024)}...TRUNCATED`)
    expect(answers[2]?.headers['audit-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(told[2]?.auditID).toBe(answers[2]?.headers['audit-id'])
  })
  test('credentials that are not good: what was tried', () => {
    expect(answers[1]?.code).toBe(401)
    expect(told[1]?.user).toEqual({})
    expect(told[1]).toMatchObject({
      stage: 'ResponseStarted',
      responseStatus: { code: 401, message: 'Authentication failed, attempted: bearer' },
    })
  })
  test('whoever asks, and whom they ask to be', () => {
    expect(told[2]).toMatchObject({
      user: { username: 'kubernetes-admin' },
      impersonatedUser: { username: 'eve', groups: ['dev', 'system:authenticated'] },
      responseStatus: { code: 403 },
    })
  })
  test('a body that is not even read', () => {
    expect(told[3]).toMatchObject({ verb: 'create', stage: 'ResponseComplete', responseStatus: { code: 413 } })
  })
  test('an impersonation that makes no sense', () => {
    expect(told[4]).toMatchObject({ requestURI: '/version', responseStatus: { code: 400, reason: 'BadRequest' } })
    expect(told).toHaveLength(5)
  })
})
