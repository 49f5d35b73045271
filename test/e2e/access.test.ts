import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'
import { pod } from './harness/manifests.ts'

const image = 'ownkube.test/busybox:1'
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('access')
  await cluster.importBusybox(image)
})
afterAll(async () => {
  await cluster?.remove()
})

/** kubectl as whoever holds the token, with none of the administrator's credentials. */
async function withToken(token: string, args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const config = await readFile(cluster.kubeconfig, 'utf8')
  const server = /server: (\S+)/.exec(config)?.[1] as string
  return cluster.kubectl(['--kubeconfig', '/dev/null', '--server', server, '--insecure-skip-tls-verify', '--token', token, ...args])
}

describe('kubectl and who may do what', () => {
  it('makes roles, binds them, and asks what they allow', async () => {
    await cluster.must(['create', 'serviceaccount', 'robot'])
    await cluster.must(['create', 'role', 'reader', '--verb=get,list,watch', '--resource=pods,pods/log'])
    await cluster.must(['create', 'rolebinding', 'robot-reads', '--role=reader', '--serviceaccount=default:robot'])
    const robot = ['--as', 'system:serviceaccount:default:robot']
    expect((await cluster.kubectl(['auth', 'can-i', 'list', 'pods', ...robot])).stdout).toBe('yes\n')
    expect((await cluster.kubectl(['auth', 'can-i', 'delete', 'pods', ...robot])).stdout).toBe('no\n')
    const list = await cluster.must(['auth', 'can-i', '--list', ...robot])
    expect(list).toMatch(/^pods +\[\] +\[\] +\[get list watch\]$/m)
    expect(list).toMatch(/^selfsubjectaccessreviews\.authorization\.k8s\.io +\[\] +\[\] +\[create\]$/m)
    expect((await cluster.kubectl(['get', 'secrets', ...robot])).stderr).toBe(
      'Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:default:robot" cannot list resource "secrets" in API group "" in the namespace "default"\n',
    )
    expect(await cluster.must(['describe', 'role', 'reader'])).toMatch(/pods +\[\] +\[\] +\[get list watch\]/)
    expect(await cluster.must(['get', 'rolebindings', '-o', 'wide'])).toMatch(/robot-reads +Role\/reader +\d+s +default\/robot/)
    expect(await cluster.must(['describe', 'clusterrole', 'view'])).toMatch(/pods\/log +\[\] +\[\] +\[get list watch\]/)
  })

  it('gives out tokens that work until their account is gone', async () => {
    const token = (await cluster.must(['create', 'token', 'robot', '--duration=10m'])).trim()
    expect((await withToken(token, ['get', 'pods'])).stderr).toBe('No resources found in default namespace.\n')
    expect((await withToken(token, ['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'])).stdout).toBe(
      'system:serviceaccount:default:robot',
    )
    expect((await withToken(token, ['get', 'nodes'])).stderr).toMatch(/^Error from server \(Forbidden\): nodes is forbidden/)
    expect((await withToken(`${token}x`, ['get', 'pods'])).stderr).toMatch(/You must be logged in to the server|Unauthorized/)
    await cluster.must(['delete', 'serviceaccount', 'robot'])
    expect((await withToken(token, ['get', 'pods'])).stderr).toMatch(/You must be logged in to the server|Unauthorized/)
  })

  it('fills in Secrets that ask for the token of an account', async () => {
    await cluster.must(['create', 'serviceaccount', 'old'])
    await cluster.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'old-token', annotations: { 'kubernetes.io/service-account.name': 'old' } },
        type: 'kubernetes.io/service-account-token',
      }),
    )
    const token = await eventually(async () => {
      const coded = await cluster.must(['get', 'secret', 'old-token', '-o', 'jsonpath={.data.token}'])
      expect(coded).not.toBe('')
      return Buffer.from(coded, 'base64').toString()
    })
    const whoami = ['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}']
    expect((await withToken(token, whoami)).stdout).toBe('system:serviceaccount:default:old')
    await eventually(async () => {
      expect(await cluster.must(['get', 'secret', 'old-token', '--show-labels'])).toMatch(
        /kubernetes.io\/legacy-token-last-used=\d{4}-\d\d-\d\d/,
      )
    })
    await cluster.must(['delete', 'serviceaccount', 'old'])
    expect((await withToken(token, whoami)).code).not.toBe(0)
    await eventually(async () => {
      expect((await cluster.kubectl(['get', 'secret', 'old-token'])).stderr).toMatch(/not found/)
    })
  })

  it('reconciles roles', async () => {
    const manifest = [
      'apiVersion: rbac.authorization.k8s.io/v1',
      'kind: ClusterRole',
      'metadata: {name: reconciled}',
      'rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]',
    ].join('\n')
    expect(await cluster.must(['auth', 'reconcile', '-f', '-'], { input: manifest })).toMatch(
      /clusterrole.rbac.authorization.k8s.io\/reconciled reconciled/,
    )
    const more = manifest.replace('verbs: [get]', 'verbs: [list]')
    await cluster.must(['auth', 'reconcile', '-f', '-'], { input: more })
    const role = await cluster.json<{ rules: { verbs: string[] }[] }>(['get', 'clusterrole', 'reconciled'])
    expect(role.rules.flatMap(({ verbs }) => verbs).sort()).toEqual(['get', 'list'])
  })
})

describe('a pod', () => {
  it('finds its token, the cluster certificate and its namespace', async () => {
    await cluster.apply(pod('caller', [{ image, command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done'] }]))
    await cluster.must(['wait', '--for=condition=Ready', 'pod/caller', '--timeout=60s'])
    const read = (name: string): Promise<string> =>
      cluster.must(['exec', 'caller', '--', 'cat', `/var/run/secrets/kubernetes.io/serviceaccount/${name}`])
    expect(await read('namespace')).toBe('default')
    expect(await read('ca.crt')).toContain('BEGIN CERTIFICATE')
    const token = await read('token')
    const who = await withToken(token, ['auth', 'whoami', '-o', 'json'])
    const { userInfo } = (JSON.parse(who.stdout) as { status: { userInfo: { username: string; extra: Record<string, string[]> } } }).status
    expect(userInfo.username).toBe('system:serviceaccount:default:default')
    expect(userInfo.extra['authentication.kubernetes.io/pod-name']).toEqual(['caller'])
    await cluster.must(['delete', 'pod', 'caller', '--force', '--grace-period=0'])
    expect((await withToken(token, ['auth', 'whoami'])).code).not.toBe(0)
  })

  it('is reached through the API server, as are Services and the node', async () => {
    const script = 'echo "<a href=\\"/next\\">page</a>" > /tmp/index.html; exec httpd -f -p 8080 -h /tmp'
    await cluster.apply(
      pod('page', [{ image, command: ['sh', '-c', script], ports: [{ containerPort: 8080 }] }], {}, { labels: { app: 'page' } }),
    )
    await cluster.must(['wait', '--for=condition=Ready', 'pod/page', '--timeout=60s'])
    await cluster.must(['expose', 'pod', 'page', '--port=80', '--target-port=8080', '--name=page'])
    const behind = '/api/v1/namespaces/default/pods/page:8080/proxy'
    await eventually(async () => {
      expect(await cluster.must(['get', '--raw', `${behind}/index.html`])).toBe(`<a href="${behind}/next">page</a>\n`)
    })
    await eventually(async () => {
      expect(await cluster.must(['get', '--raw', '/api/v1/namespaces/default/services/page:80/proxy/index.html'])).toContain('page</a>')
    })
    expect((await cluster.kubectl(['get', '--raw', '/api/v1/namespaces/default/services/none/proxy/'])).stderr).toMatch(/NotFound/)
    const node = (await cluster.must(['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}'])).trim()
    expect(await cluster.must(['get', '--raw', `/api/v1/nodes/${node}/proxy/healthz`])).toBe('ok')
    expect((await cluster.kubectl(['get', '--raw', `/api/v1/nodes/${node}/proxy/healthz`, '--as=jane'])).stderr).toMatch(/Forbidden/)
  })
})
