import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemExec } from '../../src/host/exec.ts'
import { TestCluster } from './harness/cluster.ts'
import { eventually, ownkube, run } from './harness/command.ts'
import { deployment, nameServer, pod } from './harness/manifests.ts'

const image = 'ownkube.test/busybox:1'
const ranges = ['--pod-cidr', '10.231.0.0/16,fd77:231::/56', '--service-cidr', '10.131.0.0/16,fd77:131::/112']

/** Pods and Services with an address of each family, real containers, both ways. */
describe('a cluster of IPv4 and IPv6', () => {
  let cluster: TestCluster
  let chainTag = ''
  beforeAll(async () => {
    cluster = await TestCluster.start('dual', ranges)
    chainTag = (JSON.parse(readFileSync(join(cluster.dataDir, 'cluster.json'), 'utf8')) as { chainTag: string }).chainTag
    await cluster.importBusybox(image)
    await cluster.apply(pod('client', [{ image, command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done'] }]))
    await cluster.apply(deployment('web', 2, nameServer(image, [8080])))
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=60s'])
    for (const [name, spec] of [
      ['both', { ipFamilyPolicy: 'RequireDualStack' }],
      ['six', { ipFamilies: ['IPv6'], type: 'NodePort' }],
    ] as const) {
      const service = {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name },
        spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
      }
      await cluster.apply(JSON.stringify(service))
    }
  })
  afterAll(async () => {
    await cluster?.remove()
  })

  const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await cluster.must(['get', ...args, '-o', 'json'])) as T
  const addressesOf = async (name: string): Promise<string[]> =>
    (await json<{ spec: { clusterIPs: string[] } }>('service', name)).spec.clusterIPs
  const url = (address: string): string => `http://${address.includes(':') ? `[${address}]` : address}/`
  const askFromPod = async (address: string): Promise<string[]> => {
    const script = `for i in 1 2 3 4 5 6 7 8 9 10 11 12; do timeout 2 wget -qO- ${url(address)} || echo failed; done`
    return (await cluster.kubectl(['exec', 'client', '--', 'sh', '-c', script])).stdout.trim().split('\n')
  }
  const webPods = async (): Promise<string[]> =>
    (await cluster.must(['get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].metadata.name}'])).split(' ').sort()

  it('gives the node a range, and its pods an address, of each family', async () => {
    const { items } = await json<{ items: { spec: { podCIDR: string; podCIDRs: string[] } }[] }>('nodes')
    expect(items[0]?.spec).toMatchObject({ podCIDR: '10.231.0.0/24', podCIDRs: ['10.231.0.0/24', 'fd77:231::/64'] })
    const { status } = await json<{ status: { podIP: string; podIPs: { ip: string }[] } }>('pod', 'client')
    expect(status.podIPs.map(({ ip }) => ip)).toEqual([expect.stringMatching(/^10\.231\.0\./), expect.stringMatching(/^fd77:231::/)])
    expect(status.podIP).toBe(status.podIPs[0]?.ip)
  })

  it('reaches the same pods by both addresses of a Service, from a pod and from the node', async () => {
    const addresses = await addressesOf('both')
    expect(addresses).toEqual([expect.stringMatching(/^10\.131\./), expect.stringMatching(/^fd77:131::/)])
    const pods = await webPods()
    for (const address of addresses) {
      await eventually(async () => expect([...new Set(await askFromPod(address))].sort(), address).toEqual(pods))
      const { stdout } = await run('busybox', ['timeout', '3', 'busybox', 'wget', '-qO-', url(address)])
      expect(pods, address).toContain(stdout.trim())
    }
  })

  it('has a Service of IPv6 alone, with slices of that family alone', async () => {
    const [address] = await addressesOf('six')
    expect(address).toMatch(/^fd77:131::/)
    await eventually(async () => expect([...new Set(await askFromPod(address as string))].sort()).toEqual(await webPods()))
    const slices = await json<{ items: { addressType: string; metadata: { labels: Record<string, string> } }[] }>('endpointslices')
    const types = (name: string): string[] =>
      slices.items
        .filter(({ metadata }) => metadata.labels['kubernetes.io/service-name'] === name)
        .map(({ addressType }) => addressType)
        .sort()
    expect([types('both'), types('six')]).toEqual([['IPv4', 'IPv6'], ['IPv6']])
  })

  it('answers at the node’s address of the other family too, where the machine has one', async () => {
    const { items } = await json<{ items: { status: { addresses: { type: string; address: string }[] } }[] }>('nodes')
    const own = items[0]?.status.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address) ?? []
    const has = (await systemExec.run('ip', ['-6', 'route', 'get', '2001:db8::1'])).code === 0
    expect(own.map((address) => address.includes(':'))).toEqual(has ? [false, true] : [false])
    const { status } = await json<{ status: { hostIPs: { ip: string }[] } }>('pod', 'client')
    expect(status.hostIPs.map(({ ip }) => ip)).toEqual(own)
    if (!has) return
    const { spec } = await json<{ spec: { ports: { nodePort: number }[] } }>('service', 'six')
    const pods = await webPods()
    await eventually(async () => {
      const target = `http://[${own[1]}]:${spec.ports[0]?.nodePort}/`
      expect(pods).toContain((await run('busybox', ['timeout', '3', 'busybox', 'wget', '-qO-', target])).stdout.trim())
    })
  })

  it('leaves nothing of either family behind', async () => {
    expect((await systemExec.run('ip6tables-save', [])).stdout).toContain(`OWNKUBE-POD-MASQ-${chainTag}`)
    await cluster.remove()
    const left = (await systemExec.run('ip6tables-save', [])).stdout
    expect(left).not.toContain(`OWNKUBE-POD-MASQ-${chainTag}`)
    expect(left).not.toContain(`KUBE${chainTag}-`)
  })
})

describe('ranges of two families', () => {
  it.each([
    [['--pod-cidr', 'fd00::/56,10.244.0.0/16'], 'An address range is IPv4'],
    [['--pod-cidr', '10.244.0.0/16,fd00::1/56'], 'A second range is IPv6'],
    [['--pod-cidr', '10.244.0.0/16,10.245.0.0/16'], 'A second range is IPv6'],
  ])('%j are refused', async (flags, message) => {
    const { code, stderr } = await ownkube(['up', ...flags])
    expect(stderr).toContain(message)
    expect(code).toBe(2)
  })
})
