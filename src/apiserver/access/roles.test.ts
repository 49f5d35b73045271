import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { UserInfo } from '../../machinery/api-request.ts'
import { pod, TestServer } from '../testing/test-server.ts'

const rbac = '/apis/rbac.authorization.k8s.io/v1'
const user = (name: string, ...groups: string[]): UserInfo => ({ name, uid: '', groups: [...groups, 'system:authenticated'], extra: {} })
const ann = user('ann')
const readPods = [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }]
const pods = '/api/v1/namespaces/default/pods'
let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(() => server.close())

const bind = (name: string, who: string, roleRef: object, at = `${rbac}/namespaces/default/rolebindings`) =>
  server.ask('POST', at, { body: { metadata: { name }, roleRef, subjects: [{ kind: 'User', name: who }] } })

describe('roles', () => {
  test('let in from the moment they are bound, and out from the moment they are not', async () => {
    expect(await server.refusal('GET', pods, { user: ann })).toMatch(/^403 pods is forbidden: User "ann" cannot list resource "pods"/)
    await server.ask('POST', `${rbac}/namespaces/default/roles`, { body: { metadata: { name: 'reader' }, rules: readPods } })
    expect((await bind('ann-reads', 'ann', { kind: 'Role', name: 'reader' })).code).toBe(201)
    await server.ask('GET', `${rbac}/rolebindings`)
    expect((await server.ask('GET', pods, { user: ann })).code).toBe(200)
    expect(await server.refusal('GET', '/api/v1/namespaces/kube-system/pods', { user: ann })).toMatch(/^403/)
    await server.ask('DELETE', `${rbac}/namespaces/default/rolebindings/ann-reads`)
    await server.ask('GET', `${rbac}/rolebindings`)
    expect(await server.refusal('GET', pods, { user: ann })).toMatch(/^403/)
  })

  test('of upstream are there, with their bindings', async () => {
    const names = async (url: string) => (await server.ask('GET', url)).object.items.map(({ metadata }) => metadata.name)
    expect(await names(`${rbac}/clusterroles`)).toEqual(
      expect.arrayContaining(['admin', 'cluster-admin', 'edit', 'view', 'system:node-proxier', 'system:discovery']),
    )
    expect(await names(`${rbac}/clusterrolebindings`)).toEqual(expect.arrayContaining(['cluster-admin', 'system:public-info-viewer']))
    expect(await names(`${rbac}/namespaces/kube-system/roles`)).toContain('extension-apiserver-authentication-reader')
  })

  test('allow one object for a list or watch that selects it by its name', async () => {
    const rules = [{ apiGroups: [''], resources: ['configmaps'], resourceNames: ['one'], verbs: ['list'] }]
    await server.ask('POST', `${rbac}/namespaces/default/roles`, { body: { metadata: { name: 'one' }, rules } })
    await bind('bob-one', 'bob', { kind: 'Role', name: 'one' })
    await server.ask('GET', `${rbac}/rolebindings`)
    const maps = '/api/v1/namespaces/default/configmaps'
    expect((await server.ask('GET', `${maps}?fieldSelector=metadata.name%3Done`, { user: user('bob') })).code).toBe(200)
    expect(await server.refusal('GET', `${maps}?fieldSelector=metadata.name%3Dtwo`, { user: user('bob') })).toMatch(/^403/)
    expect(await server.refusal('GET', maps, { user: user('bob') })).toMatch(/^403/)
  })

  test.each<[string, string, object, RegExp]>([
    [
      'a rule without verbs',
      'clusterroles',
      { rules: [{ apiGroups: [''], resources: ['pods'], verbs: [] }] },
      /rules\[0\].verbs: Required value: verbs must contain at least one value/,
    ],
    [
      'paths in a namespace',
      'namespaces/default/roles',
      { rules: [{ nonResourceURLs: ['/x'], verbs: ['get'] }] },
      /namespaced rules cannot apply to non-resource URLs/,
    ],
    [
      'a role of a namespace for the cluster',
      'clusterrolebindings',
      { roleRef: { kind: 'Role', name: 'x' } },
      /roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"/,
    ],
    [
      'an account without a namespace',
      'clusterrolebindings',
      { roleRef: { kind: 'ClusterRole', name: 'view' }, subjects: [{ kind: 'ServiceAccount', name: 'x' }] },
      /subjects\[0\].namespace: Required value/,
    ],
  ])('are refused: %s', async (_, where, fields, refusal) => {
    expect(await server.refusal('POST', `${rbac}/${where}`, { body: { metadata: { name: 'wrong' }, ...fields } })).toMatch(refusal)
  })

  test('stay the ones that a binding gives', async () => {
    await bind('fixed', 'ann', { kind: 'ClusterRole', name: 'view' })
    const body = { roleRef: { kind: 'ClusterRole', name: 'cluster-admin' } }
    const contentType = 'application/merge-patch+json'
    expect(await server.refusal('PATCH', `${rbac}/namespaces/default/rolebindings/fixed`, { contentType, body })).toMatch(
      /cannot change roleRef/,
    )
  })
})

describe('nobody hands out more than they hold', () => {
  const clerk = user('clerk')
  beforeAll(async () => {
    const rules = [
      ...readPods,
      { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'], verbs: ['create', 'update', 'patch', 'get'] },
    ]
    await server.ask('POST', `${rbac}/clusterroles`, { body: { metadata: { name: 'clerk' }, rules } })
    await bind('clerk', 'clerk', { kind: 'ClusterRole', name: 'clerk' })
    await server.ask('GET', `${rbac}/rolebindings`)
  })

  test('a role with what one has is made, with more it is not', async () => {
    const url = `${rbac}/namespaces/default/roles`
    expect((await server.ask('POST', url, { user: clerk, body: { metadata: { name: 'small' }, rules: readPods } })).code).toBe(201)
    const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list'] }]
    expect(await server.refusal('POST', url, { user: clerk, body: { metadata: { name: 'large' }, rules } })).toBe(
      '403 roles.rbac.authorization.k8s.io "large" is forbidden: user "clerk" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
    )
  })
  test('a binding gives what one has, and no more', async () => {
    const url = `${rbac}/namespaces/default/rolebindings`
    const binding = (name: string, role: string) => ({
      user: clerk,
      body: { metadata: { name }, roleRef: { kind: 'ClusterRole', name: role }, subjects: [{ kind: 'User', name: 'friend' }] },
    })
    expect((await server.ask('POST', url, binding('same', 'clerk'))).code).toBe(201)
    expect(await server.refusal('POST', url, binding('more', 'cluster-admin'))).toMatch(
      /^403 .*attempting to grant RBAC permissions not currently held/s,
    )
    expect(await server.refusal('POST', url, binding('none', 'no-such-role'))).toMatch(
      /^404 clusterroles.rbac.authorization.k8s.io "no-such-role" not found/,
    )
  })
})

describe('a node', () => {
  const node = user('system:node:n1', 'system:nodes')
  test('reads the secrets of its own pods and no others', async () => {
    for (const name of ['mine', 'theirs']) await server.ask('POST', '/api/v1/namespaces/default/secrets', { body: { metadata: { name } } })
    const env = (secret: string) => ({
      containers: [{ name: 'c', image: 'i', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: secret, key: 'k' } } }] }],
    })
    await server.ask('POST', pods, { body: pod('here', { nodeName: 'n1', ...env('mine') }) })
    await server.ask('POST', pods, { body: pod('there', { nodeName: 'n2', ...env('theirs') }) })
    await server.ask('GET', pods)
    const secrets = '/api/v1/namespaces/default/secrets'
    expect((await server.ask('GET', `${secrets}/mine`, { user: node })).code).toBe(200)
    expect((await server.ask('GET', `${secrets}?fieldSelector=metadata.name%3Dmine`, { user: node })).code).toBe(200)
    expect(await server.refusal('GET', `${secrets}/theirs`, { user: node })).toMatch(
      /^403 secrets "theirs" is forbidden: .*: no relationship found between node 'n1' and this object$/,
    )
    expect(await server.refusal('GET', secrets, { user: node })).toMatch(/^403 .*: No Object name found$/)
    expect(await server.refusal('PUT', `${secrets}/theirs`, { user: node, body: {} })).toMatch(/: can only read resources of this type$/)
    expect(await server.refusal('GET', '/api/v1/nodes/n2', { user: node })).toMatch(
      /: node 'n1' cannot read 'n2', only its own Node object$/,
    )
    expect(await server.refusal('GET', '/apis/coordination.k8s.io/v1/namespaces/default/leases/n1', { user: node })).toMatch(
      /: can only access leases in the "kube-node-lease" system namespace$/,
    )
  })

  test('is refused pods, labels and taints that are not its to write', async () => {
    expect(await server.refusal('POST', pods, { user: node, body: pod('rogue') })).toMatch(
      /^403 pods "rogue" is forbidden: .*node "n1" can only create mirror pods/,
    )
    const make = (name: string, labels = {}) => server.ask('POST', '/api/v1/nodes', { user: node, body: { metadata: { name, labels } } })
    expect((await make('n1', { 'node-restriction.kubernetes.io/team': 'a' })).object.message).toMatch(
      /is not allowed to set the following labels: node-restriction.kubernetes.io\/team/,
    )
    expect((await make('n2')).code).toBe(403)
    expect((await make('n1', { 'kubernetes.io/hostname': 'n1', 'own.example/x': 'y' })).code).toBe(201)
    const contentType = 'application/merge-patch+json'
    const taints = { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }
    expect(await server.refusal('PATCH', '/api/v1/nodes/n1', { user: node, contentType, body: taints })).toMatch(
      /node "n1" is not allowed to modify taints/,
    )
    const role = { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } }
    expect(await server.refusal('PATCH', '/api/v1/nodes/n1', { user: node, contentType, body: role })).toMatch(
      /is not allowed to modify labels/,
    )
    expect(await server.refusal('PATCH', '/api/v1/nodes/n1/status', { user: node, contentType, body: role })).toMatch(
      /is not allowed to modify labels/,
    )
    const label = { metadata: { labels: { a: 'b' } } }
    expect(await server.refusal('PATCH', `${pods}/here/status`, { user: node, contentType, body: label })).toMatch(
      /^403 .*node "n1" cannot update labels through pod status/,
    )
  })

  test('gets tokens for pods that run on it and no others', async () => {
    const uid = async (name: string) => (await server.ask('GET', `${pods}/${name}`)).object.metadata.uid
    const ask = async (name: string) =>
      server.ask('POST', '/api/v1/namespaces/default/serviceaccounts/default/token', {
        user: node,
        body: { spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid: await uid(name) } } },
      })
    await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name: 'default' } } })
    expect((await ask('here')).code).toBe(201)
    expect((await ask('there')).object.message).toMatch(/node requested token bound to a pod scheduled on a different node/)
  })
})
