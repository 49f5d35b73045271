import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { type RequestOptions, request } from 'node:https'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually, type Outcome } from './harness/command.ts'
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

/** A request that shows nobody's credentials but what it is given. */
async function anonymously(path: string, options: RequestOptions & { body?: string } = {}): Promise<{ code: number; message: string }> {
  const config = await readFile(cluster.kubeconfig, 'utf8')
  const server = /server: (\S+)/.exec(config)?.[1] as string
  const { body, ...rest } = options
  return await new Promise((resolve, reject) => {
    const asked = request(
      `${server}${path}`,
      { ...rest, ca: readFileSync(join(cluster.dataDir, 'pki', 'ca.crt')), agent: false },
      async (answer) => {
        const text = (await answer.toArray()).join('')
        resolve({ code: answer.statusCode ?? 0, message: text.startsWith('{') ? (JSON.parse(text) as { message: string }).message : text })
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
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

describe('nobody in particular', () => {
  it.each(['/healthz', '/livez', '/readyz', '/version', '/version/'])('sees %s', async (path) => {
    expect((await anonymously(path)).code).toBe(200)
  })

  it.each([
    '/',
    '/api',
    '/api/v1',
    '/apis',
    '/apis/apps/v1',
    '/openapi/v2',
    '/openapi/v3',
    '/metrics',
    '/healthz/ping',
    '/readyz/etcd',
    '/openid/v1/jwks',
  ])('does not see %s', async (path) => {
    const { code, message } = await anonymously(path)
    expect([code, message]).toEqual([403, `forbidden: User "system:anonymous" cannot get path ${JSON.stringify(path)}`])
  })

  it('reads nothing, and asks about nobody', async () => {
    expect(await anonymously('/api/v1/namespaces/default/secrets/x')).toEqual({
      code: 403,
      message: 'secrets "x" is forbidden: User "system:anonymous" cannot get resource "secrets" in API group "" in the namespace "default"',
    })
    expect((await anonymously('/api/v1/nodes')).message).toBe(
      'nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope',
    )
    expect((await anonymously('/apis/authentication.k8s.io/v1/selfsubjectreviews', { method: 'POST', body: '{}' })).message).toMatch(
      /^selfsubjectreviews.authentication.k8s.io is forbidden: User "system:anonymous" cannot create resource/,
    )
  })

  it('is refused where credentials are shown that are not good', async () => {
    for (const authorization of ['Bearer nonsense', 'Basic YTpi']) {
      expect(await anonymously('/version', { headers: { authorization } })).toEqual({ code: 401, message: 'Unauthorized' })
    }
  })
})

describe('kubectl auth', () => {
  it('tells who is there, with everything that is impersonated', async () => {
    const extra = ['--as=jane', '--as-uid=u1', '--as-group=devs', '--as-group=ops']
    expect(await cluster.must(['auth', 'whoami', ...extra])).toMatch(/Username +jane\nUID +u1\nGroups +\[devs ops system:authenticated\]\n/)
    const review = await cluster.json<{ kind: string; metadata: { creationTimestamp?: string } }>(['auth', 'whoami'])
    expect(review).toMatchObject({ kind: 'SelfSubjectReview', metadata: { creationTimestamp: expect.stringMatching(/Z$/) } })
  })

  it('lets people be others for certain requests only', async () => {
    const rules = [
      { apiGroups: ['authentication.k8s.io'], resources: ['users'], resourceNames: ['jane'], verbs: ['impersonate:user-info'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['impersonate-on:user-info:list'] },
    ]
    await cluster.apply(
      JSON.stringify({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'acting' }, rules }),
    )
    await cluster.must(['create', 'serviceaccount', 'actor'])
    await cluster.must(['create', 'clusterrolebinding', 'acting', '--clusterrole=acting', '--serviceaccount=default:actor'])
    await cluster.must(['create', 'rolebinding', 'jane-views', '--clusterrole=view', '--user=jane'])
    const token = (await cluster.must(['create', 'token', 'actor'])).trim()
    expect((await withToken(token, ['get', '--raw', '/api/v1/namespaces/default/pods', '--as=jane'])).stdout).toMatch(/^{"kind":"PodList"/)
    const services = await withToken(token, ['get', '--raw', '/api/v1/namespaces/default/services', '--as=jane'])
    expect(services.stderr).toContain(
      'User "system:serviceaccount:default:actor" cannot impersonate-on:user-info:list resource "services" in API group "" in the namespace "default"',
    )
  })

  it('answers reviews as upstream does', async () => {
    const asked = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview' }
    const spec = {
      user: 'jane',
      groups: ['system:authenticated'],
      resourceAttributes: { verb: 'list', resource: 'pods', namespace: 'default' },
    }
    const review = JSON.stringify({ ...asked, spec })
    expect(await cluster.must(['create', '-f', '-', '-o', 'jsonpath={.status}'], { input: review })).toBe(
      '{"allowed":true,"reason":"RBAC: allowed by RoleBinding \\"jane-views/default\\" of ClusterRole \\"view\\" to User \\"jane\\""}',
    )
    expect(
      (await cluster.kubectl(['create', '-f', '-'], { input: JSON.stringify({ ...asked, spec: { ...spec, nonsense: 1 } }) })).stderr,
    ).toMatch(/strict decoding error: unknown field "spec.nonsense"/)
    const token = (await cluster.must(['create', 'token', 'actor', '--audience=vault'])).trim()
    const audiences = async (...wanted: string[]): Promise<string> => {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: wanted } }
      return cluster.must(['create', '-f', '-', '-o', 'jsonpath={.status.authenticated} {.status.audiences}'], {
        input: JSON.stringify(body),
      })
    }
    expect(await audiences('vault', 'other')).toBe('true ["vault"]')
    expect(await audiences('other')).toMatch(/^(false)? ?$/)
    expect((await withToken(token, ['get', 'pods'])).code).not.toBe(0)
  })
})

describe('a node', () => {
  it('reads its own pods and itself, and nothing else', async () => {
    const node = (await cluster.must(['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}'])).trim()
    const asNode = [`--as=system:node:${node}`, '--as-group=system:nodes']
    const raw = (path: string): Promise<Outcome> => cluster.kubectl(['get', '--raw', path, ...asNode])
    expect((await raw(`/api/v1/pods?fieldSelector=spec.nodeName%3D${node}`)).code).toBe(0)
    expect((await raw('/api/v1/pods')).stderr).toMatch(
      /cannot list resource "pods" .*: can only list\/watch pods with spec.nodeName field selector/,
    )
    expect((await raw('/api/v1/pods?fieldSelector=spec.nodeName%3Dother')).stderr).toMatch(/cannot list resource "pods"/)
    expect((await raw(`/api/v1/nodes/${node}`)).code).toBe(0)
    expect((await raw(`/api/v1/nodes?fieldSelector=metadata.name%3D${node}`)).code).toBe(0)
    expect((await raw('/api/v1/nodes')).stderr).toContain(`node '${node}' cannot read all nodes, only its own Node object`)
    const canI = await cluster.kubectl(['auth', 'can-i', 'get', 'secrets/any', '-n', 'default', ...asNode])
    expect(canI.stdout).toBe(`no - no relationship found between node '${node}' and this object\n`)
  })

  it('and others find what every cluster tells them', async () => {
    const map = ['get', 'configmap', '-n', 'kube-system', 'extension-apiserver-authentication']
    expect(await cluster.must([...map, '-o', 'jsonpath={.data.client-ca-file}'])).toMatch(/^-----BEGIN CERTIFICATE-----/)
    expect(await cluster.must(['get', 'clustertrustbundles', '--no-headers'])).toMatch(
      /^kubernetes.io:kube-apiserver-serving:[0-9a-f]{24} +kubernetes.io\/kube-apiserver-serving/,
    )
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
