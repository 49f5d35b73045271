import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TestServer } from '../../testing/test-server.ts'

const group = '/apis/admissionregistration.k8s.io/v1'
const configMaps = '/api/v1/namespaces/default/configmaps'
const pods = '/api/v1/namespaces/default/pods'

type Loose = Record<string, unknown>

let server: TestServer
beforeEach(async () => {
  server = await TestServer.start()
})
afterEach(() => server.close())

async function made(url: string, body: object): Promise<void> {
  const { code, object } = await server.ask('POST', url, { body })
  if (code !== 201) throw new Error(`${code} ${object.message}`)
}

const rule = (resource: string, operations = ['CREATE', 'UPDATE']): object => ({
  apiGroups: ['*'],
  apiVersions: ['*'],
  operations,
  resources: [resource],
})

/** Called `name`, on ConfigMaps unless it says otherwise, bound by `name`-b. */
async function policy(name: string, spec: object, binding: object = {}): Promise<void> {
  const policySpec = { matchConstraints: { resourceRules: [rule('configmaps')] }, reinvocationPolicy: 'Never', ...spec }
  await made(`${group}/mutatingadmissionpolicies`, { metadata: { name }, spec: policySpec })
  await made(`${group}/mutatingadmissionpolicybindings`, { metadata: { name: `${name}-b` }, spec: { policyName: name, ...binding } })
}

const applying = (...expressions: string[]): object => ({
  mutations: expressions.map((expression) => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } })),
})
const patching = (...expressions: string[]): object => ({
  mutations: expressions.map((expression) => ({ patchType: 'JSONPatch', jsonPatch: { expression } })),
})

async function creation(body: object = {}, url = configMaps): Promise<Loose> {
  const { code, object } = await server.ask('POST', url, { body: { metadata: { name: 'one', labels: { app: 'web' } }, ...body } })
  if (code !== 201) throw new Error(`${code} ${(object as unknown as { reason: string }).reason} ${object.message}`)
  return object as unknown as Loose
}

describe('what a policy makes of an object', () => {
  it.each<[name: string, spec: object, outcome: object]>([
    [
      'fields that it applies',
      applying('Object{data: {"added": "1"}, metadata: Object.metadata{labels: {"team": "a"}}}'),
      { data: { own: 'x', added: '1' }, metadata: { labels: { app: 'web', team: 'a' } } },
    ],
    [
      'of what the object has',
      applying('Object{data: {"copy": object.data.own + request.operation}}'),
      { data: { own: 'x', copy: 'xCREATE' } },
    ],
    [
      'one mutation after the other',
      applying('Object{data: {"a": "1"}}', 'Object{data: {"b": object.data.a + "2"}}'),
      { data: { own: 'x', a: '1', b: '12' } },
    ],
    [
      'operations of a patch',
      patching(
        '[JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("example.com/team"), value: "a"}, JSONPatch{op: "remove", path: "/data/own"}, JSONPatch{op: "add", path: "/data/list", value: "v"}]',
      ),
      { metadata: { labels: { app: 'web', 'example.com/team': 'a' } }, data: { list: 'v' } },
    ],
    [
      'nothing where a test fails',
      patching('[JSONPatch{op: "test", path: "/data/own", value: "y"}, JSONPatch{op: "remove", path: "/data/own"}]'),
      { data: { own: 'x' } },
    ],
    [
      'nothing where a condition is false',
      { matchConditions: [{ name: 'c', expression: "object.metadata.name != 'one'" }], ...applying('Object{data: {"a": "1"}}') },
      { data: { own: 'x' } },
    ],
    [
      'by its variables',
      { variables: [{ name: 'value', expression: "object.data.own + 'y'" }], ...applying('Object{data: {"a": variables.value}}') },
      { data: { own: 'x', a: 'xy' } },
    ],
  ])('%s', async (_, spec, outcome) => {
    await policy('p', spec)
    const object = await creation({ data: { own: 'x' } })
    const { data, metadata } = { metadata: {}, ...outcome } as { data: object; metadata: object }
    expect(object).toMatchObject({ metadata })
    expect(object.data).toEqual(data)
  })

  it('an item of a list, found by its key', async () => {
    const expression = `Object{spec: Object.spec{initContainers: [Object.spec.initContainers{name: "proxy", image: "proxy:1"}], containers: object.spec.containers.map(c, Object.spec.containers{name: c.name, imagePullPolicy: "Never"})}}`
    await policy('p', { matchConstraints: { resourceRules: [rule('pods')] }, ...applying(expression) })
    await made('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } })
    const { spec } = await creation(
      {
        spec: {
          containers: [
            { name: 'a', image: 'a:1' },
            { name: 'b', image: 'b:1' },
          ],
        },
      },
      pods,
    )
    const { containers, initContainers } = spec as { containers: Loose[]; initContainers: Loose[] }
    const shown = (all: Loose[]): unknown[] => all.map(({ name, image, imagePullPolicy }) => [name, image, imagePullPolicy])
    expect(shown(containers)).toEqual([
      ['a', 'a:1', 'Never'],
      ['b', 'b:1', 'Never'],
    ])
    // Filled in by defaults and by the service account's admission, which is asked again.
    expect(shown(initContainers)).toEqual([['proxy', 'proxy:1', 'IfNotPresent']])
    expect(initContainers[0]?.volumeMounts).toHaveLength(1)
  })

  it('is validated, and seen by validating policies', async () => {
    await policy('p', applying('Object{data: {"bad key!": "1"}}'))
    expect(await server.refusal('POST', configMaps, { body: { metadata: { name: 'one' } } })).toContain(
      '422 ConfigMap "one" is invalid: data[bad key!]',
    )
  })

  it('is made of updates, and never of what an update may not change', async () => {
    await creation({ data: { own: 'x' } })
    await policy('p', applying('Object{data: {"seen": oldObject.data.own}}'))
    const { object } = await server.ask('PUT', `${configMaps}/one`, { body: { metadata: { name: 'one' }, data: { own: 'y' } } })
    expect(object.data).toEqual({ own: 'y', seen: 'x' })
  })

  it('with parameters', async () => {
    await made(configMaps, { metadata: { name: 'defaults' }, data: { team: 'b' } })
    const spec = {
      matchConstraints: { resourceRules: [rule('secrets')] },
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      ...applying('Object{metadata: Object.metadata{labels: {"team": params.data.team}}}'),
    }
    await policy('p', spec, { paramRef: { name: 'defaults', parameterNotFoundAction: 'Deny' } })
    const { metadata } = await creation({}, '/api/v1/namespaces/default/secrets')
    expect(metadata).toMatchObject({ labels: { app: 'web', team: 'b' } })
  })
})

describe('policies that change what others made', () => {
  const count = 'Object{data: {"count": string(int(object.data.count) + 1)}}'
  const other = 'Object{data: {"other": "1"}}'

  it.each<[reinvocationPolicy: string, count: string]>([
    ['Never', '1'],
    ['IfNeeded', '2'],
  ])('ask those who want it again: %s', async (reinvocationPolicy, expected) => {
    await policy('a', { ...applying(count), reinvocationPolicy })
    await policy('b', applying(other))
    expect((await creation({ data: { count: '0' } })).data).toEqual({ count: expected, other: '1' })
  })

  it('are not asked again when nothing has changed since', async () => {
    await policy('a', { ...applying(count), reinvocationPolicy: 'IfNeeded' })
    expect((await creation({ data: { count: '0' } })).data).toEqual({ count: '1' })
  })
})

describe('a mutation that cannot be made', () => {
  const denied = (message: string): string => `403 Invalid policy 'p' with binding 'p-b' denied request: ${message}`

  it.each<[name: string, spec: object, message: string]>([
    [
      'fails',
      applying('Object{data: {"a": object.data.nope}}'),
      `expression 'Object{data: {"a": object.data.nope}}' resulted in error: no such key: nope`,
    ],
    [
      'names another type',
      applying('Object{metadata: Object.wrong{labels: {"a": "b"}}}'),
      'type mismatch: unexpected type name "Object.wrong", expected "Object.metadata", which matches field name path from root Object type',
    ],
    ['moves the object', applying('Object{metadata: Object.metadata{name: "two"}}'), 'metadata.name must not be changed by a mutation'],
    [
      'does not apply',
      patching('[JSONPatch{op: "remove", path: "/data/nope"}]'),
      "JSON Patch: error in remove for path: '/data/nope': Unable to remove nonexistent key: nope: missing value",
    ],
    [
      'sets what is not there',
      applying('Object{nope: 1}'),
      'error applying patch: failed to convert patch object to typed object: .nope: field not declared in schema',
    ],
  ])('%s', async (_, spec, message) => {
    await policy('p', spec)
    const outcome = await creation({ data: { own: 'x' } }).then(
      () => '',
      (error: Error) => error.message,
    )
    expect(outcome).toBe(denied(message))
  })

  it('is told of a list that is one whole', async () => {
    const expression = 'Object{spec: Object.spec{containers: [Object.spec.containers{name: "a", args: ["x"]}]}}'
    await policy('p', { matchConstraints: { resourceRules: [rule('pods')] }, ...applying(expression) })
    await made('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } })
    await expect(creation({ spec: { containers: [{ name: 'a', image: 'a:1' }] } }, pods)).rejects.toThrow(
      'error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.containers[0].args',
    )
  })

  it('may be ignored', async () => {
    await policy('p', { failurePolicy: 'Ignore', ...applying('Object{data: {"a": object.data.nope}}', 'Object{data: {"b": "1"}}') })
    expect((await creation({ data: { own: 'x' } })).data).toEqual({ own: 'x', b: '1' })
  })

  it.each<[mutations: object, fault: string]>([
    [applying('1'), 'spec.mutations[0].applyConfiguration.expression: Invalid value: "1": must evaluate to Object but got int'],
    [
      patching('[JSONPatch{op: 1}]'),
      `spec.mutations[0].jsonPatch.expression: Invalid value: "[JSONPatch{op: 1}]": compilation failed: ERROR: <input>:1:14: expected type of field 'op' is 'string' but provided type is 'int'\n | [JSONPatch{op: 1}]\n | .............^`,
    ],
  ])('is refused beforehand: %j', async (mutations, fault) => {
    const spec = { matchConstraints: { resourceRules: [rule('configmaps')] }, reinvocationPolicy: 'Never', ...mutations }
    expect(await server.refusal('POST', `${group}/mutatingadmissionpolicies`, { body: { metadata: { name: 'p' }, spec } })).toBe(
      `422 MutatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: ${fault}`,
    )
  })
})

it('mutations are counted', async () => {
  await policy('p', applying('Object{data: {"a": "1"}}'))
  await creation()
  const answer = await server.raw('GET', '/metrics')
  expect(answer.type === 'text' ? answer.text : '').toContain(
    'apiserver_mutating_admission_policy_check_total{policy="p",policy_binding="p-b",error_type="no_error"} 1',
  )
})
