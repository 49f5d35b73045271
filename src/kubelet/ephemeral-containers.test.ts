import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EphemeralContainer, Pod } from '../api/generated/types.ts'
import { pods } from '../api/registry.ts'
import { TestKubelet } from './testing/test-kubelet.ts'

let kubelet: TestKubelet
beforeEach(async () => {
  kubelet = await TestKubelet.start()
})
afterEach(() => kubelet.close())

const sh = (script: string, name: string) => ({ name, image: 'web:1', command: ['sh', '-c', script] })
const statusOf = (pod: Pod | undefined, name: string) => pod?.status?.ephemeralContainerStatuses?.find((one) => one.name === name)
const ranOf = async (name: string) => (await kubelet.runtime.listContainers()).filter((container) => container.name === name)

/** A running pod, and a container for debugging beside what it has. */
async function debug(...ephemeralContainers: EphemeralContainer[]): Promise<void> {
  const pod = (await kubelet.pod('a')) as Pod
  const more = [...(pod.spec.ephemeralContainers ?? []), ...ephemeralContainers]
  const next = { ...pod, spec: { ...pod.spec, ephemeralContainers: more } }
  await kubelet.client.resource<Pod>(pods, 'default').updateSubresource(next, 'ephemeralcontainers')
}

test('it runs beside a container that fails, once, whatever becomes of it and of the kubelet', async () => {
  await kubelet.run('a', { containers: [sh('exit 3', 'web')] })
  await kubelet.until('a', (pod) => pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff')
  await debug(sh('sleep 1; exit 4', 'look'))
  const pod = await kubelet.until('a', (now) => statusOf(now, 'look')?.state?.terminated)
  expect(statusOf(pod, 'look')).toMatchObject({ ready: false, restartCount: 0, state: { terminated: { exitCode: 4, reason: 'Error' } } })
  expect(statusOf(pod, 'look')).not.toHaveProperty('started')
  expect(pod.status?.observedGeneration).toBe(2)
  await kubelet.kill()
  await kubelet.boot()
  await kubelet.pass(60_000)
  expect(await ranOf('look')).toHaveLength(1)
})

test('it waits for the container whose processes it is to see', async () => {
  const readinessProbe = { exec: { command: ['true'] } }
  await kubelet.run('a', { containers: [{ ...sh('sleep 1; exit 3', 'web'), readinessProbe }] })
  await kubelet.until('a', (pod) => pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff')
  await debug({ ...sh('forever', 'look'), targetContainerName: 'web' })
  const waiting = await kubelet.until('a', (pod) => statusOf(pod, 'look')?.state?.waiting?.message, 5000, 100)
  expect(statusOf(waiting, 'look')?.state?.waiting?.message).toBe('unable to find target container web')
})

test('one that still runs ends with its pod', async () => {
  await kubelet.run('a', { restartPolicy: 'Never', containers: [sh('sleep 5; exit 0', 'web')] })
  await kubelet.until('a', (pod) => pod?.status?.phase === 'Running')
  await debug(sh('forever', 'look'))
  await kubelet.until('a', (pod) => statusOf(pod, 'look')?.state?.running)
  await kubelet.until('a', (pod) => pod?.status?.phase === 'Succeeded')
  const done = await kubelet.until('a', (pod) => statusOf(pod, 'look')?.state?.terminated)
  expect(done.status?.phase).toBe('Succeeded')
})
