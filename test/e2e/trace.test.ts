import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually, repository, run } from './harness/command.ts'
import { deployment, nameServer, pod, service } from './harness/manifests.ts'

const image = 'ownkube.test/busybox:1'
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('trace')
  await cluster.importBusybox(image)
  await cluster.apply(pod('client', [{ image, command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done'] }]))
  await cluster.apply(deployment('web', 2, nameServer(image, [8080])))
  await cluster.apply(service('web', { app: 'web' }, [{ port: 80, targetPort: 8080 }], { type: 'NodePort' }))
  await cluster.apply(service('nobody', { app: 'no-such-app' }, [{ port: 80 }]))
  await cluster.apply(
    service('near', { app: 'web' }, [{ port: 80, targetPort: 8080 }], { type: 'NodePort', externalTrafficPolicy: 'Local' }),
  )
  await cluster.apply(service('sticky', { app: 'web' }, [{ port: 80, targetPort: 8080 }], { sessionAffinity: 'ClientIP' }))
  const ranges = { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24'] }
  await cluster.apply(service('ranged', { app: 'web' }, [{ port: 80, targetPort: 8080 }], ranges))
  const ingress = JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: '203.0.113.80' }] } } })
  await cluster.must(['patch', 'service', 'ranged', '--subresource=status', '--type=merge', '-p', ingress])
  await cluster.apply(service('headless', { app: 'web' }, [{ port: 80, targetPort: 8080 }], { clusterIP: 'None' }))
  await cluster.apply(elsewhere())
  await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
  await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=60s'])
})
afterAll(async () => {
  await cluster?.remove()
})

/** A Service whose endpoint is on another node. */
function elsewhere(): string {
  const spec = { type: 'NodePort', externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local', ports: [{ port: 80 }] }
  const labels = { 'kubernetes.io/service-name': 'elsewhere' }
  const endpoints = [{ addresses: ['10.244.250.9'], conditions: { ready: true }, nodeName: 'another' }]
  const items = [
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'elsewhere' }, spec },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'elsewhere-1', labels },
      addressType: 'IPv4',
      endpoints,
      ports: [{ port: 80 }],
    },
  ]
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
}

interface Answer {
  facts: string[]
  ways: { share: number; goesTo: string; source: string }[]
  notes: string[]
}

async function answer(client: string, target: string): Promise<Answer> {
  return JSON.parse(await trace(client, target, '-o', 'json')) as Answer
}

const nodeAddress = (): Promise<string> =>
  cluster.must(['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'])
const nodePort = async (name: string): Promise<string> =>
  `${await nodeAddress()}:${await cluster.must(['get', 'service', name, '-o', 'jsonpath={.spec.ports[0].nodePort}'])}`
const clusterIp = (name: string): Promise<string> => cluster.must(['get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}'])
const webPods = async (): Promise<string[]> =>
  (await cluster.must(['get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].metadata.name}'])).split(' ').sort()

/** What `ownkube trace` prints. */
async function trace(client: string, target: string, ...flags: readonly string[]): Promise<string> {
  const { stdout, stderr, code } = await cluster.ownkube('trace', client, target, ...flags)
  if (code !== 0) throw new Error(`trace ended with ${code}: ${stderr}`)
  return stdout
}

/** The launcher becomes the program, so its process is the one. */
const tableOf = (pid: number | undefined): string => `ownkube-trace-${pid}`

describe('ownkube trace', () => {
  it('tells a pod where its connections to a Service go, with each endpoint’s share', async () => {
    const pods = (await cluster.must(['get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].metadata.name}'])).split(' ')
    await eventually(async () => {
      const text = await trace('client', 'web')
      expect(text).toMatch(/^pod default\/client \(10\.\S+\) to 10\.\S+:80\/tcp: the cluster address of Service default\/web \(TCP\)$/m)
      expect(text).toMatch(/endpoints: 2, of which 2 ready \(2 on this node\)/)
      for (const name of pods)
        expect(text).toMatch(new RegExp(`^50\\.0 % +pod default/${name}, 10\\.\\S+:8080 on \\S+ +kept: the endpoint sees 10\\.`, 'm'))
    })
  })

  it('tells of node ports, from outside and from the node', async () => {
    const node = await cluster.must(['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'])
    const port = await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}'])
    const outside = await trace('outside:198.51.100.7', `${node}:${port}`)
    expect(outside).toMatch(/outside \(198\.51\.100\.7\) .*: the node port of Service default\/web/)
    expect(outside).toMatch(/externalTrafficPolicy Cluster/)
    expect(outside).toMatch(/50\.0 % .*masqueraded: the endpoint sees this node/)
    expect(await trace('node', 'svc/web')).toMatch(/50\.0 % .*masqueraded/)
  })

  it('tells why nothing answers', async () => {
    expect(await trace('client', 'nobody')).toMatch(/100\.0 % +rejected.*: default\/nobody has no ready endpoint anywhere/)
    const address = await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])
    expect((await answer('outside', 'web')).notes).toEqual([
      expect.stringContaining(`ask about ${await nodePort('web')} for what they meet`),
    ])
    const stray = await trace('client', `${address}:9999`)
    expect(stray).toMatch(/no Service has port 9999\/tcp there/)
    expect(stray).toMatch(/100\.0 % +rejected/)
  })

  it('knows our own rules: nothing is left to doubt', async () => {
    for (const [client, target] of [
      ['client', 'web'],
      ['node', 'web'],
      ['outside', await nodePort('web')],
      ['outside', await nodePort('near')],
    ] as const)
      expect((await answer(client, target)).notes, `${client} to ${target}`).toEqual([])
  })

  it('tells a pod that reaches itself from others', async () => {
    const [first = '', second = ''] = await webPods()
    const { ways } = await answer(first, 'web')
    expect(ways).toHaveLength(2)
    const to = (name: string) => ways.find(({ goesTo }) => goesTo.startsWith(`pod default/${name},`))
    expect(to(first)).toMatchObject({ share: 0.5, source: expect.stringMatching(/^masqueraded/) })
    expect(to(second)).toMatchObject({ share: 0.5, source: expect.stringMatching(/^kept/) })
  })

  it('knows the Local policies, and whom they do not concern', async () => {
    const near = await answer('outside:198.51.100.7', await nodePort('near'))
    expect(near.ways.map(({ source }) => source)).toEqual(Array(2).fill('kept: the endpoint sees 198.51.100.7'))
    const away = await nodePort('elsewhere')
    const dropped = 'dropped: the policy is Local and no endpoint of default/elsewhere is on this node'
    expect(await answer('outside', away)).toMatchObject({ ways: [{ share: 1, goesTo: dropped }] })
    expect(await answer('client', 'elsewhere')).toMatchObject({ ways: [{ share: 1, goesTo: dropped }] })
    const fromPod = await answer('client', away)
    expect(fromPod).toMatchObject({ ways: [{ share: 1, goesTo: expect.stringContaining('10.244.250.9:80') }] })
    expect(fromPod.facts[0]).toBe('externalTrafficPolicy Local, but not for what pods of this node and the node itself send')
  })

  it('knows who may come in by a load balancer', async () => {
    const balancer = '203.0.113.80:80'
    expect((await answer('outside:198.51.100.7', balancer)).ways).toHaveLength(2)
    const stranger = await answer('outside:192.0.2.1', balancer)
    expect(stranger.ways).toMatchObject([{ share: 1, goesTo: 'dropped: the client is in none of the loadBalancerSourceRanges' }])
  })

  it('knows addresses that no Service has', async () => {
    const prefix = (await clusterIp('web')).split('.').slice(0, 2).join('.')
    const { ways } = await answer('client', `${prefix}.255.77:80`)
    expect(ways).toMatchObject([{ share: 1, goesTo: 'rejected (tcp reset): there is no such Service port' }])
  })

  it('knows clients that stay', async () => {
    expect((await answer('client', 'sticky')).ways.map(({ share }) => share)).toEqual([0.5, 0.5])
    const asked = ['exec', 'client', '--', 'timeout', '2', 'wget', '-qO-', `http://${await clusterIp('sticky')}/`]
    const name = (await cluster.must(asked)).trim()
    const again = await answer('client', 'sticky')
    expect(again.ways).toMatchObject([{ share: 1, goesTo: expect.stringMatching(`^pod default/${name},`) }])
    expect(again.facts).toContainEqual(expect.stringMatching(/^sessionAffinity ClientIP: /))
  })

  it('says what can be asked about', async () => {
    for (const [client, target, complaint] of [
      ['ghost', 'web', /there is no pod default\/ghost; a client is a pod/],
      ['client', 'ghost', /there is no Service default\/ghost; name one as/],
      ['client', 'web:https', /Service default\/web has no such port; it has 80\/TCP/],
    ] as const) {
      const { code, stderr } = await cluster.ownkube('trace', client, target)
      expect(code).toBe(2)
      expect(stderr).toMatch(complaint)
    }
    const { code, stderr } = await cluster.ownkube('services', 'ghost')
    expect(code).toBe(2)
    expect(stderr).toMatch(/there is no Service default\/ghost; name one as/)
    expect((await answer('client', '8.8.8.8:53')).ways).toMatchObject([{ source: 'masqueraded: the endpoint sees this node' }])
  })

  it('follows real packets, and leaves no table behind', async () => {
    const args = ['trace', 'client', 'web', '--live', '--packets', '2', '--name', cluster.name, '--data-dir', cluster.dataDir]
    const live = spawn(`${repository}/ownkube`, args, { env: { ...process.env, ...cluster.env } })
    let text = ''
    live.stdout.on('data', (chunk: Buffer) => {
      text += chunk
    })
    const ended = new Promise((resolve) => live.once('close', resolve))
    await eventually(async () => {
      expect(text).toContain('Following')
      expect((await run('nft', ['list', 'tables'])).stdout).toContain(tableOf(live.pid))
    })
    const address = await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])
    await cluster.must(['exec', 'client', '--', 'sh', '-c', `for i in 1 2 3 4; do timeout 2 wget -qO- http://${address}/; done`])
    await ended
    expect(text).toMatch(/^#1 tcp from 10\.\S+ port \d+ to 10\.\S+ port 80$/m)
    expect(text).toMatch(/^#2 tcp from 10\./m)
    expect(text, text).toMatch(/^#1 {3}to endpoint 10\.\S+:8080 \(pod default\/web-\S+\)$/m)
    expect(text, text).toMatch(/^#1 {3}source kept: the endpoint sees 10\./m)
    expect((await run('nft', ['list', 'tables'])).stdout).not.toContain(tableOf(live.pid))
  })
})

describe('ownkube services', () => {
  it('lists Services with the state of their endpoints and their connections', async () => {
    const address = await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])
    await cluster.must(['exec', 'client', '--', 'sh', '-c', `for i in 1 2 3 4 5 6; do timeout 2 wget -qO- http://${address}/; done`])
    const { stdout, code } = await cluster.ownkube('services')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^SERVICE +TYPE +CLUSTER-IP +EXTERNAL-IP +NODE PORT +ENDPOINTS +CONNECTIONS +PACKETS$/m)
    expect(stdout).toMatch(
      new RegExp(`^default/web +NodePort +${address.replaceAll('.', '\\.')}:80/tcp +- +\\d+ +2 of 2 ready +[1-9]\\d*`, 'm'),
    )
    expect(stdout).toMatch(/^ +→ 10\.\S+:8080 +ready on \S+ +\d+/m)
    expect(stdout).toMatch(/^default\/nobody .* none +0/m)
    expect(stdout).toMatch(/^default\/ranged +LoadBalancer +\S+ +203\.0\.113\.80 /m)
    expect(stdout).toMatch(/^default\/headless +ClusterIP +None +- +- +2 of 2 ready +- +-$/m)
    expect(stdout).toMatch(/^default\/elsewhere .* 1 of 1 ready, none on this node +0/m)
    expect(stdout).toMatch(/^ {2,}10\.244\.250\.9:80 +ready on another/m)
    const one = await cluster.ownkube('services', 'web', '-o', 'json')
    expect(JSON.parse(one.stdout)).toMatchObject([
      {
        name: 'default/web',
        endpoints: [
          { state: 'ready', used: true },
          { state: 'ready', used: true },
        ],
      },
    ])
  })
})
