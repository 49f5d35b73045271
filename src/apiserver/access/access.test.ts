import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { UserInfo } from '../../machinery/api-request.ts'
import { admin, TestServer } from '../testing/test-server.ts'
import { Authorizer } from './authorizer.ts'
import { impersonated } from './impersonation.ts'
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
    expect(object.status).toEqual({ allowed: true })
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
  const as = (user: UserInfo, headers: Readonly<Record<string, readonly string[]>>): UserInfo =>
    impersonated(user, Object.keys(headers), (name) => headers[name] ?? [], new Authorizer(noPods, new Rbac(() => undefined)))

  it('makes an administrator whom the request names', () => {
    expect(as(admin, {})).toBe(admin)
    expect(as(admin, { 'impersonate-user': ['jane'], 'impersonate-group': ['dev', 'ops'], 'impersonate-extra-a%2fb': ['c'] })).toEqual({
      name: 'jane',
      uid: '',
      groups: ['dev', 'ops', 'system:authenticated'],
      extra: { 'a/b': ['c'] },
    })
    expect(as(admin, { 'impersonate-user': ['system:serviceaccount:web:bot'] }).groups).toEqual([
      'system:serviceaccounts',
      'system:serviceaccounts:web',
      'system:authenticated',
    ])
    expect(as(admin, { 'impersonate-user': ['system:anonymous'] }).groups).toEqual(['system:unauthenticated'])
  })

  it('is refused to everyone else, and without a user', () => {
    expect(() => as(jane, { 'impersonate-user': ['root'] })).toThrow(/User "jane" cannot impersonate resource "users" in API group ""/)
    expect(() => as(admin, { 'impersonate-group': ['ops'] })).toThrow(/along with a user/)
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
