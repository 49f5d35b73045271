import { afterAll, beforeAll, expect, test } from 'vitest'
import type { UserInfo } from '../../../machinery/api-request.ts'
import { anyCertificate, certificateRequests } from '../../../machinery/testing/certificate-requests.ts'
import { TestServer } from '../../testing/test-server.ts'

const rbac = '/apis/rbac.authorization.k8s.io/v1'
const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
const user = (name: string): UserInfo => ({ name, uid: '', groups: ['system:authenticated'], extra: {} })
const signerName = 'kubernetes.io/kube-apiserver-client'
let server: TestServer

/** May write requests and their parts, and has `verb` on the signers named. */
async function grant(name: string, verb: string, signers: string[]): Promise<void> {
  const apiGroups = ['certificates.k8s.io']
  const rules = [
    { apiGroups, resources: ['', '/approval', '/status'].map((part) => `certificatesigningrequests${part}`), verbs: ['*'] },
    { apiGroups, resources: ['signers'], resourceNames: signers, verbs: [verb] },
  ]
  await grantRules(name, rules)
}

async function grantRules(name: string, rules: object[]): Promise<void> {
  await server.ask('POST', `${rbac}/clusterroles`, { body: { metadata: { name }, rules } })
  const subjects = [{ kind: 'User', name }]
  await server.ask('POST', `${rbac}/clusterrolebindings`, {
    body: { metadata: { name }, roleRef: { kind: 'ClusterRole', name }, subjects },
  })
}

const asking = (name: string, request: string): object => ({
  metadata: { name },
  spec: { request: Buffer.from(request).toString('base64'), signerName, usages: ['client auth'] },
})
const patch = (name: string, part: string, who: string, status: object) =>
  server.ask('PATCH', `${requests}/${name}/${part}`, { contentType: 'application/merge-patch+json', user: user(who), body: { status } })
const decided = { conditions: [{ type: 'Approved', status: 'True', reason: 'Test', message: '' }] }
const certificate = Buffer.from(anyCertificate).toString('base64')

beforeAll(async () => {
  server = await TestServer.start()
  await grant('approver', 'approve', [signerName])
  await grant('domain', 'sign', ['kubernetes.io/*'])
  await grant('stranger', 'approve', ['example.com/a'])
  await server.ask('POST', requests, { body: asking('one', certificateRequests.person) })
  await server.ask('GET', `${rbac}/clusterrolebindings`)
})
afterAll(() => server.close())

test('nobody asks to become an administrator', async () => {
  expect(await server.refusal('POST', requests, { body: asking('two', certificateRequests.master) })).toMatch(
    /use of kubernetes.io\/kube-apiserver-client signer with system:masters group is not allowed$/,
  )
})

test('approving takes the verb approve on the signer', async () => {
  for (const who of ['stranger', 'domain']) {
    const { code, object } = await patch('one', 'approval', who, decided)
    expect(code).toBe(403)
    expect(object.message).toMatch(/user not permitted to approve requests with signerName "kubernetes.io\/kube-apiserver-client"$/)
  }
  expect((await patch('one', 'approval', 'approver', decided)).code).toBe(200)
  expect((await patch('one', 'approval', 'approver', { conditions: null })).code).toBe(422)
})

test('signing takes the verb sign, by the name or the domain of the signer, once', async () => {
  const { code, object } = await patch('one', 'status', 'approver', { certificate })
  expect(code).toBe(403)
  expect(object.message).toMatch(/user not permitted to sign requests with signerName/)
  // What changes nothing about the certificate or the conditions needs nothing.
  expect((await patch('one', 'status', 'approver', {})).code).toBe(200)
  expect((await patch('one', 'status', 'domain', { certificate })).code).toBe(200)
  expect((await patch('one', 'status', 'domain', { certificate: null })).object.message).toMatch(
    /updates may not modify existing certificate content$/,
  )
  // Who may sign may not decide.
  expect((await patch('one', 'status', 'domain', { conditions: null })).object.message).toMatch(
    /updates may not remove a condition of type "Approved"$/,
  )
})

test('trust in the name of a signer takes the verb attest on it', async () => {
  const bundles = '/apis/certificates.k8s.io/v1/clustertrustbundles'
  const rules = [
    { apiGroups: ['certificates.k8s.io'], resources: ['clustertrustbundles'], verbs: ['*'] },
    { apiGroups: ['certificates.k8s.io'], resources: ['signers'], resourceNames: ['example.com/a'], verbs: ['attest'] },
  ]
  await grantRules('attester', rules)
  await grantRules('writer', rules.slice(0, 1))
  const bundle = (name: string, more: object = {}) => ({
    body: { metadata: { name, ...more }, spec: { trustBundle: anyCertificate, signerName: 'example.com/a' } },
  })
  expect(await server.refusal('POST', bundles, { ...bundle('example.com:a:one'), user: user('writer') })).toMatch(
    /^403 .* is forbidden: user not permitted to attest for signerName "example.com\/a"$/,
  )
  expect((await server.ask('POST', bundles, { ...bundle('example.com:a:one'), user: user('attester') })).code).toBe(201)
  const put = (metadata: object) =>
    server.ask('PUT', `${bundles}/example.com:a:one`, { ...bundle('example.com:a:one', metadata), user: user('writer') })
  expect((await put({ finalizers: ['example.com/wait'] })).code).toBe(200)
  expect((await put({ labels: { a: 'b' } })).code).toBe(403)
  const own = { body: { metadata: { name: 'own' }, spec: { trustBundle: anyCertificate } }, user: user('writer') }
  expect((await server.ask('POST', bundles, own)).code).toBe(201)
})

test('a node asks for no certificate of another node', async () => {
  const node = (name: string): UserInfo => ({
    name: `system:node:${name}`,
    uid: '',
    groups: ['system:nodes', 'system:authenticated'],
    extra: {},
  })
  const ask = (name: string, from: UserInfo, signer: string, request: string) => {
    const spec = {
      request: Buffer.from(request).toString('base64'),
      signerName: `kubernetes.io/${signer}`,
      usages: ['digital signature', 'client auth'],
    }
    return server.ask('POST', requests, { body: { metadata: { name }, spec }, user: from })
  }
  expect((await ask('own', node('n1'), 'kube-apiserver-client-kubelet', certificateRequests.kubelet)).code).toBe(201)
  const { code, object } = await ask('others', node('n2'), 'kubelet-serving', certificateRequests.kubeletServer)
  expect([code, object.message]).toEqual([403, expect.stringMatching(/can only create a node CSR with CN=system:node:n2$/)])
  expect((await ask('person', node('n2'), 'kube-apiserver-client', certificateRequests.person)).code).toBe(201)
})
