import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EtcdCluster, hasEtcd, startEtcd } from '../../src/storage/testing/etcd-server.ts'
import { TestCluster } from './harness/cluster.ts'

/** What the API server does by policy, asked for by flags of `up`, on the unchanged kubectl. */
const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64')
const encryption = (...providers: string[]): string =>
  `apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- {resources: [secrets], providers: [${providers.join(', ')}]}\n`
const gcm = (...keys: [string, number][]): string =>
  `{aesgcm: {keys: [${keys.map(([name, fill]) => `{name: ${name}, secret: ${key(fill)}}`).join(', ')}]}}`
const password = 'correct horse battery staple'

/** Every byte below a folder, as text. */
function bytesUnder(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('')
}

describe('audit and encryption', () => {
  let cluster: TestCluster
  let auditLog: string
  let encryptionFile: string
  const events = (): { objectRef?: Record<string, string>; verb: string; stage: string; user: { username: string } }[] =>
    readFileSync(auditLog, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as ReturnType<typeof events>[number])

  beforeAll(async () => {
    cluster = await TestCluster.start('policies', ['--server-only'])
    auditLog = join(cluster.folder, 'audit/audit.log')
    encryptionFile = join(cluster.folder, 'encryption.yaml')
    await cluster.must(['create', 'secret', 'generic', 'before', `--from-literal=password=${password}`])
    expect((await cluster.down()).code).toBe(0)
  })
  afterAll(async () => {
    await cluster?.remove()
  })

  it('a policy that is wrong stops the boot, and says where', async () => {
    const file = join(cluster.folder, 'wrong.yaml')
    writeFileSync(file, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: All}]\n')
    expect(await cluster.ownkube('up', '--audit-policy-file', file, '--audit-log-path', auditLog)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('rules[0].level: Unsupported value: "All": supported values: "None", "Metadata"'),
    })
    expect(await cluster.ownkube('up', '--audit-log-maxage', '-1')).toMatchObject({ code: 2 })
    expect(existsSync(auditLog)).toBe(false)
  })

  it('tells what the policy asks for, through kubectl, to the end of the server', async () => {
    const policy = join(cluster.folder, 'policy.yaml')
    writeFileSync(
      policy,
      'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- {level: None, users: ["system:kube-controller-manager", "system:kube-scheduler"]}\n- {level: Metadata, resources: [{group: "", resources: [secrets]}]}\n- {level: RequestResponse, resources: [{group: "", resources: [configmaps]}], verbs: [create]}\n',
    )
    writeFileSync(encryptionFile, encryption(gcm(['k1', 1]), '{identity: {}}'))
    const flags = ['--audit-policy-file', policy, '--audit-log-path', auditLog, '--encryption-provider-config', encryptionFile]
    expect(await cluster.ownkube('up', ...flags)).toMatchObject({ code: 0 })
    await cluster.must(['create', 'secret', 'generic', 'after', `--from-literal=password=${password}`])
    await cluster.must(['create', 'configmap', 'told', '--from-literal=a=1'])
    expect((await cluster.down()).code).toBe(0)
    const ours = events().filter(({ user }) => user.username === 'kubernetes-admin')
    expect(ours.find(({ objectRef }) => objectRef?.name === 'after')).toMatchObject({
      level: 'Metadata',
      verb: 'create',
      requestURI: '/api/v1/namespaces/default/secrets?fieldManager=kubectl-create&fieldValidation=Strict',
      responseStatus: { code: 201 },
      userAgent: expect.stringMatching(/^kubectl\//),
    })
    expect(ours.find(({ objectRef }) => objectRef?.name === 'told')).toMatchObject({
      requestObject: { kind: 'ConfigMap', data: { a: '1' } },
      responseObject: { kind: 'ConfigMap', metadata: { uid: expect.any(String) } },
    })
    expect(readFileSync(auditLog, 'utf8')).not.toContain(Buffer.from(password).toString('base64'))
  })

  it('keeps new secrets as ciphertext, and all of them once they are written anew; a key can be retired', async () => {
    const store = join(cluster.dataDir, 'store')
    expect(bytesUnder(store)).toContain('k8s:enc:aesgcm:v1:k1:')
    writeFileSync(encryptionFile, encryption(gcm(['k2', 2], ['k1', 1]), '{identity: {}}'))
    expect((await cluster.ownkube('up')).code).toBe(0)
    const all = await cluster.must(['get', 'secrets', '-A', '-o', 'json'])
    expect(await cluster.must(['replace', '-f', '-'], { input: all })).toMatch(/secret\/(before|after) replaced/)
    const backup = join(cluster.folder, 'backup')
    expect((await cluster.ownkube('backup', backup)).code).toBe(0)
    expect((await cluster.down()).code).toBe(0)
    const saved = readFileSync(backup, 'latin1')
    expect(saved).toContain('k8s:enc:aesgcm:v1:k2:')
    expect(saved).not.toContain('k8s:enc:aesgcm:v1:k1:')
    expect(saved).not.toContain(Buffer.from(password).toString('base64'))
    writeFileSync(encryptionFile, encryption(gcm(['k2', 2])))
    expect((await cluster.ownkube('up')).code).toBe(0)
    for (const name of ['before', 'after']) {
      const { data } = await cluster.json<{ data: { password: string } }>(['get', 'secret', name])
      expect(Buffer.from(data.password, 'base64').toString()).toBe(password)
    }
    expect((await cluster.down()).code).toBe(0)
  })

  it('says so when a key is missing', async () => {
    writeFileSync(encryptionFile, encryption(gcm(['k3', 3])))
    expect((await cluster.ownkube('up')).code).toBe(0)
    expect((await cluster.kubectl(['get', 'secret', 'after'])).stderr).toBe(
      'Error from server (InternalError): Internal error occurred: no matching key was found for the provided AES transformer\n',
    )
    expect((await cluster.kubectl(['get', 'secrets'])).stderr).toMatch(
      /^Error from server \(InternalError\): Internal error occurred: unable to transform key "\/registry\/core\/secrets\/default\/(after|before)"/,
    )
    await cluster.must(['get', 'configmap', 'told'])
  })
})

describe('admission and limits', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await TestCluster.start('admitted', [
      '--server-only',
      '--enable-admission-plugins',
      'DenyServiceExternalIPs,AlwaysPullImages',
    ])
  })
  afterAll(async () => {
    await cluster?.remove()
  })

  it('plug-ins by their flags', async () => {
    const service = ['create', 'service', 'externalname', 'out', '--external-name=example.com']
    await cluster.must(service)
    const patch = ['patch', 'service', 'out', '--type=merge', '-p', '{"spec":{"externalIPs":["192.0.2.1"]}}']
    expect((await cluster.kubectl(patch)).stderr).toBe(
      'Error from server (Forbidden): services "out" is forbidden: Use of external IPs is denied by admission control\n',
    )
    const pod = await cluster.json<{ spec: { containers: { imagePullPolicy: string }[] } }>([
      ...['run', 'web', '--image=web:1', '--image-pull-policy=Never'],
    ])
    expect(pod.spec.containers[0]?.imagePullPolicy).toBe('Always')
  })

  it('names that upstream does not know stop the boot', async () => {
    expect((await cluster.down()).code).toBe(0)
    expect(await cluster.ownkube('up', '--disable-admission-plugins', 'Prority')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('disable-admission-plugins plugin "Prority" is unknown'),
    })
  })

  it('Pod Security for the cluster as a whole, and a time for requests', async () => {
    const file = join(cluster.folder, 'admission.yaml')
    writeFileSync(
      file,
      'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n- name: PodSecurity\n  configuration: {apiVersion: pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration, defaults: {enforce: baseline}}\n',
    )
    expect((await cluster.ownkube('up', '--admission-control-config-file', file, '--request-timeout', '30s')).code).toBe(0)
    const run = ['run', 'host', '--image=web:1', '--overrides={"spec":{"hostNetwork":true}}']
    expect((await cluster.kubectl(run)).stderr).toContain('violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)')
    expect((await cluster.kubectl(['get', '--raw', '/api/v1/namespaces?timeout=soon'])).stderr).toContain(
      'invalid timeout specified in the request URL - time: invalid duration "soon"',
    )
    expect(await cluster.must(['get', '--raw', '/readyz?verbose'])).toContain('[+]etcd-readiness ok')
    expect(await cluster.must(['get', '--raw', '/metrics'])).toContain(
      'apiserver_admission_controller_admission_duration_seconds_count{name="PodSecurity"',
    )
  })
})

describe.skipIf(!hasEtcd)('encryption in etcd (Debian package etcd-server)', () => {
  let etcd: EtcdCluster
  let cluster: TestCluster
  beforeAll(async () => {
    etcd = await startEtcd(1)
    cluster = await TestCluster.start('sealed', ['--server-only', '--datastore', etcd.endpoints.join(',')], (made) => {
      writeFileSync(join(made.folder, 'encryption.yaml'), encryption(gcm(['k1', 1]), '{identity: {}}'))
    })
    expect((await cluster.down()).code).toBe(0)
    expect((await cluster.ownkube('up', '--encryption-provider-config', join(cluster.folder, 'encryption.yaml'))).code).toBe(0)
  })
  afterAll(async () => {
    await cluster?.remove()
    await etcd?.remove()
  })

  it('is what etcdctl sees', async () => {
    await cluster.must(['create', 'secret', 'generic', 'sealed', `--from-literal=password=${password}`])
    const asked = ['--endpoints', etcd.endpoints.join(','), 'get', '/ownkube/registry/core/secrets/default/sealed', '--print-value-only']
    const seen = execFileSync('etcdctl', asked, { env: { ...process.env, ETCDCTL_API: '3' } }).toString('latin1')
    expect(seen).toMatch(/^k8s:enc:aesgcm:v1:k1:/)
    expect(seen).not.toContain('password')
    const { data } = await cluster.json<{ data: { password: string } }>(['get', 'secret', 'sealed'])
    expect(Buffer.from(data.password, 'base64').toString()).toBe(password)
  })
})
