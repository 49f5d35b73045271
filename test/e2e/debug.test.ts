import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Pod } from '../../src/api/generated/types.ts'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'
import { pod } from './harness/manifests.ts'

const image = 'ownkube.test/busybox:1'
const forever = ['sh', '-c', 'trap "exit 0" TERM; echo app is up; while :; do sleep 0.2; done']
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('debug')
  await cluster.importBusybox(image)
  await cluster.apply(pod('app', [{ name: 'app', image, command: forever }]))
  await cluster.must(['wait', '--for=condition=Ready', 'pod/app', '--timeout=60s'])
})
afterAll(async () => {
  await cluster?.remove()
})

const app = (): Promise<Pod> => cluster.json<Pod>(['get', 'pod', 'app'])
const debug = (name: string, ...more: readonly string[]): Promise<string> =>
  cluster.must(['debug', 'app', `--container=${name}`, `--image=${image}`, '--image-pull-policy=Never', ...more])

async function ended(name: string): Promise<void> {
  await eventually(async () => {
    const status = (await app()).status?.ephemeralContainerStatuses?.find((one) => one.name === name)
    if (!status?.state?.terminated) throw new Error(`${name} has not ended: ${JSON.stringify(status)}`)
  })
}

describe('kubectl debug', () => {
  it('brings a container into a pod that runs; it sees what the target runs, is logged, and is not run again', async () => {
    const before = await app()
    await debug('look', '--target=app', '--profile=general', '--', 'sh', '-c', 'echo pid 1 is; tr "\\0" " " < /proc/1/cmdline; exit 4')
    await ended('look')
    expect(await cluster.must(['logs', 'app', '-c', 'look'])).toMatch(/^pid 1 is\nsh -c trap "exit 0" TERM; echo app is up/)
    const after = await app()
    expect(after.metadata.generation).toBe((before.metadata.generation ?? 0) + 1)
    expect(after.status?.phase).toBe('Running')
    expect(after.status?.containerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 })
    const [status] = after.status?.ephemeralContainerStatuses ?? []
    expect(status).toMatchObject({ name: 'look', restartCount: 0, state: { terminated: { exitCode: 4, reason: 'Error' } } })
  })

  it('attaches: what is typed reaches the container, whose end is the end of kubectl', async () => {
    const args = ['debug', '-i', 'app', '--container=talk', `--image=${image}`, '--image-pull-policy=Never', '-q', '--', 'sh']
    const child = spawn(cluster.programs.kubectl, ['--kubeconfig', cluster.kubeconfig, ...args])
    let said = ''
    child.stdout.on('data', (part: Buffer) => {
      said += part
    })
    const end = once(child, 'close')
    // As upstream, whoever takes stdin away from such a container is detached: it stays open, as a terminal's does.
    child.stdin.write('sleep 1\necho sum $((40 + 2))\nexit\n')
    await end
    expect(said).toContain('sum 42')
    await ended('talk')
  })

  it('takes a shell in by exec', async () => {
    await debug('stay', '--target=app', '--', 'sleep', '1000')
    await eventually(async () => {
      const status = (await app()).status?.ephemeralContainerStatuses?.find(({ name }) => name === 'stay')
      if (!status?.state?.running) throw new Error(`it does not run: ${JSON.stringify(status)}`)
    })
    expect(await cluster.must(['exec', 'app', '-c', 'stay', '--', 'ps'])).toContain('sleep 1000')
  })

  it('says what is wrong', async () => {
    const add = (container: object): Promise<{ stderr: string }> => {
      const patch = JSON.stringify({ spec: { ephemeralContainers: [container] } })
      return cluster.kubectl(['patch', 'pod', 'app', '--subresource=ephemeralcontainers', '-p', patch])
    }
    expect((await add({ name: 'x', image, targetContainerName: 'nobody' })).stderr).toContain(
      'spec.ephemeralContainers[0].targetContainerName: Not found: "nobody"',
    )
    expect((await add({ name: 'look', image: 'other' })).stderr).toContain('existing ephemeral containers "look" may not be changed')
    expect((await add({ name: 'app', image })).stderr).toContain('spec.ephemeralContainers[0].name: Duplicate value: "app"')
  })

  it('copies a pod with another image and command', async () => {
    const copy = ['debug', 'app', '--copy-to=app-copy', '--container=app', '--share-processes', '--', 'sh', '-c', 'echo a copy; sleep 1000']
    await cluster.must(copy)
    await cluster.must(['wait', '--for=condition=Ready', 'pod/app-copy', '--timeout=60s'])
    expect(await cluster.must(['logs', 'app-copy'])).toBe('a copy\n')
    await cluster.must(['delete', 'pod', 'app-copy', '--grace-period=1'])
  })

  it('enters the node, whose files are under /host', async () => {
    const [{ metadata }] = (await cluster.json<{ items: [{ metadata: { name: string } }] }>(['get', 'nodes'])).items
    const said = await cluster.must([
      'debug',
      `node/${metadata.name}`,
      `--image=${image}`,
      '--image-pull-policy=Never',
      '--',
      'ls',
      '/host',
    ])
    const name = /node-debugger-\S+/.exec(said)?.[0] as string
    await cluster.must(['wait', '--for=jsonpath={.status.phase}=Succeeded', `pod/${name}`, '--timeout=60s'])
    expect(await cluster.must(['logs', name])).toMatch(/^etc$/m)
    await cluster.must(['delete', 'pod', name])
  })
})
