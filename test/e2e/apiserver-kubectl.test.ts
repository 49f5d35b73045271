import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, createApiServer } from '../../src/apiserver/apiserver.ts'
import { ensureCertificates } from '../../src/cluster/certificates.ts'
import { systemClock } from '../../src/host/clock.ts'
import { silentLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import { MemoryStore } from '../../src/storage/memory-store.ts'
import { clientPrograms } from './harness/clients.ts'

/** The API server alone, without controllers or nodes: what of kubectl needs nothing else. */
const run = promisify(execFile)
let directory: string
let server: ApiServer
const store = new MemoryStore()

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ownkube-apiserver-kubectl-'))
  const { ca, apiserver, admin } = await ensureCertificates(
    join(directory, 'pki'),
    { nodeName: 'n1', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' },
    Date.now(),
  )
  server = await createApiServer({
    store,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    serviceCidr: '10.96.0.0/16',
    nodePortRange: { from: 30000, to: 32767 },
  })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0, ca, ...apiserver })
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: 'u', user: { 'client-certificate-data': base64(admin.cert), 'client-key-data': base64(admin.key) } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  }
  await writeFile(join(directory, 'kubeconfig'), JSON.stringify(kubeconfig), { mode: 0o600 })
  await writeFile(join(directory, 'web.yaml'), manifest)
})
afterAll(async () => {
  await server?.close()
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "web:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30001}]}
`

async function kubectl(...args: string[]): Promise<string> {
  const env = {
    ...process.env,
    KUBECONFIG: join(directory, 'kubeconfig'),
    HOME: directory,
    KUBE_EDITOR: 'sed -i s/replicas:.3/replicas:\\ 4/',
  }
  try {
    const { stdout, stderr } = await run(clientPrograms().kubectl, args, { env, timeout: 30_000 })
    return stdout + stderr
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    return stdout + stderr
  }
}

test('learns what there is', async () => {
  expect(await kubectl('version')).toContain('Server Version: v1.37')
  expect(await kubectl('api-resources', '--no-headers')).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m)
  expect(await kubectl('explain', 'pod.spec.containers.image')).toContain('FIELD: image <string>')
  expect(await kubectl('get', '--raw', '/readyz')).toBe('ok')
})

test('applies, by client and by server, and tells what is wrong', async () => {
  const file = join(directory, 'web.yaml')
  expect(await kubectl('apply', '-f', file)).toBe('deployment.apps/web created\nservice/web created\n')
  expect(await kubectl('apply', '-f', file)).toBe('deployment.apps/web unchanged\nservice/web unchanged\n')
  expect(await kubectl('diff', '-f', file)).toBe('')
  expect(await kubectl('get', 'deploy', 'web', '--no-headers')).toMatch(/^web +0\/3 +0 +0 +\d+s\n$/)
  expect(await kubectl('get', 'svc', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}')).toBe('30001')
  expect(await kubectl('apply', '--server-side', '-f', file, '--force-conflicts')).toContain('deployment.apps/web serverside-applied')
  expect(await kubectl('scale', 'deploy', 'web', '--replicas=3')).toBe('deployment.apps/web scaled\n')
  expect(await kubectl('edit', 'deploy', 'web')).toBe('deployment.apps/web edited\n')
  expect(await kubectl('get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}')).toBe('4')
  await writeFile(join(directory, 'bad.yaml'), manifest.replace('replicas', 'replica'))
  expect(await kubectl('apply', '-f', join(directory, 'bad.yaml'))).toContain('unknown field "spec.replica"')
})

test('creates from its own generators, which speak protobuf', async () => {
  expect(await kubectl('create', 'namespace', 'made')).toBe('namespace/made created\n')
  expect(await kubectl('-n', 'made', 'create', 'secret', 'generic', 's', '--from-literal=a=b')).toBe('secret/s created\n')
  expect(await kubectl('-n', 'made', 'get', 'secret', 's', '-o', 'jsonpath={.data.a}')).toBe('Yg==')
  expect(await kubectl('-n', 'made', 'create', 'deploy', 'd', '--image=web:1', '--replicas=0', '--port=80')).toBe(
    'deployment.apps/d created\n',
  )
  expect(await kubectl('-n', 'made', 'expose', 'deploy', 'd', '--port=80')).toBe('service/d exposed\n')
  expect(await kubectl('-n', 'made', 'create', 'service', 'nodeport', 'x', '--tcp=80', '--node-port=30001')).toContain(
    'provided port is already allocated',
  )
  expect(await kubectl('-n', 'absent', 'create', 'cm', 'x')).toContain('namespaces "absent" not found')
})

test('watches until what it waits for has come', async () => {
  expect(await kubectl('run', 'p', '--image=web:1')).toBe('pod/p created\n')
  const waiting = kubectl('wait', 'pod/p', '--for=jsonpath={.metadata.labels.seen}=yes', '--timeout=20s')
  expect(await kubectl('label', 'pod', 'p', 'seen=yes')).toBe('pod/p labeled\n')
  expect(await waiting).toBe('pod/p condition met\n')
  expect(await kubectl('delete', 'pod', 'p')).toContain('pod "p" deleted')
  expect(await kubectl('get', 'pods')).toBe('No resources found in default namespace.\n')
})
