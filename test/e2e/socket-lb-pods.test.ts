import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { systemExec } from '../../src/host/exec.ts'
import type { Flow } from '../../src/netfilter/conntrack/conntrack.ts'
import { openConntrack } from '../../src/netfilter/conntrack/open-conntrack.ts'
import { TestCluster } from './harness/cluster.ts'
import { eventually, run } from './harness/command.ts'
import { deployment, nameServer, pod, service } from './harness/manifests.ts'
import { unifiedRoot } from './socket-world.ts'

/** `ownkube up --socket-lb`: what pods send to Services is translated in their own sockets. */
const image = 'ownkube.test/busybox:1'
const forever = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done']
let cluster: TestCluster
let cgroup: string

beforeAll(async () => {
  cluster = await TestCluster.start('sockets', ['--socket-lb'])
  cgroup = join(unifiedRoot(), `ownkube-${cluster.name}`)
  await cluster.importBusybox(image)
  await cluster.apply(pod('client', [{ image, command: forever }]))
  await cluster.apply(deployment('web', 3, nameServer(image, [8080])))
  await cluster.apply(service('web', { app: 'web' }, [{ port: 80, targetPort: 8080 }]))
  await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
  await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=60s'])
})
afterAll(async () => {
  await cluster?.remove()
})

const clusterIp = (name: string): Promise<string> => cluster.must(['get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}'])
async function ask(target: string, times: number): Promise<string[]> {
  const command = `for i in $(seq ${times}); do timeout 2 wget -qO- http://${target}/ || echo failed; done`
  const { stdout } = await cluster.kubectl(['exec', 'client', '--', 'sh', '-c', command])
  return stdout.trim().split('\n')
}
const conntrack = openConntrack({ exec: systemExec, clock: systemClock })
/** Flows that the kernel has translated from this address. */
async function flowsTo(address: string): Promise<Flow[]> {
  const flows: Flow[] = []
  await conntrack.look({ family: 'IPv4' }, (flow) => flow.address === address && flows.push(flow))
  return flows
}

describe('ownkube up --socket-lb', () => {
  it('reaches every pod of a Service, and connection tracking knows nothing of the Service', async () => {
    const address = await clusterIp('web')
    await eventually(async () => expect(new Set(await ask(address, 20)).size).toBe(3))
    expect(new Set(await ask(address, 30))).not.toContain('failed')
    expect(await flowsTo(address)).toEqual([])
    // From the node itself it is packets that are translated, as ever.
    const { stdout } = await run('busybox', ['timeout', '2', 'busybox', 'wget', '-qO-', `http://${address}/`])
    expect(stdout).toMatch(/^web-/)
    expect((await flowsTo(address)).length).toBeGreaterThan(0)
  })

  it('can be asked: ownkube trace and ownkube services know of sockets', async () => {
    const traced = await cluster.ownkube('trace', 'client', 'web', '-o', 'json')
    const { ways, notes } = JSON.parse(traced.stdout) as { ways: { source: string; rules: string[] }[]; notes: string[] }
    expect(ways).toHaveLength(3)
    for (const { source, rules } of ways) {
      expect(source).toMatch(/^kept/)
      expect(rules[0]).toContain('balanced at the socket')
    }
    expect(notes).toEqual([])
    const begun = async (): Promise<number> => {
      const { stdout } = await cluster.ownkube('services', 'web', '-o', 'json')
      return (JSON.parse(stdout) as { bySockets: number }[])[0]?.bySockets ?? -1
    }
    const before = await begun()
    await ask(await clusterIp('web'), 7)
    expect(await begun()).toBe(before + 7)
    expect((await cluster.ownkube('services')).stdout).toMatch(/^SERVICE .* BY SOCKETS$/m)
  })

  it('knows where a client with session affinity is pinned', async () => {
    await cluster.apply(service('sticky', { app: 'web' }, [{ port: 80, targetPort: 8080 }], { sessionAffinity: 'ClientIP' }))
    const goesTo = async (): Promise<string[]> => {
      const { stdout } = await cluster.ownkube('trace', 'client', 'sticky', '-o', 'json')
      const { ways, facts } = JSON.parse(stdout) as { ways: { goesTo: string }[]; facts: string[] }
      expect(facts).toContainEqual(expect.stringContaining("chosen at the pod's socket"))
      return ways.map((way) => way.goesTo)
    }
    await eventually(async () => expect(await goesTo()).toHaveLength(3))
    const [name] = await ask(await clusterIp('sticky'), 1)
    expect(await goesTo()).toEqual([expect.stringMatching(`^pod default/${name},`)])
  })

  it('keeps pods of before in the cgroup when the agent and containerd are started anew', async () => {
    const address = await clusterIp('web')
    const containerd = Number(readFileSync(join(cluster.runDir, 'containerd/containerd.pid'), 'utf8').split(' ')[0])
    for (const pid of [cluster.pid('agent'), containerd]) process.kill(pid, 'SIGKILL')
    expect((await cluster.ownkube('up')).code).toBe(0)
    await conntrack.forget({ family: 'IPv4' }, (flow) => flow.address === address)
    await eventually(async () => expect(new Set(await ask(address, 20)).size).toBe(3))
    expect(await flowsTo(address)).toEqual([])
  })

  it('refuses connections to a Service without pods', async () => {
    await cluster.apply(service('nobody', { app: 'nobody' }, [{ port: 80 }]))
    const address = await clusterIp('nobody')
    await eventually(async () => {
      const { stdout } = await cluster.kubectl(['exec', 'client', '--', 'sh', '-c', `timeout 2 wget -qO- http://${address}/ 2>&1; true`])
      expect(stdout).toContain('refused')
    })
  })

  it('stops when the cluster is started without it', async () => {
    const address = await clusterIp('web')
    expect((await cluster.down()).code).toBe(0)
    expect(existsSync(cgroup)).toBe(false) // and with it all that was attached
    const { code, stderr } = await cluster.ownkube('up', '--no-socket-lb')
    expect({ code, stderr }).toMatchObject({ code: 0 })
    await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=60s'])
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    await eventually(async () => expect(new Set(await ask(address, 20)).size).toBe(3))
    expect((await flowsTo(address)).length).toBeGreaterThan(0)
  })
})
