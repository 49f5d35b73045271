import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { pods } from '../api/registry.ts'
import { TestKubelet } from './testing/test-kubelet.ts'

let kubelet: TestKubelet
beforeEach(async () => {
  kubelet = await TestKubelet.start()
})
afterEach(() => kubelet.close())

const web = { name: 'web', image: 'web:1' }

describe('a kubelet', () => {
  test('registers its node and is Ready', async () => {
    await kubelet.rest()
    const node = await kubelet.node()
    expect(node.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({ status: 'True', reason: 'KubeletReady' })
    expect(node.spec.podCIDR).toBe('10.244.0.0/24')
    expect(node.metadata.labels?.['kubernetes.io/hostname']).toBe('n1')
  })

  test('runs a pod and says so', async () => {
    await kubelet.run('a', { containers: [web] })
    const pod = await kubelet.until('a', (pod) => pod?.status?.phase === 'Running')
    expect(pod.status).toMatchObject({ hostIP: '192.0.2.1', qosClass: 'BestEffort' })
    expect(pod.status?.podIP).toMatch(/^10\.244\./)
    expect(pod.status?.conditions?.filter(({ status }) => status === 'True').map(({ type }) => type)).toEqual(
      expect.arrayContaining(['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady']),
    )
    expect(pod.status?.containerStatuses?.[0]).toMatchObject({ name: 'web', ready: true, started: true, restartCount: 0 })
    expect(await kubelet.events('a')).toEqual([
      'Pulled: Container image "web:1" already present on machine and can be accessed by the pod',
      'Created: Container created',
      'Started: Container started',
    ])
  })

  test('deletes a pod gracefully and leaves nothing of it', async () => {
    await kubelet.run('a', { containers: [web, { ...web, name: 'two' }], terminationGracePeriodSeconds: 5 })
    await kubelet.until('a', (pod) => pod?.status?.phase === 'Running')
    await kubelet.client.resource(pods, 'default').delete('a')
    await kubelet.until('a', (pod) => pod === undefined)
    await kubelet.pass(3000)
    expect(await kubelet.runtime.listPodSandboxes()).toEqual([])
    expect(await kubelet.runtime.listContainers()).toEqual([])
  })
})
