import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Container, Pod, ResourceRequirements } from '../api/generated/types.ts'
import { pods } from '../api/registry.ts'
import { TestKubelet } from './testing/test-kubelet.ts'

let kubelet: TestKubelet
beforeEach(async () => {
  kubelet = await TestKubelet.start()
})
afterEach(() => kubelet.close())

const amounts = (cpu: string, memory: string) => ({ cpu, memory })
const small: ResourceRequirements = { requests: amounts('100m', '64Mi'), limits: amounts('1', '128Mi') }
const sh = (script: string, more: Partial<Container> = {}): Container => ({
  ...{ name: 'web', image: 'web:1', command: ['sh', '-c', script], resources: small },
  ...more,
})

async function resize(name: string, resources: ResourceRequirements): Promise<void> {
  const pod = (await kubelet.pod(name)) as Pod
  const containers = pod.spec.containers.map((container) => ({ ...container, resources }))
  await kubelet.client.resource<Pod>(pods, 'default').updateSubresource({ ...pod, spec: { ...pod.spec, containers } }, 'resize')
}
const first = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0]
const running = (pod: Pod | undefined) => first(pod)?.state?.running
const condition = (pod: Pod | undefined, type: string) => pod?.status?.conditions?.find((one) => one.type === type)
const reasons = async (name: string) => (await kubelet.events(name)).map((text) => text.split(':')[0])
async function given(name = 'web') {
  const [newest] = (await kubelet.runtime.listContainers()).filter((one) => one.name === name).sort((a, b) => b.attempt - a.attempt)
  return kubelet.runtime.resourcesOf(newest?.id ?? '')
}

test('a running container is given what its pod asks for, without a restart', async () => {
  await kubelet.run('a', { containers: [sh('forever')] })
  const before = await kubelet.until('a', running)
  expect(first(before)).toMatchObject({ allocatedResources: small.requests, resources: small })
  const large = { requests: amounts('200m', '96Mi'), limits: amounts('1500m', '256Mi') }
  await resize('a', large)
  const after = await kubelet.until('a', (pod) => first(pod)?.resources?.limits?.cpu === '1500m')
  expect(first(after)).toMatchObject({ allocatedResources: large.requests, resources: large, restartCount: 0 })
  expect(condition(after, 'PodResizeInProgress')).toBeUndefined()
  expect(after.status?.observedGeneration).toBe(2)
  expect(await given()).toMatchObject({ cpuQuota: 150_000, cpuShares: 204, memoryLimitBytes: 256 * 2 ** 20 })
  expect(await reasons('a')).toEqual(expect.arrayContaining(['ResizeStarted', 'ResizeCompleted']))
})

test.each(['Always', 'OnFailure'] as const)('where its policy says so it is restarted at once (%s)', async (restartPolicy) => {
  const policy = { resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }] }
  await kubelet.run('a', { restartPolicy, containers: [sh('forever', policy)] })
  await kubelet.until('a', running)
  await resize('a', { requests: amounts('200m', '64Mi'), limits: amounts('1', '128Mi') })
  await kubelet.until('a', (pod) => first(pod)?.resources?.requests?.cpu === '200m')
  expect(first(await kubelet.pod('a'))).toMatchObject({ restartCount: 0 })
  await resize('a', { requests: amounts('200m', '64Mi'), limits: amounts('1', '100Mi') })
  const after = await kubelet.until('a', (pod) => running(pod) && first(pod)?.restartCount === 1, 8000)
  expect(first(after)?.resources?.limits?.memory).toBe('100Mi')
  expect(await given()).toMatchObject({ memoryLimitBytes: 100 * 2 ** 20 })
  await kubelet.rest()
  expect(await reasons('a')).not.toContain('BackOff')
})

test('what the node can never have is infeasible, what it has not now waits until another pod goes', async () => {
  const { allocatable } = (await kubelet.node()).status ?? {}
  const cores = Number(allocatable?.cpu)
  const half: ResourceRequirements = { requests: { cpu: `${cores * 500}m` } }
  await kubelet.run('other', { containers: [sh('forever', { resources: half })] })
  await kubelet.run('a', { containers: [sh('forever', { resources: { requests: { cpu: '10m' } } })] })
  await kubelet.until('other', running)
  await kubelet.until('a', running)
  await resize('a', { requests: { cpu: String(cores + 1) } })
  const never = await kubelet.until('a', (pod) => condition(pod, 'PodResizePending'))
  expect(condition(never, 'PodResizePending')).toMatchObject({
    ...{ status: 'True', reason: 'Infeasible' },
    message: `Node didn't have enough capacity: cpu, requested: ${(cores + 1) * 1000}, capacity: ${cores * 1000}`,
  })
  expect(first(never)).toMatchObject({ allocatedResources: { cpu: '10m' }, resources: { requests: { cpu: '10m' } } })

  await resize('a', { requests: { cpu: String(cores) } })
  const later = await kubelet.until('a', (pod) => condition(pod, 'PodResizePending')?.reason === 'Deferred')
  expect(condition(later, 'PodResizePending')?.message).toBe(
    `Node didn't have enough resource: cpu, requested: ${cores * 1000}, used: ${cores * 500}, capacity: ${cores * 1000}`,
  )
  await kubelet.client.resource<Pod>(pods, 'default').delete('other', { gracePeriodSeconds: 0 })
  const granted = await kubelet.until('a', (pod) => first(pod)?.allocatedResources?.cpu === String(cores), 8000)
  expect(condition(granted, 'PodResizePending')).toBeUndefined()
})

test('less memory than is in use is an error until the pod asks for more', async () => {
  await kubelet.run('a', { containers: [sh('forever')] })
  await kubelet.until('a', running)
  await resize('a', { requests: amounts('100m', '1Mi'), limits: amounts('1', '5Mi') })
  const stuck = await kubelet.until('a', (pod) => condition(pod, 'PodResizeInProgress')?.reason === 'Error')
  expect(condition(stuck, 'PodResizeInProgress')?.message).toMatch(/below current usage/)
  expect(first(stuck)).toMatchObject({ allocatedResources: { memory: '1Mi' }, resources: { limits: { memory: '128Mi' } } })
  await resize('a', { requests: amounts('100m', '1Mi'), limits: amounts('1', '20Mi') })
  const done = await kubelet.until('a', (pod) => first(pod)?.resources?.limits?.memory === '20Mi')
  expect(condition(done, 'PodResizeInProgress')).toBeUndefined()
})

test('a kubelet that starts again knows what was given, and gives what was asked for meanwhile', async () => {
  await kubelet.run('a', { containers: [sh('forever')] })
  await kubelet.until('a', running)
  await kubelet.kill()
  await resize('a', { requests: amounts('300m', '64Mi'), limits: amounts('1', '128Mi') })
  await kubelet.boot()
  const after = await kubelet.until('a', (pod) => first(pod)?.allocatedResources?.cpu === '300m')
  expect(first(after)).toMatchObject({ restartCount: 0, resources: { requests: { cpu: '300m' } } })
  expect(await given()).toMatchObject({ cpuShares: 307 })
})
