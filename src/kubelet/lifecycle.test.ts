import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ConfigMap, Pod } from '../api/generated/types.ts'
import { configMaps, pods } from '../api/registry.ts'
import { TestKubelet } from './testing/test-kubelet.ts'

let kubelet: TestKubelet
beforeEach(async () => {
  kubelet = await TestKubelet.start()
})
afterEach(() => kubelet.close())

const web = { name: 'web', image: 'web:1' }
const sh = (script: string, name = 'web') => ({ name, image: 'web:1', command: ['sh', '-c', script] })
const state = (pod: Pod | undefined, index = 0) => pod?.status?.containerStatuses?.[index]?.state
const phase = (wanted: string) => (pod: Pod | undefined) => pod?.status?.phase === wanted

describe('restarts', () => {
  test('a container that keeps failing is restarted at once, then after 10 s, 20 s', async () => {
    await kubelet.run('a', { containers: [sh('exit 3')] })
    const waiting = await kubelet.until('a', (pod) => state(pod)?.waiting?.reason === 'CrashLoopBackOff')
    expect(state(waiting)?.waiting?.message).toMatch(/^back-off 10s restarting failed container=web pod=a_default\(/)
    expect(waiting.status?.phase).toBe('Running')
    expect(waiting.status?.containerStatuses?.[0]).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 3 } } })
    await kubelet.pass(10_000)
    const later = await kubelet.until('a', (pod) => state(pod)?.waiting?.message?.startsWith('back-off 20s'))
    expect(later.status?.containerStatuses?.[0]?.restartCount).toBe(2)
    expect(
      (await kubelet.events('a')).some((event) => event.startsWith('BackOff: Back-off restarting failed container web in pod a')),
    ).toBe(true)
    expect(await kubelet.runtime.listContainers()).toHaveLength(2)
    expect((await kubelet.get('/containerLogs/default/a/web?previous=true')).code).toBe(200)
    expect((await kubelet.get('/containerLogs/default/a/web')).code).toBe(200)
  })

  test('Never: one failure fails the pod', async () => {
    await kubelet.run('a', { restartPolicy: 'Never', containers: [sh('exit 3')] })
    const pod = await kubelet.until('a', phase('Failed'))
    expect(state(pod)?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' })
    expect(pod.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({ status: 'False', reason: 'PodFailed' })
  })

  test('OnFailure: success ends the pod', async () => {
    await kubelet.run('a', { restartPolicy: 'OnFailure', containers: [sh('sleep 1; exit 0')] })
    const pod = await kubelet.until('a', phase('Succeeded'))
    expect(pod.status?.containerStatuses?.[0]).toMatchObject({ ready: false, restartCount: 0 })
    await kubelet.client.resource(pods, 'default').delete('a')
    await kubelet.until('a', (gone) => gone === undefined)
  })

  test('a command that is not there shows as RunContainerError, then as CrashLoopBackOff', async () => {
    await kubelet.run('a', { containers: [{ ...web, command: ['nope'] }] })
    const failed = await kubelet.until('a', (pod) => state(pod)?.waiting?.reason === 'RunContainerError', 5000, 100)
    expect(state(failed)?.waiting?.message).toContain('executable file not found')
    const pod = await kubelet.until('a', (pod) => state(pod)?.waiting?.reason === 'CrashLoopBackOff')
    expect(pod.status?.containerStatuses?.[0]?.lastState?.terminated).toMatchObject({ reason: 'StartError', exitCode: 128 })
  })

  test('a dead sandbox is made anew, and the restart counted', async () => {
    await kubelet.run('a', { containers: [web] })
    await kubelet.until('a', phase('Running'))
    kubelet.runtime.killSandbox((await kubelet.runtime.listPodSandboxes())[0]!.id)
    const pod = await kubelet.until('a', (pod) => pod?.status?.containerStatuses?.[0]?.restartCount === 1 && state(pod)?.running)
    expect((await kubelet.runtime.listPodSandboxes()).filter(({ ready }) => ready)).toHaveLength(1)
    expect(pod.status?.podIP).toBeTruthy()
    expect(await kubelet.events('a')).toContain('SandboxChanged: Pod sandbox changed, it will be killed and re-created.')
  })
})

describe('a restart of the kubelet', () => {
  test('finds its pods running and makes nothing twice', async () => {
    await kubelet.run('a', { containers: [web] })
    const before = await kubelet.until('a', phase('Running'))
    const changes = kubelet.runtime.history.length
    await kubelet.kill()
    await kubelet.boot()
    await kubelet.pass(5000)
    expect(kubelet.runtime.history.slice(changes)).toEqual([])
    expect((await kubelet.pod('a'))?.status).toEqual(before.status)
  })

  test('ends pods that were deleted meanwhile', async () => {
    await kubelet.run('a', { containers: [web] })
    await kubelet.until('a', phase('Running'))
    await kubelet.kill()
    await kubelet.client.resource(pods, 'default').delete('a', { gracePeriodSeconds: 0 })
    await kubelet.boot()
    await kubelet.pass(5000)
    expect(await kubelet.runtime.listPodSandboxes()).toEqual([])
  })
})

describe('deletion', () => {
  test('a container that ignores its signal is killed when the grace period is over', async () => {
    await kubelet.run('a', { containers: [sh("trap '' TERM; forever")], terminationGracePeriodSeconds: 7 })
    await kubelet.until('a', phase('Running'))
    const began = kubelet.clock.now()
    await kubelet.client.resource(pods, 'default').delete('a')
    await kubelet.until('a', (pod) => pod === undefined)
    expect(kubelet.clock.now() - began).toBeGreaterThanOrEqual(7000)
    expect(kubelet.clock.now() - began).toBeLessThan(9000)
  })

  test('a preStop hook uses up part of the grace period', async () => {
    await kubelet.run('a', {
      containers: [{ ...sh("trap '' TERM; forever"), lifecycle: { preStop: { sleep: { seconds: 4 } } } }],
      terminationGracePeriodSeconds: 10,
    })
    await kubelet.until('a', phase('Running'))
    await kubelet.client.resource(pods, 'default').delete('a')
    await kubelet.until('a', (pod) => pod === undefined)
    expect(kubelet.runtime.history.find((line) => line.startsWith('stopContainer'))).toMatch(/ 6$/)
  })

  test('by force: the object is gone at once and the container soon after; a new pod of that name is another pod', async () => {
    await kubelet.run('a', { containers: [sh("trap '' TERM; forever")] })
    const first = await kubelet.until('a', phase('Running'))
    await kubelet.client.resource(pods, 'default').delete('a', { gracePeriodSeconds: 0 })
    await kubelet.run('a', { containers: [web] })
    const second = await kubelet.until('a', phase('Running'))
    expect(second.metadata.uid).not.toBe(first.metadata.uid)
    await kubelet.pass(4000)
    const left = await kubelet.runtime.listPodSandboxes()
    expect(left.map(({ podUid }) => podUid)).toEqual([second.metadata.uid])
  })

  test('activeDeadlineSeconds fail the pod', async () => {
    await kubelet.run('a', { containers: [web], activeDeadlineSeconds: 5, terminationGracePeriodSeconds: 1 })
    const pod = await kubelet.until('a', phase('Failed'))
    expect(pod.status).toMatchObject({
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    })
    await kubelet.pass(2000)
    expect((await kubelet.runtime.listContainers()).filter(({ state }) => state === 'running')).toEqual([])
  })
})

describe('a pod that the node will not have', () => {
  test('fails at once, with the reason', async () => {
    await kubelet.run('a', { containers: [{ ...web, resources: { requests: { cpu: '1000' } } }] })
    const pod = await kubelet.until('a', phase('Failed'))
    expect(pod.status?.reason).toBe('OutOfcpu')
    expect(pod.status?.message).toMatch(/^Pod was rejected: Node didn't have enough resource: cpu, requested: 1000000, used: 0, capacity: /)
    expect(await kubelet.runtime.listPodSandboxes()).toEqual([])
    await kubelet.client.resource(pods, 'default').delete('a')
    await kubelet.until('a', (gone) => gone === undefined)
  })
})

describe('images', () => {
  test('one that is not there: ErrImagePull, then ImagePullBackOff, and running once it is published', async () => {
    await kubelet.run('a', { containers: [{ name: 'web', image: 'missing:1' }] })
    await kubelet.until('a', (pod) => state(pod)?.waiting?.reason === 'ErrImagePull', 5000, 100)
    const pod = await kubelet.until('a', (pod) => state(pod)?.waiting?.reason === 'ImagePullBackOff')
    expect(state(pod)?.waiting?.message).toMatch(/^Back-off pulling image "missing:1": ErrImagePull: /)
    expect(pod.status?.phase).toBe('Pending')
    expect(await kubelet.get('/containerLogs/default/a/web')).toEqual({
      ...{ code: 400, text: 'container "web" in pod "a" is waiting to start: trying and failing to pull image' },
    })
    const events = await kubelet.events('a')
    expect(events).toContain('Pulling: Pulling image "missing:1"')
    expect(events.some((event) => event.startsWith('Failed: Failed to pull image "missing:1": '))).toBe(true)
    expect(events).toContain('BackOff: Back-off pulling image "missing:1"')
    kubelet.runtime.publishImage('missing:1')
    await kubelet.until('a', phase('Running'))
  })

  test('with policy Never: ErrImageNeverPull', async () => {
    await kubelet.run('a', { containers: [{ name: 'web', image: 'missing:1', imagePullPolicy: 'Never' }] })
    const pod = await kubelet.until('a', (pod) => state(pod)?.waiting?.reason === 'ErrImageNeverPull')
    expect(state(pod)?.waiting?.message).toBe('Container image "missing:1" is not present with pull policy of Never')
  })
})

describe('configuration', () => {
  const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } }]
  const settings = (data: Record<string, string>) => ({ metadata: { name: 'settings' }, data })

  test('a missing ConfigMap holds the container back, and its creation lets it go', async () => {
    await kubelet.run('a', { containers: [{ ...web, env }] })
    const pod = await kubelet.until('a', (pod) => state(pod)?.waiting?.reason === 'CreateContainerConfigError')
    expect(state(pod)?.waiting?.message).toBe('configmap "settings" not found')
    await kubelet.client.resource<ConfigMap>(configMaps, 'default').create(settings({ a: 'x' }))
    await kubelet.until('a', phase('Running'))
    const [container] = await kubelet.runtime.listContainers()
    expect(kubelet.runtime.configOf(container!.id).env).toContainEqual({ name: 'A', value: 'x' })
  })

  test('a volume follows its ConfigMap', async () => {
    const { existsSync, readFileSync } = await import('node:fs')
    const api = kubelet.client.resource<ConfigMap>(configMaps, 'default')
    await api.create(settings({ a: 'x' }))
    const volumes = [{ name: 'v', configMap: { name: 'settings' } }]
    await kubelet.run('a', { volumes, containers: [{ ...web, volumeMounts: [{ name: 'v', mountPath: '/etc/v' }] }] })
    await kubelet.until('a', phase('Running'))
    const [container] = await kubelet.runtime.listContainers()
    const mount = kubelet.runtime.configOf(container!.id).mounts.find(({ containerPath }) => containerPath === '/etc/v')
    expect(readFileSync(`${mount?.hostPath}/a`, 'utf8')).toBe('x')
    expect(mount?.readonly).toBe(true)
    await api.patch('settings', { type: 'merge', body: { data: { a: 'y', b: 'z' } } })
    await kubelet.until('a', () => existsSync(`${mount?.hostPath}/b`))
    expect(readFileSync(`${mount?.hostPath}/a`, 'utf8')).toBe('y')
    expect(readFileSync(`${mount?.hostPath}/b`, 'utf8')).toBe('z')
  })
})

describe('init containers', () => {
  test('run one after another before the others', async () => {
    await kubelet.run('a', { initContainers: [sh('sleep 2', 'one'), sh('sleep 2', 'two')], containers: [web] })
    const waiting = await kubelet.until('a', (pod) => pod?.status?.initContainerStatuses?.[0]?.state?.running)
    expect(state(waiting)?.waiting?.reason).toBe('PodInitializing')
    expect(waiting.status?.initContainerStatuses?.[1]?.state?.waiting?.reason).toBe('PodInitializing')
    expect(waiting.status?.conditions?.find(({ type }) => type === 'Initialized')).toMatchObject({ status: 'False' })
    await kubelet.until('a', phase('Running'))
    const order = kubelet.runtime.history.filter((line) => line.startsWith('createContainer'))
    expect(order).toEqual(['createContainer one', 'createContainer two', 'createContainer web'])
  })

  test('a sidecar runs beside the others and ends after them', async () => {
    await kubelet.run('a', {
      initContainers: [{ ...web, name: 'side', restartPolicy: 'Always' }],
      restartPolicy: 'Never',
      containers: [sh('sleep 3')],
    })
    await kubelet.until('a', phase('Running'))
    const pod = await kubelet.until('a', phase('Succeeded'))
    expect(pod.status?.initContainerStatuses?.[0]?.state?.terminated).toBeTruthy()
  })
})

describe('probes', () => {
  const exec = { command: ['check'] }
  test('readiness decides Ready, a failing liveness probe restarts the container', async () => {
    let ready = false
    let alive = true
    kubelet.runtime.onExec = (_, [command]) => ({ exitCode: command === 'check' ? (ready ? 0 : 1) : alive ? 0 : 1, stdout: 'so it is' })
    const probes = {
      readinessProbe: { exec, periodSeconds: 1 },
      livenessProbe: { exec: { command: ['alive'] }, periodSeconds: 2, failureThreshold: 2 },
    }
    await kubelet.run('a', { containers: [{ ...web, ...probes }], terminationGracePeriodSeconds: 1 })
    const unready = await kubelet.until('a', phase('Running'))
    expect(unready.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      ...{ status: 'False', reason: 'ContainersNotReady', message: 'containers with unready status: [web]' },
    })
    ready = true
    await kubelet.until('a', (pod) => pod?.status?.containerStatuses?.[0]?.ready)
    alive = false
    await kubelet.until('a', (pod) => pod?.status?.containerStatuses?.[0]?.restartCount === 1)
    const events = await kubelet.events('a')
    expect(events).toContain('Unhealthy: Readiness probe failed: so it is')
    expect(events).toContain('Killing: Container web failed liveness probe, will be restarted')
  })
})
