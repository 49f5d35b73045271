import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Pod } from '../../src/api/generated/types.ts'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'
import { pod } from './harness/manifests.ts'

const image = 'ownkube.test/busybox:1'
const mebi = 2 ** 20
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('resize')
  await cluster.importBusybox(image)
  const resources = { requests: { cpu: '100m', memory: '32Mi' }, limits: { cpu: '500m', memory: '64Mi' } }
  const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }]
  const command = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done']
  const [free, restarted] = ['free', 'restarted'].map((name) => ({ name, image, command, resources }))
  await cluster.apply(pod('app', [free, { ...restarted, resizePolicy }] as never))
  await cluster.must(['wait', '--for=condition=Ready', 'pod/app', '--timeout=60s'])
})
afterAll(async () => {
  await cluster?.remove()
})

const app = (): Promise<Pod> => cluster.json<Pod>(['get', 'pod', 'app'])
const patch = (name: string, resources: object): string[] => {
  const body = JSON.stringify({ spec: { containers: [{ name, resources }] } })
  return ['patch', 'pod', 'app', '--subresource=resize', '-p', body]
}

/** What the kernel holds a container to, seen from within: bytes, and microseconds of each tenth of a second. */
async function held(name: string): Promise<{ memory: number; cpu: number }> {
  const one = (v2: string, v1: string): string => `cat /sys/fs/cgroup/${v2} 2>/dev/null || cat /sys/fs/cgroup/${v1}`
  const script = `${one('memory.max', 'memory/memory.limit_in_bytes')}; ${one('cpu.max', 'cpu/cpu.cfs_quota_us')}`
  const [memory, cpu] = (await cluster.must(['exec', 'app', '-c', name, '--', 'sh', '-c', script])).split('\n')
  return { memory: Number(memory), cpu: Number.parseInt(cpu ?? '', 10) }
}

async function settled(name: string, wanted: object, restartCount: number): Promise<void> {
  await eventually(async () => {
    const { status } = await app()
    const told = status?.containerStatuses?.find((one) => one.name === name)
    expect(told).toMatchObject({ resources: wanted, restartCount, ready: true })
    expect(status?.conditions?.map(({ type }) => type)).not.toContain('PodResizeInProgress')
  })
}

describe('pods are resized while they run', () => {
  it('more and less of both, without a restart', async () => {
    expect(await held('free')).toEqual({ memory: 64 * mebi, cpu: 50_000 })
    await cluster.must(patch('free', { limits: { cpu: '800m', memory: '128Mi' } }))
    await settled('free', { limits: { cpu: '800m', memory: '128Mi' } }, 0)
    expect(await held('free')).toEqual({ memory: 128 * mebi, cpu: 80_000 })
    await cluster.must(patch('free', { limits: { cpu: '300m', memory: '48Mi' } }))
    await settled('free', { limits: { cpu: '300m', memory: '48Mi' } }, 0)
    expect(await held('free')).toEqual({ memory: 48 * mebi, cpu: 30_000 })
  })

  it('with a restart where its policy says so', async () => {
    await cluster.must(patch('restarted', { limits: { memory: '96Mi' } }))
    await settled('restarted', { limits: { memory: '96Mi' } }, 1)
    expect((await held('restarted')).memory).toBe(96 * mebi)
    expect(await cluster.must(['events', '--for', 'pod/app'])).toMatch(/Killing .*Container restarted resize requires restart/)
    expect((await app()).status?.containerStatuses?.find(({ name }) => name === 'free')?.restartCount).toBe(0)
  })

  it('more than the node has is told to be infeasible, and changes nothing', async () => {
    await cluster.must(patch('free', { requests: { cpu: '1000' }, limits: { cpu: '1000' } }))
    await cluster.must(['wait', '--for=condition=PodResizePending', 'pod/app', '--timeout=20s'])
    expect(await cluster.must(['describe', 'pod', 'app'])).toMatch(/ResizeInfeasible/)
    expect((await held('free')).cpu).toBe(30_000)
    await cluster.must(patch('free', { requests: { cpu: '100m' }, limits: { cpu: '300m' } }))
    await settled('free', { limits: { cpu: '300m', memory: '48Mi' } }, 0)
    expect((await app()).status?.conditions?.map(({ type }) => type)).not.toContain('PodResizePending')
  })

  it('what upstream refuses is refused', async () => {
    const { stderr } = await cluster.kubectl(patch('free', { limits: { memory: null } }))
    expect(stderr).toContain('spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed')
  })
})
