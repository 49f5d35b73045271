import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually, run } from './harness/command.ts'
import { processesNaming } from './harness/machine.ts'
import { deployment, nameServer, service } from './harness/manifests.ts'

/** kill -9 of each part, then `up`: same objects, same pods, same rules, nothing twice. */
const image = 'ownkube.test/busybox:1'
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('faults')
  await cluster.importBusybox(image)
  await cluster.apply(deployment('web', 3, nameServer(image, [8080])))
  await cluster.apply(service('web', { app: 'web' }, [{ port: 80, targetPort: 8080 }]))
  await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
  await eventually(async () => expect(await ask()).toBeTruthy())
})
afterAll(async () => {
  await cluster?.remove()
})

interface Pods {
  items: {
    metadata: { uid: string; name: string }
    status: { podIP: string; containerStatuses: { containerID: string; restartCount: number }[] }
  }[]
}

/** Who the pods are: the same lines before and after mean the very same containers. */
async function identities(): Promise<string[]> {
  const { items } = await cluster.json<Pods>(['get', 'pods', '-l', 'app=web'])
  return items
    .map(
      ({ metadata, status }) =>
        `${metadata.uid} ${status.podIP} ${status.containerStatuses[0]?.containerID} ${status.containerStatuses[0]?.restartCount}`,
    )
    .sort()
}

/** The elements of the Service's address. */
async function rules(): Promise<string[]> {
  const address = await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])
  const { stdout } = await run('nft', ['list', 'table', 'ip', cluster.serviceTable])
  // Of the clusters' addresses alone, for clients that are remembered come and go.
  return stdout
    .split(/\n|, /)
    .filter((line) => line.includes(address))
    .map((line) => line.trim())
    .sort()
}

async function ask(): Promise<string> {
  const address = await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])
  const { stdout, code, stderr } = await run('busybox', ['timeout', '2', 'busybox', 'wget', '-qO-', `http://${address}/`])
  if (code !== 0) throw new Error(stderr)
  return stdout.trim()
}

const containerdPid = (): number => Number(readFileSync(join(cluster.runDir, 'containerd', 'containerd.pid'), 'utf8').split(' ')[0])

const shimPids = (): number[] =>
  processesNaming(`${cluster.runDir}/`)
    .filter((line) => line.includes('containerd-shim'))
    .map((line) => Number.parseInt(line, 10))

describe('after kill -9', () => {
  for (const part of ['server', 'agent', 'containerd'] as const) {
    it(`of the ${part}, up brings back the same objects, pods and rules`, async () => {
      const before = { pods: await identities(), rules: await rules(), shims: shimPids().length }
      process.kill(part === 'containerd' ? containerdPid() : cluster.pid(part), 'SIGKILL')
      const up = await cluster.ownkube('up')
      expect(up.stderr + up.stdout).toMatch(/up\.|running already/)
      expect(up.code).toBe(0)
      await eventually(async () => {
        expect(await identities()).toEqual(before.pods)
        expect(await rules()).toEqual(before.rules)
        expect(shimPids().length).toBe(before.shims)
        expect(await ask()).toMatch(/^web-/)
      })
      await cluster.must(['scale', 'deployment/web', '--replicas=4'])
      await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s'])
      await cluster.must(['scale', 'deployment/web', '--replicas=3'])
      await eventually(async () => expect(await identities()).toHaveLength(3))
    })
  }

  it('of the server in the middle of writes, no acknowledged write is lost', async () => {
    const acknowledged: string[] = []
    for (let i = 0; i < 3; i++) {
      const script = `for n in $(seq 200); do "$K" create configmap w-${i}-$n --from-literal=n=$n -o name || exit; done`
      const writer = spawn('sh', ['-c', script], {
        env: { ...process.env, K: cluster.programs.kubectl, KUBECONFIG: cluster.kubeconfig, HOME: cluster.folder },
      })
      let printed = ''
      writer.stdout.on('data', (text) => {
        printed += text
      })
      await eventually(async () => expect(printed.split('\n').length).toBeGreaterThan(4 + i * 3))
      process.kill(cluster.pid('server'), 'SIGKILL')
      await new Promise((resolve) => writer.once('close', resolve))
      acknowledged.push(...printed.trim().split('\n'))
      expect((await cluster.ownkube('up')).code).toBe(0)
    }
    const there = (await cluster.must(['get', 'configmaps', '-o', 'name'])).split('\n')
    expect(acknowledged.length).toBeGreaterThan(10)
    expect(acknowledged.filter((name) => !there.includes(name))).toEqual([])
  })

  it('of a container, the kubelet starts it again', async () => {
    const [pod] = (await cluster.json<Pods>(['get', 'pods', '-l', 'app=web'])).items
    const name = pod?.metadata.name as string
    await cluster.kubectl(['exec', name, '--', 'sh', '-c', 'kill -TERM 1'])
    await eventually(async () =>
      expect(await cluster.must(['get', 'pod', name, '-o', 'jsonpath={.status.containerStatuses[0].restartCount}'])).toBe('1'),
    )
    await cluster.must(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'])
  })

  it('of everything at once, up brings back the objects and runs the pods again', async () => {
    for (const pid of shimPids()) process.kill(pid, 'SIGKILL')
    process.kill(cluster.pid('agent'), 'SIGKILL')
    process.kill(cluster.pid('server'), 'SIGKILL')
    process.kill(containerdPid(), 'SIGKILL')
    expect((await cluster.ownkube('up')).code).toBe(0)
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=120s'])
    await eventually(async () => {
      expect(await ask()).toMatch(/^web-/)
      expect(await identities()).toHaveLength(3)
      expect(shimPids().length).toBe(3)
    }, 120_000)
  })

  it('a watch goes on over a server restart without losing an event', async () => {
    // The agent's own watches are what must survive: a pod asked for just before the kill comes up after it.
    await cluster.must(['scale', 'deployment/web', '--replicas=4'])
    process.kill(cluster.pid('server'), 'SIGKILL')
    expect((await cluster.ownkube('up')).code).toBe(0)
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    await eventually(async () => expect(await identities()).toHaveLength(4))
  })
})
