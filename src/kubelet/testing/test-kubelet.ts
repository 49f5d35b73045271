import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConfigMap, Event, Node, Pod, PodSpec, ServiceAccount } from '../../api/generated/types.ts'
import { configMaps, events, nodes, pods, serviceAccounts } from '../../api/registry.ts'
import { createApiServer } from '../../apiserver/apiserver.ts'
import type { Client } from '../../client/client.ts'
import { directClient } from '../../client/direct-client.ts'
import { issueCertificate, makeAuthority } from '../../cluster/issue-certificate.ts'
import { FakeRuntime } from '../../cri/fake-runtime.ts'
import type { Exec } from '../../host/exec.ts'
import { silentLog } from '../../host/log.ts'
import { systemRandom } from '../../host/random.ts'
import { VirtualClock } from '../../host/virtual-clock.ts'
import { isNotFound } from '../../machinery/status.ts'
import { MemoryStore } from '../../storage/memory-store.ts'
import { type Kubelet, startKubelet } from '../kubelet.ts'

const never: Exec = {
  run: async (program) => {
    throw new Error(`${program} must not be run in this test`)
  },
}

/** A whole kubelet over a fake runtime and a real API server in this process, on a clock that only moves when told to. */
export class TestKubelet {
  readonly clock: VirtualClock
  readonly runtime: FakeRuntime
  /** An administrator's. */
  readonly client: Client
  readonly #nodeClient: Client
  readonly folder = mkdtempSync(join(tmpdir(), 'ownkube-kubelet-'))
  kubelet: Kubelet | undefined
  credentials: { ca: string; client: { cert: string; key: string }; stranger: { cert: string; key: string } } | undefined
  #stop = new AbortController()

  private constructor(clock: VirtualClock, runtime: FakeRuntime, client: Client, nodeClient: Client) {
    this.#nodeClient = nodeClient
    this.clock = clock
    this.runtime = runtime
    this.client = client
  }

  static async start(): Promise<TestKubelet> {
    const clock = new VirtualClock(Date.now()) // certificates are judged by the real time
    const api = await createApiServer({
      ...{ store: new MemoryStore({ clock }), clock, random: systemRandom, log: silentLog },
      ...{ serviceCidr: '10.96.0.0/16', nodePortRange: { from: 30_000, to: 32_767 } },
    })
    const client = (name: string, group: string) =>
      directClient(api.handle, { name, uid: '', groups: [group, 'system:authenticated'], extra: {} }, 'test')
    const runtime = new FakeRuntime({ clock, images: ['web:1'] })
    const test = new TestKubelet(clock, runtime, client('admin', 'system:masters'), client('system:node:n1', 'system:nodes'))
    await giveAccess(test.client)
    await test.boot()
    return test
  }

  async boot(): Promise<void> {
    this.#stop = new AbortController()
    const { clock, runtime, folder } = this
    const span = { notBefore: clock.now() - 60_000, notAfter: clock.now() + 3600_000 }
    const authority = await makeAuthority({ commonName: 'test', ...span })
    const issue = (commonName: string, usage: 'client' | 'server') =>
      issueCertificate(authority, { commonName, organizations: [], usage, dnsNames: ['localhost'], addresses: ['127.0.0.1'], ...span })
    const server = await issue('system:node:n1', 'server')
    this.credentials = {
      ca: authority.cert,
      client: await issue('kube-apiserver-kubelet-client', 'client'),
      stranger: await issue('eve', 'client'),
    }
    this.kubelet = await startKubelet({
      ...{ client: this.#nodeClient, runtime, clock, random: systemRandom, log: silentLog, exec: never, signal: this.#stop.signal },
      ...{ nodeName: 'n1', nodeAddress: '192.0.2.1', podCidr: '10.244.0.0/24' },
      ...{ rootDir: join(folder, 'kubelet'), logDir: join(folder, 'logs'), cgroupRoot: '/ownkube-test-kubelet' },
      server: { host: '127.0.0.1', port: 0, ca: authority.cert, ...server },
      ...{ clusterDns: ['10.96.0.10'], clusterDomain: 'cluster.local', versions: { kubelet: 'v1.37.0-ownkube' } },
    })
  }

  /** As a crash would: nothing is told to anyone. */
  async kill(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    await this.kubelet?.stopped
  }

  async close(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async run(name: string, spec: Partial<PodSpec> & Pick<PodSpec, 'containers'>, metadata: Partial<Pod['metadata']> = {}): Promise<Pod> {
    return this.client.resource<Pod>(pods, 'default').create({ metadata: { name, ...metadata }, spec: { nodeName: 'n1', ...spec } })
  }

  async pod(name: string): Promise<Pod | undefined> {
    try {
      return await this.client.resource<Pod>(pods, 'default').get(name)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  node(): Promise<Node> {
    return this.client.resource<Node>(nodes).get('n1')
  }

  /**
   * Lets files and promises come to rest, without time passing for the kubelet. A busy machine takes its time over a file: as long as
   * the thread pool has work of ours, the turns that must pass in quiet begin anew.
   */
  async rest(turns = 6): Promise<void> {
    let quiet = 0
    for (let all = 0; quiet < turns && all < 5000; all++) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      await this.clock.advance(0)
      quiet = threadPoolWorks() ? 0 : quiet + 1
    }
  }

  /** Passes time in small steps until the pod is as wanted. */
  async until(name: string, wanted: (pod: Pod | undefined) => unknown, limitMs = 30_000, stepMs = 500): Promise<Pod> {
    const limit = this.clock.now() + limitMs
    for (;;) {
      await this.rest()
      const pod = await this.pod(name)
      if (wanted(pod)) return pod as Pod
      if (this.clock.now() >= limit) throw new Error(`pod ${name} did not get there: ${JSON.stringify(pod?.status, null, 1)}`)
      await this.clock.advance(stepMs)
    }
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1000) {
      await this.rest(3)
      await this.clock.advance(Math.min(left, 1000))
    }
    await this.rest()
  }

  /** From the kubelet's own server, as the API server asks. */
  get(path: string): Promise<{ code: number; text: string }> {
    return new Promise((resolve, reject) => {
      const options = { ca: this.credentials?.ca, ...this.credentials?.client, agent: false }
      const sent = request(`https://127.0.0.1:${this.kubelet?.port}${path}`, options, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        answer.on('end', () => resolve({ code: answer.statusCode ?? 0, text }))
      })
      sent.on('error', reject)
      sent.end()
    })
  }

  /** `Reason: message`, in the order written. */
  async events(name: string): Promise<string[]> {
    await this.rest()
    const { items } = await this.client.resource<Event>(events, 'default').list()
    return items.filter(({ involvedObject }) => involvedObject.name === name).map(({ reason, message }) => `${reason}: ${message}`)
  }
}

/** What pods need for their access to the API, which controllers make in a cluster. */
async function giveAccess(client: Client): Promise<void> {
  await client.resource<ServiceAccount>(serviceAccounts, 'default').create({ metadata: { name: 'default' } })
  await client.resource<ConfigMap>(configMaps, 'default').create({ metadata: { name: 'kube-root-ca.crt' }, data: { 'ca.crt': 'PEM' } })
}

/** Whether files are being read or written, or something is signed, right now. */
function threadPoolWorks(): boolean {
  return process.getActiveResourcesInfo().some((name) => /^(FSReq|FileHandleCloseReq|.*Job$|.*Request$)/.test(name))
}
