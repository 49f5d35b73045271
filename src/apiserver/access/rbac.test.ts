import { describe, expect, test } from 'vitest'
import type { PolicyRule } from '../../api/generated/types.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import type { ResourceRoute, Route, Verb } from '../route.ts'
import { defaultRoles } from './default-roles.ts'
import { type Binding, Rbac } from './rbac.ts'
import { gatherVerbs, missingRules, ruleAllows, ruleText } from './rbac-rules.ts'

/** `get apps deployments/scale default/web` */
function route(text: string): Route {
  const [verb, group, resource = '', where = ''] = text.split(' ')
  if (verb === 'path') return { type: 'path', verb: 'get', path: group as string }
  const [plural, subresource] = resource.split('/')
  const [namespace, name] = where.split('/')
  return {
    type: 'resource',
    verb: verb as ResourceRoute['verb'],
    group: group === 'core' ? '' : (group as string),
    version: 'v1',
    plural: plural as string,
    subresource,
    namespace: namespace || undefined,
    name: name || undefined,
  }
}
const rule = (parts: Partial<PolicyRule>): PolicyRule => ({ verbs: ['get'], apiGroups: [''], resources: ['pods'], ...parts })
const user = (name: string, ...groups: string[]): UserInfo => ({ name, uid: '', groups, extra: {} })

describe('a rule', () => {
  test.each<[string, PolicyRule, string, boolean]>([
    ['names verb, group and resource', rule({}), 'get core pods a/b', true],
    ['grants no other verb', rule({}), 'delete core pods a/b', false],
    ['grants no other group', rule({}), 'get apps pods a/b', false],
    ['grants no subresource along with the resource', rule({}), 'get core pods/log a/b', false],
    ['names a subresource', rule({ resources: ['pods/log'] }), 'get core pods/log a/b', true],
    ['a star is every resource and subresource', rule({ resources: ['*'] }), 'get core pods/log a/b', true],
    ['a star before a subresource', rule({ resources: ['*/scale'] }), 'get core pods/scale a/b', true],
    ['a star before a subresource is no other', rule({ resources: ['*/scale'] }), 'get core pods/log a/b', false],
    ['a star before a subresource is not the resource', rule({ resources: ['*/scale'] }), 'get core pods a/b', false],
    ['names objects', rule({ resourceNames: ['b'] }), 'get core pods a/b', true],
    ['names objects: no others', rule({ resourceNames: ['b'] }), 'get core pods a/c', false],
    ['names objects: not a list', rule({ resourceNames: ['b'], verbs: ['list'] }), 'list core pods a', false],
    ['a path', { verbs: ['get'], nonResourceURLs: ['/metrics'] }, 'path /metrics', true],
    ['a path by its beginning', { verbs: ['get'], nonResourceURLs: ['/apis/*'] }, 'path /apis/apps', true],
    ['a path is not its parent', { verbs: ['get'], nonResourceURLs: ['/apis/*'] }, 'path /apis', false],
    ['paths grant no resources', { verbs: ['*'], nonResourceURLs: ['*'] }, 'get core pods a/b', false],
  ])('%s', (_, given, asked, expected) => {
    expect(ruleAllows(given, route(asked))).toBe(expected)
  })
})

describe('what goes beyond', () => {
  const owned = [rule({ verbs: ['get', 'list'], resources: ['pods', 'pods/log'] }), rule({ resources: ['secrets'], resourceNames: ['a'] })]

  test('nothing does where all is held', () => {
    expect(missingRules(owned, [rule({ resources: ['pods/log'] }), rule({ resources: ['secrets'], resourceNames: ['a'] })])).toEqual([])
  })
  test('a verb, a resource, and all names instead of one', () => {
    const missing = missingRules(owned, [rule({ verbs: ['get', 'delete', 'patch'] }), rule({ resources: ['secrets'] })])
    expect(gatherVerbs(missing).map(ruleText)).toEqual([
      '{APIGroups:[""], Resources:["pods"], Verbs:["delete" "patch"]}',
      '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
    ])
  })
  test('paths are held by paths only', () => {
    expect(
      missingRules([rule({ apiGroups: ['*'], resources: ['*'], verbs: ['*'] })], [{ verbs: ['get'], nonResourceURLs: ['/x'] }]),
    ).toHaveLength(1)
  })
})

describe('bindings', () => {
  const rules: Record<string, PolicyRule[]> = { reader: [rule({ verbs: ['get', 'list'] })], 'dev/writer': [rule({ verbs: ['create'] })] }
  const binding = (subject: Binding['subjects'][number], role: string, namespace?: string): Binding => ({
    name: role,
    namespace,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: role === 'writer' ? 'Role' : 'ClusterRole', name: role },
    subjects: [subject],
  })
  const rbac = (...bindings: Binding[]): Rbac => {
    const made = new Rbac((ref, namespace) => rules[ref.kind === 'Role' ? `${namespace}/${ref.name}` : ref.name])
    for (const each of bindings) made.add(each)
    return made
  }

  test('say by which of them somebody is let in', () => {
    const robot = { kind: 'ServiceAccount', namespace: 'dev', name: 'robot' }
    const made = rbac(binding(robot, 'writer', 'dev'), binding({ kind: 'Group', name: 'ops' }, 'reader'))
    const asking = (verb: Verb): Route => ({
      type: 'resource',
      verb,
      group: '',
      version: 'v1',
      plural: 'pods',
      namespace: 'dev',
      name: undefined,
      subresource: undefined,
    })
    const who = (name: string, ...groups: string[]): UserInfo => ({ name, uid: '', groups, extra: {} })
    expect(made.reasonFor(who('system:serviceaccount:dev:robot'), asking('create'))).toBe(
      'RBAC: allowed by RoleBinding "writer/dev" of Role "writer" to ServiceAccount "robot/dev"',
    )
    expect(made.reasonFor(who('ann', 'ops'), asking('list'))).toBe(
      'RBAC: allowed by ClusterRoleBinding "reader" of ClusterRole "reader" to Group "ops"',
    )
    expect(made.reasonFor(who('ann', 'ops'), asking('create'))).toBeUndefined()
  })

  test('of the cluster count everywhere, of a namespace there', () => {
    const some = rbac(binding({ kind: 'User', name: 'ann' }, 'reader'), binding({ kind: 'Group', name: 'dev' }, 'writer', 'dev'))
    expect(some.allows(user('ann'), route('list core pods'))).toBe(true)
    expect(some.allows(user('bob', 'dev'), route('create core pods dev'))).toBe(true)
    expect(some.allows(user('bob', 'dev'), route('create core pods other'))).toBe(false)
    expect(some.allows(user('bob', 'dev'), route('create core pods'))).toBe(false)
    expect(some.allows(user('bob'), route('create core pods dev'))).toBe(false)
  })
  test('a ClusterRole bound in a namespace counts there alone', () => {
    const some = rbac(binding({ kind: 'User', name: 'ann' }, 'reader', 'dev'))
    expect(some.allows(user('ann'), route('list core pods dev'))).toBe(true)
    expect(some.allows(user('ann'), route('list core pods'))).toBe(false)
  })
  test('a service account is bound by its namespace and name', () => {
    const some = rbac(binding({ kind: 'ServiceAccount', namespace: 'dev', name: 'robot' }, 'reader'))
    expect(some.allows(user('system:serviceaccount:dev:robot'), route('list core pods'))).toBe(true)
    expect(some.allows(user('system:serviceaccount:other:robot'), route('list core pods'))).toBe(false)
  })
  test('to a role that is not there grant nothing', () => {
    expect(rbac(binding({ kind: 'User', name: 'ann' }, 'gone')).allows(user('ann'), route('list core pods'))).toBe(false)
  })
  test('are forgotten when they go', () => {
    const one = binding({ kind: 'User', name: 'ann' }, 'reader')
    const some = rbac(one)
    some.remove(one)
    expect(some.allows(user('ann'), route('list core pods'))).toBe(false)
  })
})

describe('default roles', () => {
  const named = (name: string) => defaultRoles.find((role) => role.name === name)
  test('are there once each', () => {
    const keys = defaultRoles.map(({ namespace, name }) => `${namespace}/${name}`)
    expect(new Set(keys).size).toBe(keys.length)
  })
  test('give administrators everything and the proxy what it reads', () => {
    expect(named('cluster-admin')?.rules?.some((each) => ruleAllows(each, route('delete apps deployments a/b')))).toBe(true)
    const proxier = named('system:node-proxier')?.rules ?? []
    expect(proxier.some((each) => ruleAllows(each, route('watch discovery.k8s.io endpointslices')))).toBe(true)
    expect(proxier.some((each) => ruleAllows(each, route('list core secrets')))).toBe(false)
  })
  test('those who view see no secrets', () => {
    const view = defaultRoles.filter((role) => role.aggregatesTo === 'view').flatMap((role) => role.rules ?? [])
    expect(view.some((each) => ruleAllows(each, route('get core pods a/b')))).toBe(true)
    expect(view.some((each) => ruleAllows(each, route('get core secrets a/b')))).toBe(false)
  })
})
