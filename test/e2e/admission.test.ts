import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'
import { deployment, pod } from './harness/manifests.ts'

/** What is refused, filled in and warned of at the door, as kubectl's users see it. */
const image = 'ownkube.test/admission:1'
let cluster: TestCluster
beforeAll(async () => {
  cluster = await TestCluster.start('admission')
  await cluster.importBusybox(image)
})
afterAll(async () => {
  await cluster?.remove()
})

async function namespace(name: string, ...labels: readonly string[]): Promise<void> {
  await cluster.must(['create', 'namespace', name])
  if (labels.length > 0) await cluster.must(['label', 'namespace', name, ...labels])
}
const applyIn = (space: string, manifest: string) => cluster.kubectl(['apply', '-n', space, '-f', '-'], { input: manifest })
const sleeper = { image, command: ['sleep', '1000'] }

it('a limit range fills in what a pod leaves out and refuses what is too much', async () => {
  await namespace('limited')
  const limits = [{ type: 'Container', default: { cpu: '200m' }, defaultRequest: { cpu: '100m' }, max: { cpu: '500m' } }]
  await applyIn('limited', JSON.stringify({ apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'limits' }, spec: { limits } }))
  expect((await applyIn('limited', pod('modest', [sleeper]))).code).toBe(0)
  const path = 'jsonpath={.spec.containers[0].resources.requests.cpu} {.spec.containers[0].resources.limits.cpu}'
  expect(await cluster.must(['get', 'pod', 'modest', '-n', 'limited', '-o', path])).toBe('100m 200m')
  const greedy = await applyIn('limited', pod('greedy', [{ ...sleeper, resources: { limits: { cpu: '2' } } }]))
  expect([greedy.code, greedy.stderr]).toEqual([
    1,
    expect.stringContaining('pods "greedy" is forbidden: maximum cpu usage per Container is 500m, but limit is 2'),
  ])
})

it('a quota that is used up refuses the next, and gives back what goes', async () => {
  await namespace('counted')
  await cluster.must(['create', 'quota', 'few', '-n', 'counted', '--hard=count/deployments.apps=1,pods=1'])
  const used = 'jsonpath={.status.used.pods} {.status.used.count/deployments\\.apps}'
  const usedNow = () => cluster.must(['get', 'quota', 'few', '-n', 'counted', '-o', used])
  await eventually(async () => expect(await usedNow()).toBe('0 0'))
  expect((await applyIn('counted', pod('first', [sleeper]))).code).toBe(0)
  expect((await applyIn('counted', pod('second', [sleeper]))).stderr).toContain(
    'pods "second" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1',
  )
  expect(await usedNow()).toBe('1 0')
  await cluster.must(['delete', 'pod', 'first', '-n', 'counted', '--now'])
  await eventually(async () => expect(await usedNow()).toBe('0 0'))
})

it('a restricted namespace refuses a privileged pod and warns of a deployment', async () => {
  await namespace('strict', 'pod-security.kubernetes.io/enforce=restricted')
  const privileged = { ...sleeper, securityContext: { privileged: true } }
  const refused = await applyIn('strict', pod('root', [privileged]))
  expect(refused.stderr).toContain(
    'pods "root" is forbidden: violates PodSecurity "restricted:latest": privileged (container "main" must not set securityContext.privileged=true), allowPrivilegeEscalation != false',
  )
  const warned = await applyIn('strict', deployment('web', 0, privileged))
  expect([warned.code, warned.stderr]).toEqual([
    0,
    expect.stringContaining('Warning: would violate PodSecurity "restricted:latest": privileged'),
  ])
})

it('a drain waits for a budget that allows no disruption', async () => {
  await namespace('kept')
  await applyIn('kept', deployment('web', 1, sleeper))
  await cluster.must(['wait', '-n', 'kept', '--for=condition=Available', 'deployment/web', '--timeout=60s'])
  const labels = JSON.parse(
    await cluster.must(['get', 'deployment', 'web', '-n', 'kept', '-o', 'jsonpath={.spec.selector.matchLabels}']),
  ) as object
  const [[key, value]] = Object.entries(labels) as [[string, string]]
  await cluster.must(['create', 'pdb', 'web', '-n', 'kept', `--selector=${key}=${value}`, '--min-available=1'])
  const allowed = (path: string) => cluster.must(['get', 'pdb', 'web', '-n', 'kept', '-o', `jsonpath={.status.${path}}`])
  await eventually(async () => expect(await allowed('currentHealthy')).toBe('1'))
  const node = await cluster.must(['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}'])
  const drain = await cluster.kubectl([
    'drain',
    node,
    '--force',
    '--ignore-daemonsets',
    '--delete-emptydir-data',
    '--pod-selector',
    `${key}=${value}`,
    '--timeout=7s',
  ])
  expect(drain.code).toBe(1)
  expect(drain.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget.")
  await cluster.must(['uncordon', node])
  await cluster.must(['delete', 'pdb', 'web', '-n', 'kept'])
  await cluster.must(['drain', node, '--force', '--ignore-daemonsets', '--pod-selector', `${key}=${value}`, '--timeout=60s'])
  await cluster.must(['uncordon', node])
})
