import { afterEach, describe, expect, test } from 'vitest'
import type { Pod } from '../../api/generated/types.ts'
import { pod, TestServer } from '../testing/test-server.ts'
import { chosenPlugins, readAdmissionConfiguration } from './admission-configuration.ts'
import { alwaysPullImages } from './always-pull-images.ts'
import { extendedResourceToleration } from './extended-resource-toleration.ts'
import { limitPodHardAntiAffinityTopology } from './limit-pod-anti-affinity.ts'
import { podNodeSelector } from './pod-node-selector.ts'
import { factsOf, refusalOf, requestOf } from './testing/fake-facts.ts'

const podOf = (spec: object) => ({ kind: 'Pod', metadata: { name: 'web' }, spec: { containers: [{ name: 'a', image: 'i' }], ...spec } })
const chosen = (enable: string[], disable: string[] = [], configurations: Record<string, unknown> = {}) =>
  chosenPlugins({ enable, disable, configurations: new Map(Object.entries(configurations)) })
const faultOf = (run: () => unknown): string => refusalOf(() => void run()) ?? 'taken'

describe('which plug-ins are on', () => {
  test('the usual ones, in upstream order, with what is asked for in its place', () => {
    const names = chosen(['PodNodeSelector', 'AlwaysPullImages'], ['DefaultTolerationSeconds']).map(({ name }) => name)
    expect(names.slice(0, 8)).toEqual([
      'NamespaceLifecycle',
      'NodeRestriction',
      'LimitRanger',
      'ServiceAccount',
      'TaintNodesByCondition',
      'AlwaysPullImages',
      'PodSecurity',
      'PodNodeSelector',
    ])
    expect(names.at(-1)).toBe('ResourceQuota')
    expect(names).not.toContain('DefaultTolerationSeconds')
  })

  test.each<[string[], string[], string]>([
    [['Nope'], [], 'enable-admission-plugins plugin "Nope" is unknown'],
    [[], ['Nope'], 'disable-admission-plugins plugin "Nope" is unknown'],
    [['Priority'], ['Priority'], '[Priority] in enable-admission-plugins and disable-admission-plugins overlapped'],
    [['ImagePolicyWebhook'], [], 'enable-admission-plugins plugin "ImagePolicyWebhook" is not in this server'],
    [[], ['ImagePolicyWebhook'], 'taken'],
  ])('%j without %j', (enable, disable, fault) => {
    expect(faultOf(() => chosen(enable, disable))).toBe(fault)
  })

  test('what they are told, in place or in a file', async () => {
    const configuration = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- {name: PodNodeSelector, path: selectors.yaml}
- {name: PodSecurity, configuration: {apiVersion: pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration}}
`
    const files: string[] = []
    const told = await readAdmissionConfiguration(configuration, async (path) => {
      files.push(path)
      return { podNodeSelectorPluginConfig: { dev: 'a=b' } }
    })
    expect([...told.keys()]).toEqual(['PodNodeSelector', 'PodSecurity'])
    expect(files).toEqual(['selectors.yaml'])
    await expect(readAdmissionConfiguration(`${configuration}x: 1\n`, async () => ({}))).rejects.toThrow(
      'strict decoding error: unknown field "x"',
    )
  })

  test.each([
    [{ PodNodeSelector: { podNodeSelectorPluginConfig: { dev: 'a' } } }, 'podNodeSelectorPluginConfig[dev]: invalid selector: a'],
    [{ PodNodeSelector: { other: {} } }, 'strict decoding error: unknown field "other"'],
    [{ PodSecurity: { kind: 'Other', apiVersion: 'v1' } }, 'no kind "Other" is registered for version "v1"'],
    [
      {
        PodSecurity: {
          apiVersion: 'pod-security.admission.config.k8s.io/v1',
          kind: 'PodSecurityConfiguration',
          defaults: { enforce: 'strict', 'warn-version': '1.2' },
          exemptions: { namespaces: ['A', 'b', 'b'], usernames: [''] },
        },
      },
      '[defaults.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted, ' +
        'defaults.warn-version: Invalid value: "1.2": must be "latest" or "v1.x", exemptions.namespaces[0]: Invalid value: "A": a lowercase RFC 1123 label',
    ],
    [{ Priority: {} }, 'admission plugin "Priority" takes no configuration here'],
  ])('%j is refused', (configurations, fault) => {
    expect(faultOf(() => chosen(['PodNodeSelector'], [], configurations as Record<string, unknown>))).toContain(fault)
  })
})

describe('AlwaysPullImages', () => {
  test('has every image pulled, those of volumes too; an update only where it brings another image', () => {
    const spec = {
      initContainers: [{ name: 'b', image: 'j', imagePullPolicy: 'Never' }],
      volumes: [{ name: 'v', image: { reference: 'k' } }],
    }
    const made = requestOf(podOf(spec))
    alwaysPullImages.admit?.(made, factsOf())
    const { containers, initContainers, volumes } = (made.object as Pod).spec
    expect([containers[0]?.imagePullPolicy, initContainers?.[0]?.imagePullPolicy, volumes?.[0]?.image?.pullPolicy]).toEqual([
      'Always',
      'Always',
      'Always',
    ])
    const same = requestOf(podOf({}), podOf({}))
    alwaysPullImages.admit?.(same, factsOf())
    expect((same.object as Pod).spec.containers[0]?.imagePullPolicy).toBeUndefined()
    const other = requestOf(podOf({ containers: [{ name: 'a', image: 'new' }] }), podOf({}))
    alwaysPullImages.admit?.(other, factsOf())
    expect((other.object as Pod).spec.containers[0]?.imagePullPolicy).toBe('Always')
  })
})

describe('ExtendedResourceToleration', () => {
  test('whoever asks for devices tolerates their taints, once', () => {
    const resources = { requests: { cpu: '1', 'example.com/gpu': '1', 'kubernetes.io/x': '1', 'a.com/fpga': '1' } }
    const tolerations = [{ key: 'example.com/gpu', operator: 'Exists', effect: 'NoSchedule' }, { key: 'mine' }]
    const made = requestOf(podOf({ containers: [{ name: 'a', resources }], tolerations }))
    extendedResourceToleration.admit?.(made, factsOf())
    expect((made.object as Pod).spec.tolerations).toEqual([
      { key: 'mine' },
      { key: 'a.com/fpga', operator: 'Exists', effect: 'NoSchedule' },
      { key: 'example.com/gpu', operator: 'Exists', effect: 'NoSchedule' },
    ])
  })
})

describe('LimitPodHardAntiAffinityTopology', () => {
  test.each([
    ['kubernetes.io/hostname', undefined],
    [
      'zone',
      'pods "web" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key kubernetes.io/hostname is allowed',
    ],
  ])('%s', (topologyKey, refusal) => {
    const podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey }] }
    const request = requestOf(podOf({ affinity: { podAntiAffinity } }))
    expect(refusalOf(() => limitPodHardAntiAffinityTopology.validate?.(request, factsOf()))).toBe(refusal)
  })
})

describe('PodNodeSelector', () => {
  const namespace = (selector: string) => ({
    kind: 'Namespace',
    metadata: { name: 'default', annotations: { 'scheduler.alpha.kubernetes.io/node-selector': selector } },
  })
  const plugin = podNodeSelector({ clusterDefaultNodeSelector: 'env=dev', default: 'env=prod,disk=ssd' })
  const facts = (selector: string) => {
    const all = factsOf(namespace(selector))
    return { ...all, get: ((kind, at, name) => (name === 'default' ? namespace(selector) : all.get(kind, at, name))) as typeof all.get }
  }
  test('pods get what their namespace is for, and what they ask for beside it', () => {
    const made = requestOf(podOf({ nodeSelector: { disk: 'ssd' } }))
    plugin.admit?.(made, facts('env=prod'))
    expect((made.object as Pod).spec.nodeSelector).toEqual({ env: 'prod', disk: 'ssd' })
    expect(refusalOf(() => plugin.validate?.(made, facts('env=prod')))).toBeUndefined()
    const plain = requestOf(podOf({}))
    plugin.admit?.(plain, factsOf())
    expect((plain.object as Pod).spec.nodeSelector).toEqual({ env: 'dev' })
  })
  test('what contradicts it is refused, and what goes beyond what it may', () => {
    expect(refusalOf(() => plugin.admit?.(requestOf(podOf({ nodeSelector: { env: 'test' } })), facts('env=prod')))).toBe(
      'pods "web" is forbidden: pod node label selector conflicts with its namespace node label selector',
    )
    expect(refusalOf(() => plugin.validate?.(requestOf(podOf({ nodeSelector: { env: 'prod', cpu: 'x' } })), facts('env=prod')))).toBe(
      'pods "web" is forbidden: pod node label selector labels conflict with its namespace whitelist',
    )
  })
})

describe('through the server', () => {
  const servers: TestServer[] = []
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close()
  })
  async function serverWith(...choice: Parameters<typeof chosen>): Promise<TestServer> {
    const server = await TestServer.start({ admissionPlugins: chosen(...choice) })
    servers.push(server)
    return server
  }

  test('NamespaceAutoProvision makes the namespace of the first object, but not for a dry run', async () => {
    const server = await serverWith(['NamespaceAutoProvision'], ['ServiceAccount'])
    const maps = '/api/v1/namespaces/fresh/configmaps'
    expect(await server.refusal('POST', `${maps}?dryRun=All`, { body: { metadata: { name: 'a' } } })).toContain('404')
    expect((await server.ask('POST', maps, { body: { metadata: { name: 'a' } } })).code).toBe(201)
    expect((await server.ask('GET', '/api/v1/namespaces/fresh')).code).toBe(200)
  })

  test('NamespaceExists asks of deletions, too', async () => {
    const server = await serverWith(['NamespaceExists'])
    expect(await server.refusal('DELETE', '/api/v1/namespaces/none/configmaps/a')).toBe('404 namespaces "none" not found')
  })

  test('DenyServiceExternalIPs lets a Service keep or lose its own', async () => {
    const open = await TestServer.start()
    const service = { metadata: { name: 's' }, spec: { ports: [{ port: 80 }], externalIPs: ['192.0.2.1'] } }
    await open.ask('POST', '/api/v1/namespaces/default/services', { body: service })
    await open.server.close()
    const server = await TestServer.start({ store: open.store, admissionPlugins: chosen(['DenyServiceExternalIPs']) })
    servers.push(server)
    const url = '/api/v1/namespaces/default/services'
    const why = 'is forbidden: Use of external IPs is denied by admission control'
    expect(await server.refusal('POST', url, { body: { ...service, metadata: { name: 't' } } })).toBe(`403 services "t" ${why}`)
    const patch = (spec: object) => ({ body: { metadata: { labels: { a: 'b' } }, spec }, contentType: 'application/merge-patch+json' })
    expect((await server.ask('PATCH', `${url}/s`, patch({}))).code).toBe(200)
    expect(await server.refusal('PATCH', `${url}/s`, patch({ externalIPs: ['192.0.2.2'] }))).toBe(`403 services "s" ${why}`)
    expect((await server.ask('PATCH', `${url}/s`, patch({ externalIPs: [] }))).code).toBe(200)
  })

  test('OwnerReferencesPermissionEnforcement: to give to an owner one must be allowed to delete; to block it, to finalize it', async () => {
    const server = await serverWith(['OwnerReferencesPermissionEnforcement'])
    const rule = (resources: string[], verbs: string[]) => ({ apiGroups: [''], resources, verbs })
    const role = { metadata: { name: 'r' }, rules: [rule(['configmaps'], ['create', 'update', 'patch', 'get'])] }
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default'
    await server.ask('POST', `${rbac}/roles`, { body: role })
    const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'eve' }]
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' }
    await server.ask('POST', `${rbac}/rolebindings`, { body: { metadata: { name: 'r' }, subjects, roleRef } })
    const user = { name: 'eve', uid: '', groups: ['system:authenticated'], extra: {} }
    const maps = '/api/v1/namespaces/default/configmaps'
    const { object } = await server.ask('POST', maps, { body: { metadata: { name: 'owner' } } })
    const owned = (more: object) => ({
      metadata: { name: 'a', ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: object.metadata.uid, ...more }] },
    })
    expect((await server.ask('POST', maps, { user, body: owned({}) })).code).toBe(201)
    const refs = { user, body: { metadata: { ownerReferences: null } }, contentType: 'application/merge-patch+json' }
    expect(await server.refusal('PATCH', `${maps}/a`, refs)).toBe(
      `403 configmaps "a" is forbidden: cannot set an ownerRef on a resource you can't delete: , <nil>`,
    )
    const blocking = { ...owned({ blockOwnerDeletion: true }), metadata: { ...owned({ blockOwnerDeletion: true }).metadata, name: 'b' } }
    const cannotBlock = `403 configmaps "b" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>`
    expect(await server.refusal('POST', maps, { user, body: blocking })).toBe(cannotBlock)
    const unknown = structuredClone(blocking)
    Object.assign(unknown.metadata.ownerReferences[0] as object, { kind: 'Foo', apiVersion: 'x.io/v1' })
    expect(await server.refusal('POST', maps, { user, body: unknown })).toContain(
      'cannot find RESTMapping for APIVersion x.io/v1 Kind Foo: no matches for kind "Foo" in version "x.io/v1"',
    )
    const rules = [...role.rules, rule(['configmaps/finalizers'], ['update']), rule(['configmaps'], ['delete'])]
    await server.ask('PUT', `${rbac}/roles/r`, { body: { ...role, rules } })
    expect((await server.ask('POST', maps, { user, body: blocking })).code).toBe(201)
    expect((await server.ask('PATCH', `${maps}/a`, refs)).code).toBe(200)
  })

  test('without ResourceQuota nothing is counted', async () => {
    const quota = { metadata: { name: 'q' }, spec: { hard: { configmaps: '0' } } }
    const [counting, free] = [await serverWith([]), await serverWith([], ['ResourceQuota'])]
    for (const [server, code] of [
      [counting, 403],
      [free, 201],
    ] as const) {
      await server.ask('POST', '/api/v1/namespaces/default/resourcequotas', { body: quota })
      const status = { ...quota, status: { hard: quota.spec.hard, used: { configmaps: '0' } } }
      await server.ask('PUT', '/api/v1/namespaces/default/resourcequotas/q/status', { body: status })
      expect((await server.ask('POST', '/api/v1/namespaces/default/configmaps', { body: { metadata: { name: 'a' } } })).code).toBe(code)
    }
  })

  test('Pod Security by the cluster: what holds for all, and who is exempt', async () => {
    const configuration = {
      apiVersion: 'pod-security.admission.config.k8s.io/v1',
      kind: 'PodSecurityConfiguration',
      defaults: { enforce: 'baseline', 'enforce-version': 'v1.30' },
      exemptions: { usernames: ['builder'], namespaces: ['kube-system'], runtimeClasses: ['vm'] },
    }
    const server = await serverWith([], ['ServiceAccount', 'RuntimeClass'], { PodSecurity: configuration })
    const at = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`
    const open = (name: string, more = {}) => pod(name, { hostNetwork: true, ...more })
    expect(await server.refusal('POST', at('default'), { body: open('a') })).toBe(
      '403 pods "a" is forbidden: violates PodSecurity "baseline:v1.30": host namespaces (hostNetwork=true)',
    )
    expect((await server.ask('POST', at('kube-system'), { body: open('a') })).code).toBe(201)
    const builder = { name: 'builder', uid: '', groups: ['system:masters'], extra: {} }
    expect((await server.ask('POST', at('default'), { body: open('a'), user: builder })).code).toBe(201)
    expect((await server.ask('POST', at('default'), { body: open('b', { runtimeClassName: 'vm' }) })).code).toBe(201)
    const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' }
    const merge = { body: { metadata: { labels } }, contentType: 'application/merge-patch+json' }
    await server.ask('PATCH', '/api/v1/namespaces/default', merge)
    expect((await server.ask('POST', at('default'), { body: open('c') })).code).toBe(201)
    const vain = { ...merge, body: { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } } }
    expect((await server.ask('PATCH', '/api/v1/namespaces/kube-system', vain)).warnings).toContain(
      'namespace "kube-system" is exempt from Pod Security, and the policy (enforce=restricted:v1.30) will be ignored',
    )
  })
})
