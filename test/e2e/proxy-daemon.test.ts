import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClusterRoleBinding, EndpointSlice, Service } from '../../src/api/generated/types.ts'
import { clusterRoleBindings, endpointSlices, namespaces, nodes, serviceAccounts, services as serviceKind } from '../../src/api/registry.ts'
import { type ApiServer, createApiServer } from '../../src/apiserver/apiserver.ts'
import type { Client } from '../../src/client/client.ts'
import { directClient } from '../../src/client/direct-client.ts'
import { kubeconfigOf } from '../../src/client/kubeconfig.ts'
import { type ClusterCertificates, ensureCertificates } from '../../src/cluster/certificates.ts'
import { systemClock } from '../../src/host/clock.ts'
import { mustRun, systemExec } from '../../src/host/exec.ts'
import { silentLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import { cases, endpoint, type PodName, service, services, slice, slices, world } from '../../src/proxy/testing/scenes.ts'
import { MemoryStore } from '../../src/storage/memory-store.ts'
import { eventually, ownkube, repository } from './harness/command.ts'
import { buildWorld, type PacketWorld } from './proxy-world.ts'

const root = process.getuid?.() === 0
if (!root) console.warn('skipped: the proxy daemon needs root')

/** Where the node's namespace finds the API server. */
const apiAddress = '169.254.77.1'

/** A control plane of our own, which the daemon knows only by a kubeconfig. */
class ForeignCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'ownkube-daemon-'))
  readonly #store = new MemoryStore({ clock: systemClock })
  #server: ApiServer | undefined
  #port = 0
  client!: Client
  certificates!: ClusterCertificates

  async start(): Promise<void> {
    const names = { nodeName: 'n', nodeAddress: apiAddress, serviceAddress: '10.96.0.1' }
    this.certificates ??= await ensureCertificates(join(this.folder, 'pki'), names, systemClock.now())
    const server = await createApiServer({
      store: this.#store,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      serviceCidr: '10.96.0.0/16',
      nodePortRange: { from: 30000, to: 32767 },
      serviceAccountKey: this.certificates.serviceAccountKey,
    })
    const admin = { name: 'admin', uid: '', groups: ['system:masters', 'system:authenticated'], extra: {} }
    this.client = directClient(server.handle, admin, 'test')
    const { ca, apiserver } = this.certificates
    this.#port = (await server.listen({ host: apiAddress, port: this.#port, ca, ...apiserver })).port
    this.#server = server
  }

  async stop(): Promise<void> {
    await this.#server?.close()
    this.#server = undefined
  }

  async remove(): Promise<void> {
    await this.stop()
    await this.#store.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  get #address(): string {
    return `https://${apiAddress}:${this.#port}`
  }

  /** As kube-proxy's own certificate. */
  async byCertificate(): Promise<string> {
    const { ca, proxyClient } = this.certificates
    return this.#write('certificate', await kubeconfigOf({ name: 'k', server: this.#address, ca, ...proxyClient }))
  }

  /** As a service account that may do what kube-proxy may, and nothing else. */
  async byToken(): Promise<string> {
    const account = this.client.resource(serviceAccounts, 'kube-system')
    await account.create({ metadata: { name: 'own-proxy', namespace: 'kube-system' } })
    await this.client.resource<ClusterRoleBinding>(clusterRoleBindings).create({
      metadata: { name: 'own-proxy' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:node-proxier' },
      subjects: [{ kind: 'ServiceAccount', name: 'own-proxy', namespace: 'kube-system' }],
    })
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } }
    const { status } = await account.createSubresource<{ status: { token: string } }>('own-proxy', 'token', request)
    const tokenFile = this.#write('token', status.token)
    const cluster = { server: this.#address, 'certificate-authority-data': Buffer.from(this.certificates.ca).toString('base64') }
    return this.#write(
      'by-token',
      JSON.stringify({
        clusters: [{ name: 'k', cluster }],
        users: [{ name: 'u', user: { tokenFile } }],
        contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
        'current-context': 'c',
      }),
    )
  }

  #write(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  async put(object: Service | EndpointSlice): Promise<void> {
    const collection = this.client.resource<Service | EndpointSlice>(object.kind === 'Service' ? serviceKind : endpointSlices, 'test')
    const { uid: _uid, resourceVersion: _version, creationTimestamp: _time, ...metadata } = object.metadata
    const found = await collection.list()
    const present = found.items.find((each) => each.metadata.name === metadata.name)
    if (present) await collection.update({ ...object, metadata: { ...present.metadata, ...metadata } } as Service)
    else {
      const made = await collection.create({ ...object, metadata } as Service)
      if ('status' in object) await collection.updateStatus({ ...made, status: object.status } as Service)
    }
  }
}

/** One TCP connection to port 80 of a Service that stays open; the pod sends back what it hears. */
class Talk {
  readonly #process: ChildProcess
  #heard = ''

  constructor(namespace: string, address: string) {
    const script = `const s=require('node:net').connect(80,'${address}');s.on('data',d=>process.stdout.write(d));s.on('error',e=>console.log(e.code));process.stdin.on('data',d=>s.write(d))`
    this.#process = spawn('nsenter', [`--net=/run/netns/${namespace}`, process.execPath, '-e', script])
    this.#process.stdout?.on('data', (data) => {
      this.#heard += String(data)
    })
  }

  async hears(text: string): Promise<void> {
    await eventually(async () => expect(this.#heard).toContain(text))
  }

  async says(text: string): Promise<void> {
    this.#process.stdin?.write(`${text}\n`)
    await this.hears(text)
  }

  end(): void {
    this.#process.kill('SIGKILL')
  }
}

describe.skipIf(!root)('ownkube proxy on a node of a cluster that knows nothing of it', () => {
  const link = `okd${process.pid}`.slice(0, 15)
  const cluster = new ForeignCluster()
  let packets: PacketWorld
  let before = ''

  const nodeNamespace = (): string => `/run/netns/${packets.namespaceOf('host')}`
  /** Rules and chains that somebody made; the kernel's own chains, counters and dates apart. */
  const save = async (): Promise<string> =>
    (await Promise.all(['iptables-save', 'ip6tables-save'].map((program) => mustRun(packets.nodeExec, program, []))))
      .flatMap((text) => text.split('\n').filter((line) => line.startsWith('-A') || / - \[/.test(line)))
      .join('\n')
      .replaceAll(/\[\d+:\d+\]/g, '')
  const get = async (url: string): Promise<{ code: number; body: string }> => {
    const script = `fetch('${url}').then(async r=>console.log(JSON.stringify({code:r.status,body:await r.text()})),e=>console.log(JSON.stringify({code:0,body:String(e.cause)})))`
    return JSON.parse(await mustRun(packets.nodeExec, process.execPath, ['-e', script])) as { code: number; body: string }
  }

  class Daemon {
    readonly process: ChildProcess
    log = ''
    readonly ended: Promise<number>

    constructor(flags: readonly string[]) {
      const program = join(repository, 'ownkube')
      this.process = spawn('nsenter', [`--net=${nodeNamespace()}`, program, 'proxy', ...flags], { cwd: repository })
      for (const stream of [this.process.stdout, this.process.stderr]) stream?.on('data', (data) => (this.log += String(data)))
      this.ended = new Promise((resolve) => this.process.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 1))))
      daemons.add(this)
    }

    async serves(): Promise<this> {
      await eventually(async () => expect(this.log).toContain('Services are served'), 30_000, 50)
      return this
    }

    async end(signal: NodeJS.Signals): Promise<number> {
      this.process.kill(signal)
      const code = await this.ended
      daemons.delete(this)
      return code
    }
  }
  const daemons = new Set<Daemon>()
  const usual = (kubeconfig: string): string[] => [
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${world.node}`,
    `--cluster-cidr=${world.podCidr}`,
    '--nodeport-addresses=primary,localhost',
  ]

  beforeAll(async () => {
    packets = await buildWorld()
    const node = packets.namespaceOf('host')
    await mustRun(systemExec, 'ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'api0', 'netns', node])
    await mustRun(systemExec, 'ip', ['addr', 'add', `${apiAddress}/30`, 'dev', link])
    await mustRun(systemExec, 'ip', ['link', 'set', link, 'up'])
    await mustRun(packets.nodeExec, 'ip', ['addr', 'add', '169.254.77.2/30', 'dev', 'api0'])
    await mustRun(packets.nodeExec, 'ip', ['link', 'set', 'api0', 'up'])
    await mustRun(packets.nodeExec, 'iptables', ['-t', 'nat', '-N', 'THEIRS'])
    await mustRun(packets.nodeExec, 'ip6tables', ['-t', 'nat', '-N', 'THEIRS'])
    before = await save()
    await cluster.start()
    await cluster.client.resource(namespaces).create({ metadata: { name: 'test' } })
    const here = await cluster.client.resource(nodes).create({ metadata: { name: world.node } })
    const addresses = [{ type: 'InternalIP', address: world.nodeAddress }]
    await cluster.client.resource(nodes).updateStatus({ ...here, status: { addresses } } as typeof here)
    const usable = services.filter(({ spec }) => spec.type !== 'ExternalName')
    for (const object of [...usable, ...slices]) await cluster.put(object)
  }, 60_000)
  afterAll(async () => {
    for (const daemon of daemons) daemon.process.kill('SIGKILL')
    await cluster.remove()
    await systemExec.run('ip', ['link', 'del', link])
    await packets?.dismantle()
  })

  const some = [
    'pod to cluster IP: equal shares, own source',
    'outside to cluster IP',
    'hairpin',
    'outside to node port',
    'localhost node port',
    'UDP',
    'no endpoints, from a pod',
    'Local keeps the client and the node',
    'Local, nobody here',
    'load balancer, out of range',
    'external IP',
  ]
  const expectCases = async (): Promise<void> => {
    for (const { name, from, to, protocol = 'tcp', arrives } of cases.filter((each) => some.includes(each.name))) {
      const answers = await packets.ask(from, protocol, to, typeof arrives === 'string' ? 1 : 3)
      const told = answers.map((answer) => answer.split('|')[0] as string)
      if (typeof arrives === 'string') expect(told, name).toEqual([arrives === 'dropped' ? 'timeout' : 'ECONNREFUSED'])
      else for (const pod of told) expect(Object.keys(arrives) as PodName[], name).toContain(pod)
    }
  }

  test('serves by a certificate that is no administrator’s, tells its health, ends on SIGTERM and leaves its rules', async () => {
    const daemon = await new Daemon(usual(await cluster.byCertificate())).serves()
    await expectCases()
    expect(await get('http://127.0.0.1:10256/healthz')).toMatchObject({ code: 200, body: expect.stringContaining('"nodeEligible":true') })
    expect((await get(`http://${world.nodeAddress}:10256/livez`)).code).toBe(200)
    expect((await get('http://127.0.0.1:10249/metrics')).body).toContain(
      'kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4"',
    )
    expect((await get('http://127.0.0.1:10249/proxyMode')).body).toBe('iptables')
    const rules = await save()
    expect(await daemon.end('SIGTERM')).toBe(0)
    expect(await save()).toBe(rules)
  }, 60_000)

  test('killed and started again, by a token this time: no connection is cut, and what changed meanwhile is seen', async () => {
    const first = await new Daemon(usual(await cluster.byCertificate())).serves()
    const talk = new Talk(packets.namespaceOf('far'), '10.96.0.10')
    await talk.hears('|')
    expect(await first.end('SIGKILL')).toBe(137)
    await cluster.put(service('late', '10.96.0.99', [{}]))
    await cluster.put(slice('late', ['b']))
    await talk.says('while away')
    const second = await new Daemon(usual(await cluster.byToken())).serves()
    expect((await packets.ask('far', 'tcp', '10.96.0.99:80', 1))[0]).toMatch(/^b\|/)
    await talk.says('after')
    talk.end()
    await second.end('SIGTERM')
  }, 60_000)

  test('goes on while the API server is away, and catches up', async () => {
    const daemon = await new Daemon([...usual(await cluster.byCertificate()), '-v=4']).serves()
    await cluster.stop()
    await expectCases()
    expect((await get('http://127.0.0.1:10256/healthz')).code).toBe(200)
    await cluster.start()
    await cluster.put(slice('late', ['c']))
    await eventually(async () => expect((await packets.ask('far', 'tcp', '10.96.0.99:80', 1))[0]).toMatch(/^c\|/))
    await daemon.end('SIGTERM')
  }, 90_000)

  test('a configuration file, other addresses to listen at, and health for load balancers', async () => {
    const file = join(cluster.folder, 'config.yaml')
    const configuration = {
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      clientConnection: { kubeconfig: await cluster.byCertificate() },
      mode: 'iptables',
      clusterCIDR: `${world.podCidr},fd77::a:f4:0:0/96`,
      healthzBindAddress: '127.0.0.1:11256',
      metricsBindAddress: '127.0.0.1:11249',
      conntrack: { tcpEstablishedTimeout: '2h', maxPerCore: 0 },
    }
    writeFileSync(file, JSON.stringify(configuration))
    const checked = {
      ...service('checked', '10.96.0.98', [{}], { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32001 }),
    }
    await cluster.put(checked)
    await cluster.put(slice('checked', ['a', 'far']))
    const daemon = await new Daemon([
      `--config=${file}`,
      `--hostname-override=${world.node}`,
      '--masquerade-all',
      '--kube-api-qps=7',
    ]).serves()
    expect(daemon.log).toMatch(/flags that the configuration file overrides.*--masquerade-all/)
    expect((await get('http://127.0.0.1:11256/healthz')).code).toBe(200)
    expect((await get('http://127.0.0.1:10256/healthz')).code).toBe(0)
    expect(await mustRun(packets.nodeExec, 'cat', ['/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established'])).toBe('7200\n')
    const health = await get(`http://${world.nodeAddress}:32001/`)
    expect(health.code).toBe(200)
    expect(JSON.parse(health.body)).toMatchObject({ localEndpoints: 1, serviceProxyHealthy: true })
    await cluster.put(slice('checked', ['far', endpoint('a', { ready: false })]))
    await eventually(async () => expect((await get(`http://${world.nodeAddress}:32001/`)).code).toBe(503))
    await daemon.end('SIGTERM')
  }, 60_000)

  test('changes over to nftables, cut no connection by that, and back again', async () => {
    const kubeconfig = await cluster.byCertificate()
    const [iptables, nftables] = ['--proxy-mode=iptables', '--proxy-mode=nftables']
    const first = await new Daemon([...usual(kubeconfig), iptables as string]).serves()
    const talk = new Talk(packets.namespaceOf('far'), '10.96.0.10')
    await talk.hears('|')
    await first.end('SIGTERM')
    const second = await new Daemon([...usual(kubeconfig), nftables as string]).serves()
    expect((await get('http://127.0.0.1:10249/proxyMode')).body).toBe('nftables')
    await expectCases()
    expect(await save()).not.toContain('KUBE-SERVICES')
    await talk.says('in nftables')
    await second.end('SIGKILL')
    const third = await new Daemon([...usual(kubeconfig), iptables as string]).serves()
    await expectCases()
    await talk.says('in iptables again')
    talk.end()
    await third.end('SIGTERM')
    expect(await mustRun(packets.nodeExec, 'nft', ['list', 'tables'])).not.toMatch(/ownkube/)
  }, 90_000)

  test('cleanup takes all of ours and nothing of anyone else', async () => {
    expect(await save()).toContain('KUBE-SERVICES')
    const { code, stdout } = await new Promise<{ code: number; stdout: string }>((resolve) => {
      const cleaning = new Daemon(['cleanup'])
      void cleaning.ended.then((ended) => resolve({ code: ended, stdout: cleaning.log }))
    })
    expect(code, stdout).toBe(0)
    expect(await save()).toBe(before)
    expect(await mustRun(packets.nodeExec, 'cat', ['/proc/sys/net/ipv4/conf/all/route_localnet'])).toBe('0\n')
  }, 60_000)

  test.each([
    [['--no-such-flag'], 2, 'unknown flag: --no-such-flag'],
    [['--proxy-mode=ipvs'], 2, "no ipvs mode here: leave --proxy-mode out, and run 'kube-proxy --cleanup'"],
    [['--kubeconfig=/nowhere'], 1, 'there is no kubeconfig /nowhere'],
    [[], 1, 'which cluster? Give --kubeconfig'],
    [['--help'], 0, '--cluster-cidr'],
    [['--version'], 0, 'Kubernetes v1.'],
  ])('%j ends with %i', async (flags, expected, text) => {
    const { code, stdout, stderr } = await ownkube(['proxy', ...flags])
    expect(`${stdout}${stderr}`).toContain(text)
    expect(code).toBe(expected)
    // A line that a person reads, and no log with a stack.
    if (expected !== 0) expect(stderr).toMatch(/^error: .*\n(?:Run 'ownkube proxy --help' .*\n)?$/)
  })
})
