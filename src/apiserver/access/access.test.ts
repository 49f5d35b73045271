import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PolicyRule } from '../../api/generated/types.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import type { Route } from '../route.ts'
import { admin, TestServer } from '../testing/test-server.ts'
import { Authorizer } from './authorizer.ts'
import { impersonated, wantedUser } from './impersonation.ts'
import { Rbac } from './rbac.ts'

const jane: UserInfo = { name: 'jane', uid: '', groups: ['system:authenticated'], extra: {} }
const authorization = '/apis/authorization.k8s.io/v1'
let server: TestServer
const noPods = { nodeOfPod: () => undefined, podsOn: () => [] }

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(() => server.close())

describe('reviews', () => {
  const allowed = async (user: UserInfo, resourceAttributes: object): Promise<unknown> => {
    const { code, object } = await server.ask('POST', `${authorization}/selfsubjectaccessreviews`, {
      user,
      body: { spec: { resourceAttributes } },
    })
    expect(code).toBe(201)
    return (object.status as { allowed?: boolean }).allowed
  }

  it('tell the caller what the caller may do', async () => {
    expect(await allowed(admin, { verb: 'create', resource: 'pods', namespace: 'default' })).toBe(true)
    expect(await allowed(admin, { verb: '*', group: '*', resource: '*' })).toBe(true)
    expect(await allowed(jane, { verb: 'create', resource: 'pods', namespace: 'default' })).toBe(false)
    const path = { spec: { nonResourceAttributes: { path: '/apis', verb: 'get' } } }
    const { object } = await server.ask('POST', `${authorization}/selfsubjectaccessreviews`, { user: jane, body: path })
    expect(object.status).toMatchObject({ allowed: true })
  })

  it('tell administrators what others may do, and nobody else', async () => {
    const body = { spec: { user: 'jane', groups: ['system:authenticated'], resourceAttributes: { verb: 'get', resource: 'nodes' } } }
    expect((await server.ask('POST', `${authorization}/subjectaccessreviews`, { body })).object.status).toEqual({ allowed: false })
    expect(await server.refusal('POST', `${authorization}/subjectaccessreviews`, { body, user: jane })).toMatch(
      /^403 subjectaccessreviews.authorization.k8s.io is forbidden: User "jane" cannot create resource/,
    )
  })

  it('say who is asking, and by which rules', async () => {
    const me = await server.ask('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { user: jane, body: {} })
    expect(me.object.status).toEqual({ userInfo: { username: 'jane', groups: ['system:authenticated'] } })
    const rules = await server.ask('POST', `${authorization}/selfsubjectrulesreviews`, { body: { spec: { namespace: 'default' } } })
    const everything = { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }
    expect(rules.object.status).toMatchObject({ incomplete: false, resourceRules: expect.arrayContaining([everything]) })
  })

  it('refuse what asks nothing, and keep nothing', async () => {
    expect(await server.refusal('POST', `${authorization}/selfsubjectaccessreviews`, { body: { spec: {} } })).toMatch(
      /^422 .*exactly one of/,
    )
    expect(await server.refusal('GET', `${authorization}/selfsubjectaccessreviews`)).toMatch(/^405 /)
    expect(await server.refusal('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { body: { kind: 'Pod' } })).toMatch(/^400 /)
  })

  it('can be discovered', async () => {
    const { object } = await server.ask('GET', authorization)
    expect((object as unknown as { resources: { name: string }[] }).resources.map(({ name }) => name)).toContain('selfsubjectaccessreviews')
  })
})

describe('impersonation', () => {
  const rbac = new Rbac(({ name }) => rulesOf[name])
  const rulesOf: Record<string, PolicyRule[]> = {}
  const list: Route = {
    type: 'resource',
    verb: 'list',
    group: '',
    version: 'v1',
    plural: 'pods',
    namespace: 'default',
    name: undefined,
    subresource: undefined,
  }
  const as = (user: UserInfo, headers: Readonly<Record<string, readonly string[]>>, route = list): UserInfo => {
    const wanted = wantedUser(Object.keys(headers), (name) => headers[name] ?? [])
    return wanted ? impersonated(user, wanted, route, new Authorizer(noPods, rbac)) : user
  }
  const grant = (name: string, ...rules: PolicyRule[]): UserInfo => {
    rulesOf[name] = rules
    rbac.add({ name, namespace: undefined, roleRef: { apiGroup: '', kind: 'ClusterRole', name }, subjects: [{ kind: 'User', name }] })
    return { ...jane, name }
  }
  const be = (mode: string, resources: string, ...resourceNames: string[]): PolicyRule => ({
    apiGroups: ['authentication.k8s.io'],
    resources: [resources],
    verbs: [`impersonate:${mode}`],
    ...(resourceNames.length > 0 ? { resourceNames } : {}),
  })
  const onPods = (verb: string): PolicyRule => ({ apiGroups: [''], resources: ['pods'], verbs: [verb] })

  it('makes an administrator whom the request names', () => {
    expect(as(admin, {})).toBe(admin)
    const headers = {
      'impersonate-user': ['jane'],
      'impersonate-group': ['dev', 'ops'],
      'impersonate-extra-a%2fb': ['c'],
      'impersonate-uid': ['u1'],
    }
    expect(as(admin, headers)).toEqual({ name: 'jane', uid: 'u1', groups: ['dev', 'ops', 'system:authenticated'], extra: { 'a/b': ['c'] } })
    expect(as(admin, { 'impersonate-user': ['system:serviceaccount:web:bot'] }).groups).toEqual([
      'system:serviceaccounts',
      'system:serviceaccounts:web',
      'system:authenticated',
    ])
    expect(as(admin, { 'impersonate-user': ['system:anonymous'] }).groups).toEqual(['system:unauthenticated'])
    expect(as(admin, { 'impersonate-user': ['jane'], 'impersonate-group': ['system:masters'] }).groups).toContain('system:masters')
  })

  it('is refused to everyone else, and without a user', () => {
    expect(() => as(jane, { 'impersonate-user': ['root'] })).toThrow(
      /^pods is forbidden: User "jane" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "default"$/,
    )
    expect(() => as(admin, { 'impersonate-group': ['ops'] })).toThrow(/along with a user/)
  })

  it('takes the verb impersonate on every part of whom is named', () => {
    const parts = ['users', 'groups'].map((resource) => ({
      apiGroups: [''],
      resources: [resource],
      resourceNames: ['dev', 'bob'],
      verbs: ['impersonate'],
    }))
    const ann = grant('ann', ...parts, {
      apiGroups: ['authentication.k8s.io'],
      resources: ['userextras/scopes'],
      resourceNames: ['view'],
      verbs: ['impersonate'],
    })
    expect(as(ann, { 'impersonate-user': ['bob'], 'impersonate-group': ['dev'], 'impersonate-extra-scopes': ['view'] }).name).toBe('bob')
    const others: Record<string, string[]>[] = [
      { 'impersonate-group': ['ops'] },
      { 'impersonate-extra-scopes': ['admin'] },
      { 'impersonate-uid': ['u1'] },
    ]
    for (const more of others) {
      expect(() => as(ann, { 'impersonate-user': ['bob'], ...more })).toThrow(/is forbidden/)
    }
  })

  it('may be for certain requests and certain users only', () => {
    const ann = grant('some', be('user-info', 'users', 'bob'), be('user-info', 'groups'), onPods('impersonate-on:user-info:list'))
    expect(as(ann, { 'impersonate-user': ['bob'], 'impersonate-group': ['dev'] })).toMatchObject({
      name: 'bob',
      groups: ['dev', 'system:authenticated'],
    })
    expect(() => as(ann, { 'impersonate-user': ['eve'] })).toThrow(
      /^users.authentication.k8s.io "eve" is forbidden: User "some" cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope$/,
    )
    expect(() => as(ann, { 'impersonate-user': ['bob'] }, { ...list, verb: 'delete', name: 'web' })).toThrow(
      /cannot impersonate-on:user-info:delete/,
    )
    expect(() => as(ann, { 'impersonate-user': ['bob'], 'impersonate-group': ['system:masters'] })).toThrow(
      /impersonating the system:masters group is not allowed$/,
    )
    // Service accounts and nodes have modes of their own.
    expect(() => as(ann, { 'impersonate-user': ['system:serviceaccount:web:bot'] })).toThrow(/impersonate-on:serviceaccount:list/)
  })

  it('may be of service accounts, or of nodes, alone', () => {
    const ann = grant('accounts', be('serviceaccount', 'serviceaccounts', 'bot'), onPods('impersonate-on:serviceaccount:list'))
    expect(as(ann, { 'impersonate-user': ['system:serviceaccount:web:bot'] }).groups).toContain('system:serviceaccounts:web')
    const bob = grant('nodes', be('arbitrary-node', 'nodes', 'n1'), onPods('impersonate-on:arbitrary-node:list'))
    expect(as(bob, { 'impersonate-user': ['system:node:n1'] }).groups).toEqual(['system:nodes', 'system:authenticated'])
    expect(() => as(bob, { 'impersonate-user': ['system:node:n2'] })).toThrow(/cannot impersonate:arbitrary-node resource "nodes"/)
  })

  it('may be of the node that a pod runs on', () => {
    const name = 'system:serviceaccount:web:agent'
    const agent = { ...grant(name, be('associated-node', 'nodes', '*'), onPods('impersonate-on:associated-node:list')) }
    const on = (node: string): UserInfo => ({ ...agent, extra: { 'authentication.kubernetes.io/node-name': [node] } })
    expect(as(on('n1'), { 'impersonate-user': ['system:node:n1'] }).groups).toEqual(['system:nodes', 'system:authenticated'])
    expect(() => as(on('n2'), { 'impersonate-user': ['system:node:n1'] })).toThrow(/impersonate-on:arbitrary-node:list/)
  })
})

describe('a review', () => {
  const asked = (kind: string, body: object, user = admin): Promise<string> =>
    server.refusal('POST', `${authorization}/${kind}`, { body, user })
  const pods = { verb: 'list', resource: 'pods', namespace: 'default' }

  it('says by what somebody is let in', async () => {
    const spec = { user: 'jane', groups: ['system:authenticated'], nonResourceAttributes: { path: '/apis', verb: 'get' } }
    const { object } = await server.ask('POST', `${authorization}/subjectaccessreviews`, { body: { spec } })
    expect(object.status).toEqual({
      allowed: true,
      reason: 'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"',
    })
  })

  it.each<[string, string, object, RegExp]>([
    [
      'two things at once',
      'subjectaccessreviews',
      { spec: { user: 'a', resourceAttributes: pods, nonResourceAttributes: {} } },
      /spec.nonResourceAttributes: Invalid value: {}: cannot be specified in combination with resourceAttributes/,
    ],
    [
      'nothing',
      'selfsubjectaccessreviews',
      { spec: {} },
      /spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified$/,
    ],
    [
      'about nobody',
      'subjectaccessreviews',
      { spec: { resourceAttributes: pods } },
      /spec.user: Invalid value: "": at least one of user or group must be specified$/,
    ],
    [
      'with a name',
      'selfsubjectaccessreviews',
      { metadata: { name: 'x' }, spec: { resourceAttributes: pods } },
      /metadata: Invalid value: .*: must be empty$/,
    ],
    [
      'with a selector of nothing',
      'selfsubjectaccessreviews',
      { spec: { resourceAttributes: { ...pods, fieldSelector: {} } } },
      /spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required$/,
    ],
    [
      'with one of two kinds',
      'selfsubjectaccessreviews',
      {
        spec: { resourceAttributes: { ...pods, labelSelector: { rawSelector: 'a=b', requirements: [{ key: 'a', operator: 'Exists' }] } } },
      },
      /labelSelector.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements$/,
    ],
    [
      'with one that lacks values',
      'selfsubjectaccessreviews',
      { spec: { resourceAttributes: { ...pods, fieldSelector: { requirements: [{ key: 'a', operator: 'In' }] } } } },
      /fieldSelector.requirements\[0\].values: Required value: must be specified when `operator` is 'In' or 'NotIn'$/,
    ],
  ])('that asks %s is refused', async (_, kind, body, refusal) => {
    expect(await asked(kind, body)).toMatch(refusal)
  })

  it('of one namespace asks about that namespace', async () => {
    const local = '/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews'
    const spec = { user: 'jane', resourceAttributes: pods }
    const { code, object } = await server.ask('POST', local, { body: { spec } })
    expect([code, object.metadata, object.status]).toEqual([201, { namespace: 'default' }, { allowed: false }])
    expect(
      await server.refusal('POST', local, { body: { spec: { ...spec, resourceAttributes: { ...pods, namespace: 'other' } } } }),
    ).toMatch(/spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace$/)
    expect(await server.refusal('POST', local, { body: { spec: { user: 'jane', nonResourceAttributes: { path: '/' } } } })).toMatch(
      /spec.nonResourceAttributes: Invalid value: .*: disallowed on this kind of request$/,
    )
    expect(await server.refusal('POST', local, { body: { metadata: { namespace: 'other' }, spec } })).toMatch(
      /^400 the namespace of the provided object/,
    )
  })

  it('takes selectors into account, and says which it cannot read', async () => {
    const node = { user: 'system:node:n1', groups: ['system:nodes'] }
    const verdict = async (fieldSelector: object): Promise<unknown> => {
      const spec = { ...node, resourceAttributes: { verb: 'list', resource: 'pods', fieldSelector } }
      return (await server.ask('POST', `${authorization}/subjectaccessreviews`, { body: { spec } })).object.status
    }
    expect(await verdict({ rawSelector: 'spec.nodeName=n1' })).toEqual({ allowed: true })
    expect(await verdict({ requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['n1'] }] })).toEqual({ allowed: true })
    expect(await verdict({ rawSelector: 'spec.nodeName=n2' })).toEqual({
      allowed: false,
      reason: 'can only list/watch pods with spec.nodeName field selector',
    })
    expect(
      await verdict({
        requirements: [
          { key: 'spec.nodeName', operator: 'In', values: ['n1'] },
          { key: 'a', operator: 'Exists' },
        ],
      }),
    ).toEqual({
      allowed: true,
      evaluationError: 'spec.resourceAttributes.fieldSelector partially ignored due to parse error',
    })
  })

  it('is read strictly where that is asked for', async () => {
    const body = { spec: { namespace: 'default' }, nonsense: 1 }
    expect(await server.refusal('POST', `${authorization}/selfsubjectrulesreviews?fieldValidation=Strict`, { body })).toMatch(
      /^400 .*strict decoding error: unknown field "nonsense"/,
    )
    expect(await server.refusal('POST', `${authorization}/selfsubjectrulesreviews`, { body: { spec: {} } })).toMatch(
      /^400 no namespace on request$/,
    )
  })
})

it('warns of Endpoints, and shows a Scale as a row', async () => {
  expect((await server.ask('GET', '/api/v1/endpoints')).warnings).toEqual([
    'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  ])
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
  const body = { metadata: { name: 'web' }, spec: { replicas: 2, selector: { matchLabels: { a: 'b' } }, template } }
  const url = '/apis/apps/v1/namespaces/default/deployments'
  await server.ask('POST', url, { body })
  const { object } = await server.ask('GET', `${url}/web/scale`, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
  const { columnDefinitions, rows } = object as unknown as { columnDefinitions: { name: string }[]; rows: { cells: unknown[] }[] }
  expect(columnDefinitions.map(({ name }) => name)).toEqual(['Name', 'Desired', 'Available', 'Age'])
  expect(rows[0]?.cells.slice(0, 3)).toEqual(['web', 2, 0])
  await server.ask('PATCH', `${url}/web/scale`, { contentType: 'application/merge-patch+json', body: { spec: { replicas: 5 } } })
  const managers = (await server.ask('GET', `${url}/web`)).object.metadata.managedFields
  expect(managers).toContainEqual(expect.objectContaining({ subresource: 'scale', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }))
})
