import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ClusterCertificates, ensureCertificates } from '../cluster/certificates.ts'
import { systemClock } from '../host/clock.ts'
import { systemExec } from '../host/exec.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import { accessByKubeconfig, accessFromPod, type ClusterAccess } from './cluster-access.ts'
import { execCredentials } from './exec-credentials.ts'
import { httpClient } from './http-client.ts'

const deps = { exec: systemExec, clock: systemClock }
const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** A server that wants one token, and tells what it was asked. */
interface Guarded {
  token: string
  readonly port: number
  readonly seen: { path: string; user: string | undefined }[]
  close(): void
}

let folder: string
let certificates: ClusterCertificates
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ownkube-access-'))
  const names = { nodeName: 'n', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' }
  certificates = await ensureCertificates(join(folder, 'pki'), names, Date.now())
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function guarded(token: string): Promise<Guarded> {
  const server: Http2SecureServer = createSecureServer({ ...certificates.apiserver, ALPNProtocols: ['h2'] }, (request, response) => {
    const { authorization, 'impersonate-user': user } = request.headers
    self.seen.push({ path: request.url, user: user as string | undefined })
    response.writeHead(authorization === `Bearer ${self.token}` ? 200 : 401)
    response.end('{"kind":"Status","status":"Failure","code":401,"reason":"Unauthorized","message":"who are you"}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const self: Guarded = { token, port: (server.address() as AddressInfo).port, seen: [], close: () => server.close() }
  return self
}

const clientOf = (access: ClusterAccess) => httpClient(access)

async function kubeconfig(cluster: object, user: object, rest: object = { 'current-context': 'c' }): Promise<string> {
  const path = join(folder, 'kubeconfig')
  const contexts = [{ name: 'c', context: { cluster: 'k', user: 'u' } }]
  await writeFile(path, JSON.stringify({ clusters: [{ name: 'k', cluster }], users: [{ name: 'u', user }], contexts, ...rest }))
  return path
}

describe('a kubeconfig of another cluster', () => {
  test('leads to a server behind a path, with a token, impersonating', async () => {
    const server = await guarded('secret')
    const cluster = { server: `https://127.0.0.1:${server.port}/k8s/c-1/`, 'certificate-authority-data': base64(certificates.ca) }
    const client = clientOf(await accessByKubeconfig(await kubeconfig(cluster, { token: 'secret', as: 'jane' }), deps))
    await client.raw('/version')
    expect(server.seen).toEqual([{ path: '/k8s/c-1/version', user: 'jane' }])
    await client.close()
    server.close()
  })

  test('files are named from where it lies, and a token that was refused is read again', async () => {
    const server = await guarded('one')
    await writeFile(join(folder, 'ca.pem'), certificates.ca)
    await writeFile(join(folder, 'token'), 'one\n')
    const cluster = { server: `https://127.0.0.1:${server.port}`, 'certificate-authority': 'ca.pem' }
    const client = clientOf(await accessByKubeconfig(await kubeconfig(cluster, { tokenFile: 'token' }), deps))
    await client.raw('/version')
    server.token = 'two'
    await writeFile(join(folder, 'token'), 'two\n')
    await expect(client.raw('/version')).rejects.toMatchObject({ status: { code: 401 } })
    await client.raw('/version')
    await client.close()
    server.close()
  })

  test('without its authority, a server is trusted only where the file says so, or under its other name', async () => {
    const server = await guarded('t')
    const at = { server: `https://127.0.0.1:${server.port}` }
    const ask = async (cluster: object): Promise<string> => {
      const client = clientOf(await accessByKubeconfig(await kubeconfig({ ...at, ...cluster }, { token: 't' }), deps))
      return await client.raw('/version').finally(() => client.close())
    }
    await expect(ask({})).rejects.toThrow(/certificate/)
    await ask({ 'insecure-skip-tls-verify': true })
    const ca = { 'certificate-authority-data': base64(certificates.ca) }
    await expect(ask({ ...ca, 'tls-server-name': 'other.example' })).rejects.toThrow(/other\.example/)
    await ask({ ...ca, 'tls-server-name': 'kubernetes.default' })
    server.close()
  })

  test('a plugin is run once for as long as what it gave is valid', async () => {
    const server = await guarded('from-plugin-1')
    const counter = join(folder, 'runs')
    await writeFile(
      join(folder, 'plugin'),
      `#!/bin/sh
echo x >> ${counter}
echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"'"$PREFIX-$(wc -l < ${counter})"'"}}'
echo "$KUBERNETES_EXEC_INFO" > ${counter}.info
`,
    )
    await chmod(join(folder, 'plugin'), 0o755)
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: './plugin',
      env: [{ name: 'PREFIX', value: 'from-plugin' }],
      provideClusterInfo: true,
    }
    const cluster = { server: `https://127.0.0.1:${server.port}`, 'certificate-authority-data': base64(certificates.ca) }
    const client = clientOf(await accessByKubeconfig(await kubeconfig(cluster, { exec }), deps))
    await Promise.all([client.raw('/version'), client.raw('/readyz')])
    await client.raw('/version')
    server.token = 'from-plugin-2'
    await expect(client.raw('/version')).rejects.toMatchObject({ status: { code: 401 } })
    await client.raw('/version')
    expect((await systemExec.run('cat', [`${counter}.info`])).stdout).toContain(`"server":"https://127.0.0.1:${server.port}"`)
    await client.close()
    server.close()
  })

  test('what a plugin gave is renewed shortly before it ends', async () => {
    const clock = new VirtualClock()
    let runs = 0
    const until = new Date(clock.now() + 60_000).toISOString()
    const run = () => {
      const status = { token: `t${++runs}`, expirationTimestamp: until }
      const stdout = JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status })
      return Promise.resolve({ code: 0, stdout, stderr: '' })
    }
    const plugin = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'p',
      args: [],
      env: {},
      cluster: undefined,
      installHint: undefined,
    }
    const credentials = execCredentials(plugin, { exec: { run }, clock })
    expect(await credentials.current()).toEqual({ token: 't1' })
    await clock.advance(40_000)
    expect(await credentials.current()).toEqual({ token: 't1' })
    await clock.advance(11_000)
    expect(await credentials.current()).toEqual({ token: 't2' })
  })

  const server = 'https://k.example'
  test.each<[string, object, object, object | undefined, RegExp]>([
    ['no server', {}, {}, undefined, /has no server/],
    ['plain http', { server: 'http://k.example' }, {}, undefined, /by https/],
    ['an HTTP proxy', { server, 'proxy-url': 'http://p' }, {}, undefined, /proxy-url is not supported/],
    ['an unknown context', { server }, {}, { 'current-context': 'x' }, /no context "x"/],
    ['an unknown cluster', { server }, {}, { clusters: [], 'current-context': 'c' }, /no cluster "k"/],
    ['an auth-provider', { server }, { 'auth-provider': { name: 'gcp' } }, undefined, /auth-provider gcp is no more/],
    ['an old plugin', { server }, { exec: { apiVersion: 'v0', command: 'x' } }, undefined, /must be one of/],
  ])('is refused with %s', async (_name, cluster, user, rest, message) => {
    await expect(accessByKubeconfig(await kubeconfig(cluster, user, rest), deps)).rejects.toThrow(message)
  })

  test('needs no current-context where there is but one; master goes before its server', async () => {
    const access = await accessByKubeconfig(await kubeconfig({ server }, {}, {}), deps, { master: 'https://other:1' })
    expect(access.server).toBe('https://other:1')
  })
})

test('a pod reaches its own cluster by its service account; nobody else does', async () => {
  const account = join(folder, 'account')
  await mkdir(account)
  await writeFile(join(account, 'ca.crt'), certificates.ca)
  await writeFile(join(account, 'token'), 'sa')
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }
  const access = await accessFromPod(env, systemClock, account)
  expect(access?.server).toBe('https://[fd00::1]:443')
  expect(await access?.credentials.current()).toEqual({ token: 'sa' })
  expect(await accessFromPod({}, systemClock, account)).toBeUndefined()
  expect(await accessFromPod(env, systemClock, join(folder, 'none'))).toBeUndefined()
})
