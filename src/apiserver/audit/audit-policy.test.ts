import { describe, expect, test } from 'vitest'
import type { UserInfo } from '../../machinery/api-request.ts'
import { routeOf } from '../route.ts'
import { AuditRules, readAuditPolicy } from './audit-policy.ts'

const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n'
const user = (name: string, ...groups: string[]): UserInfo => ({ name, uid: '', groups, extra: {} })
const fault = (text: string): Promise<string> =>
  readAuditPolicy(text).then(
    () => 'taken',
    (error: Error) => error.message,
  )

describe('a policy that cannot be used', () => {
  test.each([
    ['', "Object 'Kind' is missing: it must be Policy"],
    ['kind: Policy\n', "Object 'apiVersion' is missing: it must be audit.k8s.io/v1"],
    [
      'apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n',
      'no kind "Policy" is registered for version "audit.k8s.io/v1beta1": it must be Policy of audit.k8s.io/v1',
    ],
    [head, 'loaded illegal policy with 0 rules'],
    [
      `${head}rules: [{level: Metadata, verbs: get}]`,
      'Policy in version "v1" cannot be handled as a Policy: json: cannot unmarshal string into Go struct field PolicyRule.rules.verbs of type []string',
    ],
    [`${head}rules: [{}]`, 'rules[0].level: Required value'],
    [
      `${head}omitStages: [Begin]\nrules: [{level: Meta}, {level: None, nonResourceURLs: [a*b], namespaces: [x]}]`,
      '[omitStages[0]: Invalid value: "Begin": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic, ' +
        'rules[0].level: Unsupported value: "Meta": supported values: "None", "Metadata", "Request", "RequestResponse", ' +
        'rules[1].nonResourceURLs[0]: Invalid value: "a*b": non-resource URL rules must begin with a \'/\' character, ' +
        'rules[1].nonResourceURLs[0]: Invalid value: "a*b": non-resource URL wildcards \'*\' must be the final character of the rule, ' +
        'rules[1].nonResourceURLs: Invalid value: ["a*b"]: rules cannot apply to both regular resources and non-resource URLs]',
    ],
    [
      `${head}rules: [{level: None, resources: [{group: rbac/v1, resourceNames: [a]}]}]`,
      expect.stringMatching(
        /^\[rules\[0\]\.resources\.group: Invalid value: "rbac\/v1": a lowercase RFC 1123 subdomain .*, rules\[0\]\.resources\.resourceNames: Invalid value: \["a"\]: using resourceNames requires at least one resource\]$/,
      ),
    ],
  ])('%j', async (text, message) => {
    expect(await fault(text)).toEqual(message)
  })

  test('fields that nobody knows are told, and no more', async () => {
    const { policy, unknown } = await readAuditPolicy(`${head}rules: [{level: None, verb: [get]}]`)
    expect(policy.rules).toHaveLength(1)
    expect(unknown).toEqual(['unknown field "rules[0].verb"'])
  })
})

describe('which rule decides', () => {
  const rules = `${head}
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- {level: None, users: ['system:kube-proxy'], verbs: [watch], resources: [{group: '', resources: [endpoints, services]}]}
- {level: None, userGroups: ['system:nodes'], nonResourceURLs: ['/healthz*', /version]}
- {level: Request, resources: [{group: '', resources: [configmaps], resourceNames: [settings]}], namespaces: [kube-system]}
- {level: Metadata, resources: [{group: '', resources: [pods/log, '*/status', secrets/*]}], omitStages: [Panic], omitManagedFields: false}
- {level: RequestResponse, resources: [{group: '*', resources: [deployments]}, {group: batch}]}
- {level: Metadata, namespaces: ['']}
`
  const cases: [string, string, string, UserInfo, string][] = [
    ['a watch by one user', 'GET', '/api/v1/services?watch', user('system:kube-proxy'), 'None'],
    ['the same by another matches nothing; the namespace is the empty one', 'GET', '/api/v1/services?watch', user('a'), 'Metadata'],
    ['a path with a wildcard', 'GET', '/healthz/etcd', user('n', 'system:nodes'), 'None'],
    ['a path by others', 'GET', '/healthz/etcd', user('n'), 'None'],
    ['a named object', 'GET', '/api/v1/namespaces/kube-system/configmaps/settings', user('a'), 'Request'],
    ['the same name elsewhere', 'GET', '/api/v1/namespaces/other/configmaps/settings', user('a'), 'None'],
    ['a subresource', 'GET', '/api/v1/namespaces/a/pods/p/log', user('a'), 'Metadata'],
    ['the resource of it', 'GET', '/api/v1/namespaces/a/pods/p', user('a'), 'None'],
    ['a subresource of anything', 'PUT', '/api/v1/namespaces/a/services/s/status', user('a'), 'Metadata'],
    ['that of another group', 'PUT', '/apis/networking.k8s.io/v1/namespaces/a/ingresses/s/status', user('a'), 'None'],
    ['a resource with all it has', 'GET', '/api/v1/namespaces/a/secrets/s', user('a'), 'Metadata'],
    ['any group', 'POST', '/apis/apps/v1/namespaces/a/deployments', user('a'), 'RequestResponse'],
    ['a whole group', 'DELETE', '/apis/batch/v1/namespaces/a/jobs/j', user('a'), 'RequestResponse'],
    ['outside of namespaces', 'GET', '/api/v1/nodes', user('a'), 'Metadata'],
  ]
  test.each(cases)('%s', async (_, method, url, who, level) => {
    const decisions = new AuditRules((await readAuditPolicy(rules)).policy)
    const [path = '', query] = url.split('?')
    expect(decisions.decide(who, routeOf(method, path, query === 'watch')).level).toBe(level)
  })

  test('a rule omits its own stages and those of all; its word on managedFields goes before', async () => {
    const decisions = new AuditRules((await readAuditPolicy(rules)).policy)
    const log = decisions.decide(user('a'), routeOf('GET', '/api/v1/namespaces/a/pods/p/log', false))
    expect([...log.omitStages].sort()).toEqual(['Panic', 'RequestReceived'])
    expect(log.omitManagedFields).toBe(false)
    expect(decisions.decide(user('a'), routeOf('GET', '/apis/batch/v1/jobs', false)).omitManagedFields).toBe(true)
  })
})
