import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareApiServer, startBareApiServer } from './harness/bare-api-server.ts'

let directory: string
let server: BareApiServer

beforeAll(async () => {
  server = await startBareApiServer({ KUBE_EDITOR: 'sed -i s/replicas:.3/replicas:\\ 4/' })
  directory = server.directory
  await writeFile(join(directory, 'web.yaml'), manifest)
})
afterAll(() => server?.close())

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

const kubectl = (...args: string[]): Promise<string> => server.kubectl(...args)

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
