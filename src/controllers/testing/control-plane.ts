import type { Pod } from '../../api/generated/types.ts'
import { pods } from '../../api/registry.ts'
import { legacyTokenSigner } from '../../apiserver/access/legacy-tokens.ts'
import { newServiceAccountKey } from '../../apiserver/access/token-signatures.ts'
import { type ApiServer, createApiServer } from '../../apiserver/apiserver.ts'
import type { Client } from '../../client/client.ts'
import { directClient } from '../../client/direct-client.ts'
import { timestamp } from '../../host/clock.ts'
import { lineLog } from '../../host/log.ts'
import { seededRandom } from '../../host/seeded-random.ts'
import { VirtualClock } from '../../host/virtual-clock.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { anyCertificate } from '../../machinery/testing/certificate-requests.ts'
import { MemoryStore } from '../../storage/memory-store.ts'
import type { SignCertificate } from '../certificates/signing.ts'
import { startControllers } from '../start.ts'

const admin = { name: 'system:admin', uid: '', groups: ['system:masters', 'system:authenticated'], extra: {} }

/** The real API server and all controllers in this process, on a virtual clock; pods run when the test says so. */
export class ControlPlane {
  readonly clock: VirtualClock
  readonly client: Client
  readonly errors: string[]
  readonly #api: ApiServer
  readonly #close: () => Promise<void>

  private constructor(clock: VirtualClock, client: Client, errors: string[], api: ApiServer, close: () => Promise<void>) {
    this.#api = api
    this.clock = clock
    this.client = client
    this.errors = errors
    this.#close = close
  }

  static async start(signCertificate?: SignCertificate): Promise<ControlPlane> {
    const clock = new VirtualClock()
    const random = seededRandom(1)
    const stop = new AbortController()
    const errors: string[] = []
    const log = lineLog((line) => errors.push(line), { level: 'error', now: () => clock.now() })
    const store = new MemoryStore({ clock })
    const serviceAccountKey = newServiceAccountKey()
    const api = await createApiServer({
      store,
      clock,
      random,
      log,
      serviceCidr: '10.96.0.0/16',
      nodePortRange: { from: 30000, to: 32767 },
      serviceAccountKey,
    })
    const client = directClient(api.handle, admin, 'test')
    await startControllers({
      client,
      clock,
      random,
      log,
      signal: stop.signal,
      clusterCa: anyCertificate,
      signCertificate,
      signAccountToken: legacyTokenSigner(serviceAccountKey),
    })
    return new ControlPlane(clock, client, errors, api, async () => {
      stop.abort(new Error('the test is over'))
      await api.close()
      await store.close()
    })
  }

  /** Lets everything that follows from what was done come to rest. */
  async rest(): Promise<void> {
    await this.clock.advance(2_000)
  }

  /** A request as it is, for what the client has no method for. Answers what it is answered, refusals too. */
  async ask(method: 'GET' | 'PUT', path: string, body?: object): Promise<KubeObject> {
    const answer = await this.#api.handle({
      ...{ method, path, query: new URLSearchParams(), contentType: 'application/json', accept: 'application/json' },
      ...{ userAgent: 'test', user: admin, signal: new AbortController().signal },
      body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
    })
    if (answer.type !== 'object') throw new Error(`${path} answered with ${answer.type}`)
    return answer.object as KubeObject
  }

  async pods(namespace = 'default'): Promise<Pod[]> {
    return (await this.client.resource<Pod>(pods, namespace).list()).items
  }

  /** Says what a kubelet would: this pod runs, at this address. */
  async run(pod: Pod, ip: string, ready = true): Promise<void> {
    const now = timestamp(this.clock.now())
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: now }]
    const of = this.client.resource<Pod>(pods, pod.metadata.namespace)
    const fresh = await of.get(pod.metadata.name)
    await of.updateStatus({ ...fresh, status: { ...fresh.status, phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions } })
    await this.rest()
  }

  async close(): Promise<void> {
    await this.#close()
  }
}
