import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TestServer } from '../../testing/test-server.ts'

const group = '/apis/admissionregistration.k8s.io/v1'
const configMaps = '/api/v1/namespaces/default/configmaps'

type Rule = Record<string, unknown>
const rule = (resources: string[], more: Rule = {}): Rule => ({
  apiGroups: ['*'],
  apiVersions: ['*'],
  operations: ['*'],
  resources,
  ...more,
})

let server: TestServer
beforeEach(async () => {
  server = await TestServer.start()
})
afterEach(() => server.close())

async function made(url: string, body: object): Promise<void> {
  const { code, object } = await server.ask('POST', url, { body })
  if (code !== 201) throw new Error(`${code} ${object.message}`)
}

/** A policy on ConfigMaps called `p`, bound by `b`, to deny. */
async function policy(spec: object, binding: object = {}): Promise<void> {
  const policySpec = { matchConstraints: { resourceRules: [rule(['configmaps'])] }, ...spec }
  await made(`${group}/validatingadmissionpolicies`, { metadata: { name: 'p' }, spec: policySpec })
  const bindingSpec = { policyName: 'p', validationActions: ['Deny'], ...binding }
  await made(`${group}/validatingadmissionpolicybindings`, { metadata: { name: 'b' }, spec: bindingSpec })
}

const validating = (expression: string, more: object = {}): object => ({ validations: [{ expression, ...more }] })

/** Ends with what comes of the creation of a ConfigMap: undefined where it is admitted. */
async function creation(more: object = {}): Promise<string | undefined> {
  const { code, object } = await server.ask('POST', configMaps, { body: { metadata: { name: 'one', labels: { app: 'web' } }, ...more } })
  return code === 201 ? undefined : `${code} ${object.message}`
}

const denied = (message: string): string =>
  `422 configmaps "one" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: ${message}`

describe('a policy', () => {
  it('refuses what it says no to, with all that a client may want to know', async () => {
    await policy(validating("object.data.color == 'red'", { message: 'red only', reason: 'Forbidden' }))
    const { code, object } = await server.ask('POST', configMaps, { body: { metadata: { name: 'one' }, data: { color: 'blue' } } })
    const message = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: red only"
    expect(code).toBe(403)
    expect(object).toMatchObject({
      code: 403,
      reason: 'Forbidden',
      message: `configmaps "one" is forbidden: ${message}`,
      details: { name: 'one', kind: 'configmaps', causes: [{ message }] },
    })
    expect((await server.ask('GET', `${configMaps}/one`)).code).toBe(404)
    expect(await creation({ data: { color: 'red' } })).toBeUndefined()
  })

  it('has no say without a binding', async () => {
    await made(`${group}/validatingadmissionpolicies`, {
      metadata: { name: 'p' },
      spec: { matchConstraints: { resourceRules: [rule(['configmaps'])] }, ...validating('false') },
    })
    expect(await creation()).toBeUndefined()
  })

  it('is asked again as it is changed and taken away', async () => {
    await policy(validating('false'))
    expect(await creation()).toBe(denied('failed expression: false'))
    const { object } = await server.ask('GET', `${group}/validatingadmissionpolicies/p`)
    const changed = { ...object, spec: { ...object.spec, validations: [{ expression: '1 > 2' }] } }
    expect((await server.ask('PUT', `${group}/validatingadmissionpolicies/p`, { body: changed })).code).toBe(200)
    expect(await creation()).toBe(denied('failed expression: 1 > 2'))
    await server.ask('DELETE', `${group}/validatingadmissionpolicybindings/b`)
    expect(await creation()).toBeUndefined()
  })

  it.each<[name: string, spec: object, outcome: string | undefined]>([
    ['sees the object', validating("object.metadata.labels.app == 'web' && object.kind == 'ConfigMap'"), undefined],
    ['sees no old object', validating('oldObject == null'), undefined],
    [
      'sees the request',
      validating(
        "request.operation == 'CREATE' && request.resource.resource == 'configmaps' && request.kind.kind == 'ConfigMap' && request.namespace == 'default' && request.name == 'one' && request.userInfo.username == 'kubernetes-admin' && 'system:masters' in request.userInfo.groups && !request.dryRun",
      ),
      undefined,
    ],
    ['sees the namespace', validating("namespaceObject.metadata.name == 'default'"), undefined],
    [
      'asks what the user may do',
      validating(
        "authorizer.group('').resource('configmaps').namespace('default').check('create').allowed() && authorizer.requestResource.check('get').allowed() && !authorizer.serviceAccount('default', 'default').path('/metrics').check('get').allowed()",
      ),
      "422 configmaps \"one\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: expression",
    ],
    [
      'asks twice at most',
      validating("authorizer.requestResource.check('get').allowed() && authorizer.path('/x').check('get').allowed()"),
      undefined,
    ],
    [
      'composes variables',
      {
        variables: [
          { name: 'a', expression: '1' },
          { name: 'b', expression: 'variables.a + 1' },
        ],
        ...validating('variables.b == 2'),
      },
      undefined,
    ],
    [
      'never works out what it does not ask for',
      { variables: [{ name: 'bad', expression: 'object.nope' }], ...validating('true || variables.bad == 1') },
      undefined,
    ],
    [
      'fails by a variable that fails',
      { variables: [{ name: 'bad', expression: 'object.nope' }], ...validating('variables.bad == 1') },
      denied(`expression 'variables.bad == 1' resulted in error: composited variable "bad" fails to evaluate: no such key: nope`),
    ],
    [
      'fails by an expression that fails',
      validating('object.nope == 1'),
      denied("expression 'object.nope == 1' resulted in error: no such key: nope"),
    ],
    ['may ignore that', { failurePolicy: 'Ignore', ...validating('object.nope == 1') }, undefined],
    ['does not ignore a no', { failurePolicy: 'Ignore', ...validating('false') }, denied('failed expression: false')],
    ['words its message', validating('false', { message: 'plain', messageExpression: "'got ' + object.metadata.name" }), denied('got one')],
    ['falls back to the plain one', validating('false', { message: 'plain', messageExpression: 'string(object.nope)' }), denied('plain')],
    ['falls back from lines', validating('false', { message: 'plain', messageExpression: "'a\\nb'" }), denied('plain')],
    [
      'ends what costs too much',
      validating('lists.range(1000).all(a, lists.range(1000).all(b, true))'),
      denied(
        "expression 'lists.range(1000).all(a, lists.range(1000).all(b, true))' resulted in error: operation cancelled: actual cost limit exceeded",
      ),
    ],
    [
      'ends when all together cost too much',
      { validations: Array.from({ length: 12 }, () => ({ expression: 'lists.range(550).all(a, lists.range(550).all(b, true))' })) },
      denied('validation failed due to running out of cost budget, no further validation rules will be run'),
    ],
    [
      'is not for those whom a condition leaves out',
      { matchConditions: [{ name: 'c', expression: "object.metadata.name != 'one'" }], ...validating('false') },
      undefined,
    ],
    [
      'fails by a condition that fails',
      { matchConditions: [{ name: 'c', expression: 'object.nope' + ' == 1' }], ...validating('true') },
      denied("expression 'object.nope == 1' resulted in error: no such key: nope"),
    ],
    [
      'is left out by one false condition, whatever fails',
      {
        matchConditions: [
          { name: 'c', expression: 'object.nope == 1' },
          { name: 'd', expression: 'false' },
        ],
        ...validating('false'),
      },
      undefined,
    ],
  ])('%s', async (_, spec, outcome) => {
    await policy(spec)
    const found = await creation()
    if (outcome?.endsWith('expression')) expect(found).toContain(outcome)
    else expect(found).toBe(outcome)
  })

  it.each<[reason: string | undefined, code: number]>([
    [undefined, 422],
    ['Invalid', 422],
    ['Forbidden', 403],
    ['RequestEntityTooLarge', 413],
  ])('answers %s with %i', async (reason, code) => {
    await policy(validating('false', reason ? { reason } : {}))
    const answer = await server.ask('POST', configMaps, { body: { metadata: { name: 'one' } } })
    expect([answer.code, (answer.object as unknown as { reason: string }).reason]).toEqual([code, reason ?? 'Invalid'])
  })
})

it('the authorizer says why it allows', async () => {
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['create'] }]
  await made(`${rbac}/clusterroles`, { metadata: { name: 'writer' }, rules })
  await made(`${rbac}/clusterrolebindings`, {
    metadata: { name: 'writers' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'writer' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
  })
  await policy(validating("authorizer.requestResource.check('create').reason().contains('ClusterRoleBinding \"writers\"')"))
  const user = { name: 'jane', uid: '', groups: ['system:authenticated'], extra: {} }
  expect((await server.ask('POST', configMaps, { body: { metadata: { name: 'one' } }, user })).code).toBe(201)
  expect(await creation()).toContain('denied request: failed expression')
})

describe('whom a policy concerns', () => {
  it.each<[name: string, match: object, isAsked: boolean]>([
    ['what a rule names', { resourceRules: [rule(['configmaps'])] }, true],
    ['any resource', { resourceRules: [rule(['*'])] }, true],
    ['other resources', { resourceRules: [rule(['secrets'])] }, false],
    ['subresources', { resourceRules: [rule(['configmaps/status'])] }, false],
    ['other operations', { resourceRules: [rule(['configmaps'], { operations: ['UPDATE', 'DELETE'] })] }, false],
    ['other groups', { resourceRules: [rule(['configmaps'], { apiGroups: ['apps'] })] }, false],
    ['other versions', { resourceRules: [rule(['configmaps'], { apiVersions: ['v2'] })] }, false],
    ['the name', { resourceRules: [rule(['configmaps'], { resourceNames: ['one'] })] }, true],
    ['another name', { resourceRules: [rule(['configmaps'], { resourceNames: ['two'] })] }, false],
    ['what is in namespaces', { resourceRules: [rule(['configmaps'], { scope: 'Namespaced' })] }, true],
    ['what is in none', { resourceRules: [rule(['configmaps'], { scope: 'Cluster' })] }, false],
    ['what is not left out', { resourceRules: [rule(['*'])], excludeResourceRules: [rule(['configmaps'])] }, false],
    ['the label', { resourceRules: [rule(['*'])], objectSelector: { matchLabels: { app: 'web' } } }, true],
    ['another label', { resourceRules: [rule(['*'])], objectSelector: { matchLabels: { app: 'db' } } }, false],
    [
      'the namespace',
      { resourceRules: [rule(['*'])], namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } } },
      true,
    ],
    [
      'another namespace',
      { resourceRules: [rule(['*'])], namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'x' } } },
      false,
    ],
  ])('%s', async (_, matchConstraints, isAsked) => {
    await policy({ matchConstraints, ...validating('false') })
    expect(await creation()).toBe(isAsked ? denied('failed expression: false') : undefined)
  })

  it.each<[name: string, matchResources: object, isAsked: boolean]>([
    ['the binding narrows it', { resourceRules: [rule(['secrets'])] }, false],
    ['the binding has selectors alone', { objectSelector: { matchLabels: { app: 'web' } } }, true],
  ])('%s', async (_, matchResources, isAsked) => {
    await policy(validating('false'), { matchResources })
    expect(await creation()).toBe(isAsked ? denied('failed expression: false') : undefined)
  })

  it('never itself', async () => {
    await policy({ matchConstraints: { resourceRules: [rule(['*'])] }, ...validating('false') })
    expect((await server.ask('DELETE', `${group}/validatingadmissionpolicybindings/b`)).code).toBe(200)
    expect((await server.ask('DELETE', `${group}/validatingadmissionpolicies/p`)).code).toBe(200)
  })

  it('updates, by both objects', async () => {
    expect(await creation({ data: { a: '1' } })).toBeUndefined()
    await policy(validating("oldObject.data.a == object.data.a && request.operation == 'UPDATE'", { message: 'a stays' }))
    const update = (data: object): Promise<string> =>
      server.refusal('PUT', `${configMaps}/one`, { body: { metadata: { name: 'one' }, data } })
    expect(await update({ a: '2' })).toBe(denied('a stays'))
    const patch = { body: { data: { b: '1' } }, contentType: 'application/merge-patch+json' }
    expect((await server.ask('PATCH', `${configMaps}/one`, patch)).code).toBe(200)
  })

  it('deletions, by the old object', async () => {
    expect(await creation()).toBeUndefined()
    await policy(
      validating("request.operation != 'DELETE' || (object == null && oldObject.metadata.labels.app != 'web')", { message: 'webs stay' }),
    )
    expect(await server.refusal('DELETE', `${configMaps}/one`)).toBe(denied('webs stay'))
    expect(await server.refusal('DELETE', configMaps)).toBe(denied('webs stay'))
    expect(await server.refusal('DELETE', `${configMaps}/two`)).toBe('404 configmaps "two" not found')
  })

  it('namespaces, which are in themselves', async () => {
    const namespaceRule = { resourceRules: [rule(['namespaces'])], namespaceSelector: { matchLabels: { team: 'a' } } }
    await policy({ matchConstraints: namespaceRule, ...validating("request.namespace == 'x' && namespaceObject == null") })
    const body = (name: string): object => ({ metadata: { name, labels: { team: 'a' } } })
    expect((await server.ask('POST', '/api/v1/namespaces', { body: body('x') })).code).toBe(201)
    expect(await server.refusal('POST', '/api/v1/namespaces', { body: body('y') })).toContain(
      "denied request: failed expression: request.namespace == 'x'",
    )
    expect((await server.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'z' } } })).code).toBe(201)
  })

  it('scales and statuses as what they are', async () => {
    const deployments = '/apis/apps/v1/namespaces/default/deployments'
    const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'web:1' }] } }
    await made(deployments, { metadata: { name: 'web' }, spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template } })
    await policy({
      matchConstraints: { resourceRules: [rule(['deployments/scale'])] },
      ...validating(
        "object.spec.replicas < 5 && request.subResource == 'scale' && request.kind.kind == 'Scale' && oldObject.kind == 'Scale'",
      ),
    })
    const scale = (replicas: number): Promise<{ code: number }> =>
      server.ask('PATCH', `${deployments}/web/scale`, { body: { spec: { replicas } }, contentType: 'application/merge-patch+json' })
    expect((await scale(3)).code).toBe(200)
    expect((await scale(7)).code).toBe(422)
    const whole = { body: { spec: { replicas: 7 } }, contentType: 'application/merge-patch+json' }
    expect((await server.ask('PATCH', `${deployments}/web`, whole)).code).toBe(200)
    expect((await server.ask('PATCH', `${deployments}/web/status`, { ...whole, body: { status: { replicas: 7 } } })).code).toBe(200)
  })

  it.each<[name: string, operation: string, resource: string, expression: string, ask: { url: string; body?: object }]>([
    [
      'streams to pods',
      'CONNECT',
      'pods/exec',
      "request.kind.kind == 'PodExecOptions' && object.command == ['sh'] && object.container == 'main' && oldObject == null",
      { url: 'pods/web/exec?command=sh&container=main&stdout=1' },
    ],
    ['other streams', 'CONNECT', 'pods/portforward', 'object.ports == [80]', { url: 'pods/web/portforward?ports=80' }],
    ['what is behind a proxy', 'CONNECT', 'pods/proxy', "object.path == '/x/y'", { url: 'pods/web/proxy/x/y' }],
    [
      'evictions',
      'CREATE',
      'pods/eviction',
      "request.kind.group == 'policy' && object.metadata.name == 'web'",
      { url: 'pods/web/eviction', body: { metadata: { name: 'web' } } },
    ],
    [
      'bindings',
      'CREATE',
      'pods/binding',
      "object.target.name == 'node'",
      { url: 'pods/web/binding', body: { metadata: { name: 'web' }, target: { name: 'node' } } },
    ],
    [
      'tokens',
      'CREATE',
      'serviceaccounts/token',
      'object.spec.expirationSeconds == 600',
      { url: 'serviceaccounts/one/token', body: { spec: { expirationSeconds: 600, audiences: ['a'] } } },
    ],
  ])('%s', async (_, operation, resource, expression, { url, body }) => {
    await made('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'one' } })
    await made('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } })
    await made('/api/v1/namespaces/default/pods', { metadata: { name: 'web' }, spec: { containers: [{ name: 'main', image: 'web:1' }] } })
    // What would be let in is refused, and the other way round: so that it is known that the policy decides.
    const constraints = { resourceRules: [rule([resource], { operations: [operation] })] }
    const refusing = { matchConstraints: constraints, ...validating(`!(${expression})`, { message: 'seen' }) }
    await policy(refusing)
    const path = `/api/v1/namespaces/default/${url}`
    const refusal = await server.refusal(body ? 'POST' : 'GET', path, body ? { body } : {})
    expect(refusal).toBe(
      `422 ${resource.split('/')[0]} "${url.split('/')[1]}" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: seen`,
    )
    await server.ask('DELETE', `${group}/validatingadmissionpolicybindings/b`)
    const { code } = await server.ask(body ? 'POST' : 'GET', path, body ? { body } : {}).catch(() => ({ code: 101 }))
    expect(code).not.toBe(422)
  })

  it('objects in another of their versions', async () => {
    const one = { apiGroups: ['autoscaling'], apiVersions: ['v1'], operations: ['*'], resources: ['horizontalpodautoscalers'] }
    await policy({
      matchConstraints: { resourceRules: [one] },
      ...validating(
        'object.spec.targetCPUUtilizationPercentage < 80 && request.kind.version == "v1" && request.requestKind.version == "v2"',
      ),
    })
    const body = (averageUtilization: number): object => ({
      metadata: { name: `a${averageUtilization}` },
      spec: {
        maxReplicas: 3,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } }],
      },
    })
    const url = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers'
    expect((await server.ask('POST', url, { body: body(50) })).code).toBe(201)
    expect((await server.ask('POST', url, { body: body(90) })).code).toBe(422)
  })
})

describe('parameters', () => {
  const limits = (name: string, max: string): object => ({ metadata: { name, labels: { kind: 'limit' } }, data: { max } })
  const spec = {
    matchConstraints: { resourceRules: [rule(['secrets'])] },
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    ...validating('size(object.metadata.name) <= int(params.data.max)', { messageExpression: "'at most ' + params.data.max" }),
  }
  const secret = async (name: string): Promise<string> => {
    const { code, object } = await server.ask('POST', '/api/v1/namespaces/default/secrets', { body: { metadata: { name } } })
    return code === 201 ? 'made' : object.message.replace(/^.*denied request: /, '')
  }

  it('come by name, from the namespace of the request', async () => {
    await made(configMaps, limits('limit', '3'))
    await policy(spec, { paramRef: { name: 'limit', parameterNotFoundAction: 'Deny' } })
    expect([await secret('abc'), await secret('abcd')]).toEqual(['made', 'at most 3'])
  })

  it('come by selector, one evaluation for each', async () => {
    await made(configMaps, limits('a', '5'))
    await made(configMaps, limits('b', '4'))
    await policy(spec, { paramRef: { selector: { matchLabels: { kind: 'limit' } }, parameterNotFoundAction: 'Deny' } })
    expect([await secret('abcd'), await secret('abcde'), await secret('abcdef')]).toEqual(['made', 'at most 4', 'at most 5'])
  })

  it.each<[name: string, paramRef: object | undefined, outcome: string]>([
    [
      'that are not there are missed',
      { name: 'none', parameterNotFoundAction: 'Deny' },
      'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
    ],
    ['that are not there may be done without', { name: 'none', parameterNotFoundAction: 'Allow' }, 'made'],
    [
      'that nobody gives are null',
      undefined,
      "expression 'size(object.metadata.name) <= int(params.data.max)' resulted in error: no such key: data",
    ],
  ])('%s', async (_, paramRef, outcome) => {
    await policy(spec, paramRef ? { paramRef } : {})
    expect(await secret('abc')).toBe(outcome)
  })

  it('of a kind that nobody knows are a mistake', async () => {
    await policy(
      { ...spec, paramKind: { apiVersion: 'example.com/v1', kind: 'Limit' } },
      { paramRef: { name: 'a', parameterNotFoundAction: 'Deny' } },
    )
    expect(await secret('abc')).toBe(
      'failed to configure binding: paramKind kind `&ParamKind{APIVersion:example.com/v1,Kind:Limit,}` not known',
    )
  })
})

describe('what follows a no', () => {
  it('a warning', async () => {
    await policy(validating('false', { message: 'careful' }), { validationActions: ['Warn'] })
    const { code, warnings } = await server.ask('POST', configMaps, { body: { metadata: { name: 'one' } } })
    expect([code, warnings]).toEqual([201, ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': careful"]])
  })

  it('a note in the audit log, with the policy’s own annotations', async () => {
    const noted = new Map<string, string>()
    const audit = { annotate: (key: string, value: string) => void noted.set(key, value), requestObject: () => {}, panicked: () => {} }
    const auditAnnotations = [
      { key: 'name', valueExpression: "'called ' + object.metadata.name" },
      { key: 'nothing', valueExpression: 'null' },
    ]
    await policy({ ...validating('false', { message: 'noted' }), auditAnnotations }, { validationActions: ['Audit'] })
    const answer = await server.server.handle({
      method: 'POST',
      path: configMaps,
      query: new URLSearchParams(),
      contentType: 'application/json',
      accept: 'application/json',
      userAgent: 'test',
      body: { metadata: { name: 'one' } },
      user: { name: 'admin', uid: '', groups: ['system:masters'], extra: {} },
      signal: new AbortController().signal,
      audit,
    })
    expect(answer).toMatchObject({ code: 201 })
    const failure = { message: 'noted', policy: 'p', binding: 'b', expressionIndex: 0, validationActions: ['Audit'] }
    expect(noted.get('p/name')).toBe('called one')
    expect(noted.get('p/nothing')).toBeUndefined()
    expect(JSON.parse(noted.get('validation.policy.admission.k8s.io/validation_failure') ?? '')).toEqual([failure])
  })

  it('is counted', async () => {
    await policy(validating('false'))
    await creation()
    const answer = await server.raw('GET', '/metrics')
    const text = answer.type === 'text' ? answer.text : ''
    expect(text).toContain(
      'apiserver_validating_admission_policy_check_total{policy="p",policy_binding="b",error_type="invalid_error",enforcement_action="deny"} 1',
    )
  })
})

describe('a policy that cannot work', () => {
  const faults = async (spec: object): Promise<string> => {
    const body = { metadata: { name: 'p' }, spec: { matchConstraints: { resourceRules: [rule(['configmaps'])] }, ...spec } }
    return server.refusal('POST', `${group}/validatingadmissionpolicies`, { body })
  }
  const invalid = (fault: string): string => `422 ValidatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: ${fault}`

  it.each<[spec: object, fault: string]>([
    [
      validating('object.x > '),
      `spec.validations[0].expression: Invalid value: "object.x > ": compilation failed: ERROR: <input>:1:12: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | object.x > \n | ...........^`,
    ],
    [validating('1 + 1'), 'spec.validations[0].expression: Invalid value: "1 + 1": must evaluate to bool but got int'],
    [
      validating('true', { messageExpression: '1' }),
      'spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string but got int',
    ],
    [
      validating('params.x == 1'),
      `spec.validations[0].expression: Invalid value: "params.x == 1": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x == 1\n | ^`,
    ],
    [
      { matchConditions: [{ name: 'c', expression: 'request.nope == 1' }], ...validating('true') },
      `spec.matchConditions[0].expression: Invalid value: "request.nope == 1": compilation failed: ERROR: <input>:1:8: undefined field 'nope'\n | request.nope == 1\n | .......^`,
    ],
    [
      { variables: [{ name: 'v', expression: 'nope' }], ...validating('true') },
      `spec.variables[0].expression: Invalid value: "nope": compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')\n | nope\n | ^`,
    ],
    [
      validating('variables.v == 1'),
      `spec.validations[0].expression: Invalid value: "variables.v == 1": compilation failed: ERROR: <input>:1:10: undefined field 'v'\n | variables.v == 1\n | .........^`,
    ],
  ])('%j', async (spec, fault) => expect(await faults(spec)).toBe(invalid(fault)))
})
