import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ResourceQuota } from '../../../api/generated/types.ts'
import { pod, TestServer } from '../../testing/test-server.ts'
import { refusalOf, requestOf } from '../testing/fake-facts.ts'
import { chargesFor } from './charge.ts'

const quotaOf = (hard: Record<string, string>, used: Record<string, string>, spec: object = {}): ResourceQuota =>
  ({ kind: 'ResourceQuota', metadata: { name: 'q' }, spec: { hard, ...spec }, status: { hard, used } }) as unknown as ResourceQuota
const podOf = (resources: object = {}, more: object = {}) => ({
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: { containers: [{ name: 'a', resources }], ...more },
})
const cpu = (amount: string) => ({ requests: { cpu: amount } })

test.each([
  {
    name: 'a pod',
    quota: quotaOf({ pods: '2', cpu: '2' }, { pods: '1', cpu: '500m' }),
    object: podOf(cpu('1')),
    used: { pods: '2', cpu: '1500m' },
  },
  {
    name: 'an object of any kind',
    quota: quotaOf({ 'count/deployments.apps': '1' }, { 'count/deployments.apps': '0' }),
    object: { kind: 'Deployment', metadata: { name: 'd' } },
    used: { 'count/deployments.apps': '1' },
  },
  {
    name: 'a Service with node ports',
    quota: quotaOf({ services: '5', 'services.nodeports': '5' }, { services: '0', 'services.nodeports': '1' }),
    object: { kind: 'Service', metadata: { name: 's' }, spec: { type: 'NodePort', ports: [{ port: 1 }, { port: 2 }] } },
    used: { services: '1', 'services.nodeports': '3' },
  },
  {
    name: 'a claim by its class',
    quota: quotaOf(
      { 'requests.storage': '10Gi', 'fast.storageclass.storage.k8s.io/requests.storage': '5Gi' },
      { 'requests.storage': '1Gi', 'fast.storageclass.storage.k8s.io/requests.storage': '0' },
    ),
    object: {
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'c' },
      spec: { storageClassName: 'fast', resources: { requests: { storage: '2Gi' } } },
    },
    used: { 'requests.storage': '3Gi', 'fast.storageclass.storage.k8s.io/requests.storage': '2Gi' },
  },
  {
    name: 'a pod with its overhead, beside limits that it has',
    quota: quotaOf({ cpu: '2', 'limits.cpu': '2', 'limits.memory': '1Gi' }, { cpu: '0', 'limits.cpu': '0', 'limits.memory': '0' }),
    object: podOf(
      { requests: { cpu: '1' }, limits: { cpu: '1', memory: '1Mi' } },
      { overhead: { cpu: '100m', 'ephemeral-storage': '1Mi' } },
    ),
    used: { cpu: '1100m', 'limits.cpu': '1100m', 'limits.memory': '1Mi' },
  },
  { name: 'nothing that it does not limit', quota: quotaOf({ secrets: '1' }, { secrets: '1' }), object: podOf(), used: undefined },
  {
    name: 'no pod out of its scopes',
    quota: quotaOf({ pods: '1' }, { pods: '0' }, { scopes: ['NotBestEffort'] }),
    object: podOf(),
    used: undefined,
  },
  {
    name: 'a pod in its scopes',
    quota: quotaOf({ pods: '1' }, { pods: '0' }, { scopes: ['BestEffort', 'NotTerminating'] }),
    object: podOf(),
    used: { pods: '1' },
  },
  {
    name: 'a pod of its priority',
    quota: quotaOf(
      { pods: '1' },
      { pods: '0' },
      { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] } },
    ),
    object: podOf({}, { priorityClassName: 'high' }),
    used: { pods: '1' },
  },
])('a quota is charged: $name', ({ quota, object, used }) => {
  expect(chargesFor(requestOf(object), [quota]).map((charge) => charge.used)).toEqual(used ? [used] : [])
})

test('an update is charged for what it adds', () => {
  const claim = (storage: string) => ({
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'c' },
    spec: { resources: { requests: { storage } } },
  })
  const quota = quotaOf(
    { 'requests.storage': '3Gi', persistentvolumeclaims: '1' },
    { 'requests.storage': '1Gi', persistentvolumeclaims: '1' },
  )
  expect(chargesFor(requestOf(claim('2Gi'), claim('1Gi')), [quota])[0]?.used).toEqual({
    'requests.storage': '2Gi',
    persistentvolumeclaims: '1',
  })
  expect(chargesFor(requestOf(claim('1Gi'), claim('2Gi')), [quota])).toEqual([])
})

test('a pod that is resized is charged for what it adds, one whose status is written is not', () => {
  const quota = quotaOf({ cpu: '2', pods: '1' }, { cpu: '1', pods: '1' })
  const resize = requestOf(podOf(cpu('1500m')), podOf(cpu('1')))
  expect(chargesFor({ ...resize, subresource: 'resize' }, [quota])[0]?.used).toEqual({ cpu: '1500m', pods: '1' })
  expect(chargesFor({ ...resize, subresource: 'status' }, [quota])).toEqual([])
})

test.each([
  {
    quota: quotaOf({ pods: '1', cpu: '2' }, { pods: '1', cpu: '1500m' }),
    resources: cpu('1'),
    why: 'exceeded quota: q, requested: cpu=1,pods=1, used: cpu=1500m,pods=1, limited: cpu=2,pods=1',
  },
  {
    quota: quotaOf({ 'limits.cpu': '2', memory: '1Gi' }, { 'limits.cpu': '0', memory: '0' }),
    resources: {},
    why: 'failed quota: q: must specify limits.cpu for: a; memory for: a',
  },
  { quota: quotaOf({ pods: '1', cpu: '2' }, { cpu: '0' }), resources: cpu('1'), why: 'status unknown for quota: q, resources: cpu,pods' },
])('a pod is refused: $why', ({ quota, resources, why }) => {
  expect(refusalOf(() => chargesFor(requestOf(podOf(resources)), [quota]))).toBe(`pods "web" is forbidden: ${why}`)
})

describe('over the API', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await TestServer.start()
  })
  afterAll(() => server.close())
  const base = '/api/v1/namespaces/default'

  test('creations at once never exceed it, and what is not made is not charged', async () => {
    const hard = { pods: '5' }
    const made = (await server.ask('POST', `${base}/resourcequotas`, { body: { metadata: { name: 'five' }, spec: { hard } } })).object
    await server.ask('PUT', `${base}/resourcequotas/five/status`, { body: { ...made, status: { hard, used: { pods: '0' } } } })
    const used = async () =>
      ((await server.ask('GET', `${base}/resourcequotas/five`)).object as unknown as ResourceQuota).status?.used?.pods
    expect((await server.ask('POST', `${base}/pods?dryRun=All`, { body: pod('dry') })).code).toBe(201)
    expect(await used()).toBe('0')
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => server.ask('POST', `${base}/pods`, { body: pod(`p${at}`) })))
    expect(answers.filter(({ code }) => code === 201)).toHaveLength(5)
    expect(answers.filter(({ code }) => code === 403)).toHaveLength(15)
    expect(await used()).toBe('5')
    expect((await server.ask('GET', `${base}/pods`)).object.items).toHaveLength(5)
    expect(await server.refusal('POST', `${base}/pods`, { body: pod('more') })).toBe(
      '403 pods "more" is forbidden: exceeded quota: five, requested: pods=1, used: pods=5, limited: pods=5',
    )
  })

  test('two servers on one store do not exceed it either', async () => {
    const other = await TestServer.start({ store: server.store })
    const body = { metadata: { name: 'maps' }, spec: { hard: { configmaps: '4' } } }
    const made = (await server.ask('POST', `${base}/resourcequotas`, { body })).object
    const status = { hard: { configmaps: '4' }, used: { configmaps: '0' } }
    await server.ask('PUT', `${base}/resourcequotas/maps/status`, { body: { ...made, status } })
    const each = Array.from({ length: 12 }, (_, at) =>
      (at % 2 ? server : other).ask('POST', `${base}/configmaps`, { body: { metadata: { name: `m${at}` } } }),
    )
    expect((await Promise.all(each)).filter(({ code }) => code === 201)).toHaveLength(4)
    expect((await server.ask('GET', `${base}/configmaps`)).object.items).toHaveLength(4)
    await other.server.close()
  })
})
