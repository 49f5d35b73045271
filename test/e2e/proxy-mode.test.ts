import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually, run } from './harness/command.ts'
import { clean, machineState } from './harness/machine.ts'
import { deployment, service } from './harness/manifests.ts'

/** What programs the Services of a cluster, as its user chooses it: at the first boot, and again while it runs. */
const image = 'ownkube.test/busybox:1'
let cluster: TestCluster
let address = ''

beforeAll(async () => {
  cluster = await TestCluster.start('proxy-mode')
  await cluster.importBusybox(image)
  const echo = { image, command: ['sh', '-c', 'trap "exit 0" TERM; nc -ll -p 8080 -e cat & wait'] }
  await cluster.apply(deployment('echo', 1, { ...echo, readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } }))
  await cluster.apply(service('echo', { app: 'echo' }, [{ port: 80, targetPort: 8080 }]))
  await cluster.must(['rollout', 'status', 'deployment/echo', '--timeout=90s'])
  address = await cluster.must(['get', 'service', 'echo', '-o', 'jsonpath={.spec.clusterIP}'])
})
afterAll(async () => {
  await cluster?.remove()
})

/** Lines of ours that name the Service's address, by what holds them. */
async function rules(): Promise<{ nftables: number; iptables: number }> {
  const count = ({ stdout }: { stdout: string }): number => stdout.split('\n').filter((line) => line.includes(address)).length
  return {
    nftables: count(await run('nft', ['list', 'table', 'ip', cluster.serviceTable])),
    iptables: count(await run('iptables-save', [])),
  }
}

async function status(): Promise<{ mode: string; text: string }> {
  const { stdout } = await cluster.ownkube('status', '-o', 'json')
  const text = (await cluster.ownkube('status')).stdout
  return { mode: (JSON.parse(stdout) as { proxy: { mode: string } }).proxy.mode, text: /^Proxy +(.*)$/m.exec(text)?.[1] ?? '' }
}

async function up(...flags: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.ownkube('up', ...flags)
  if (code !== 0) throw new Error(`up ended with ${code}: ${stdout}${stderr}`)
  return stdout
}

/** A connection through the Service that stays open. */
class Echo {
  readonly #socket: Socket
  #heard = ''

  constructor() {
    this.#socket = connect(80, address)
    this.#socket.on('data', (data) => (this.#heard += data))
    this.#socket.on('error', (error) => (this.#heard += error.message))
  }

  async says(word: string): Promise<void> {
    this.#socket.write(`${word}\n`)
    await eventually(async () => expect(this.#heard).toContain(word), 20_000)
  }

  end(): void {
    this.#socket.destroy()
  }
}

describe('up --proxy-mode', () => {
  it('is nftables unless asked, then what was asked, with open connections kept', async () => {
    expect(await status()).toEqual({ mode: 'nftables', text: 'nftables' })
    expect(await rules()).toMatchObject({ iptables: 0, nftables: expect.toSatisfy((count: number) => count > 0) })
    const open = new Echo()
    try {
      await open.says('by nftables')
      await up('--proxy-mode', 'iptables')
      expect(await status()).toEqual({ mode: 'iptables', text: 'iptables' })
      await eventually(async () => expect(await rules()).toMatchObject({ nftables: 0, iptables: expect.toSatisfy((n: number) => n > 0) }))
      await open.says('by iptables')
      const traced = await cluster.ownkube('trace', 'node', 'kubernetes', '--rules')
      expect(traced.stdout, traced.stderr).toMatch(/^ {2}nat OUTPUT "kubernetes service portals": jump to KUBE\S*-SERVICES$/m)
      expect(traced.stdout).toMatch(/^ {2}nat KUBE\S*-SEP-\S+ "default\/kubernetes:https": dnat to \S+:\d+$/m)
      expect(traced.stdout).not.toMatch(/note: .*okb-/)
      const another = new Echo()
      await another.says('a new one')
      another.end()
      await up('--proxy-mode', 'nftables')
      await eventually(async () => expect(await rules()).toMatchObject({ iptables: 0, nftables: expect.toSatisfy((n: number) => n > 0) }))
      await open.says('by nftables again')
    } finally {
      open.end()
    }
  })

  it('none leaves Services to others, also at the next boot', async () => {
    await up('--proxy-mode', 'none')
    await eventually(async () => expect(await rules()).toEqual({ nftables: 0, iptables: 0 }))
    expect((await cluster.ownkube('down')).code).toBe(0)
    const { processes, links, namespaces, mounts, chains, cgroups } = await machineState(cluster.name)
    expect({ processes, links, namespaces, mounts, chains, cgroups }).toEqual(clean)
    await up()
    expect(await status()).toEqual({ mode: 'none', text: "none of ours: Services are another's" })
    expect(await rules()).toEqual({ nftables: 0, iptables: 0 })
    await up('--proxy-mode', 'nftables')
    await eventually(async () => expect((await rules()).nftables).toBeGreaterThan(0))
  })

  it('what is no mode is refused', async () => {
    const { code, stderr } = await cluster.ownkube('up', '--proxy-mode', 'ipvs')
    expect(code).toBe(2)
    expect(stderr).toContain('nftables, iptables, none')
  })

  it('down leaves no table, chain, link, namespace or cgroup', async () => {
    expect((await cluster.ownkube('down')).code).toBe(0)
    expect(await machineState(cluster.name)).toEqual(clean)
  })
})
