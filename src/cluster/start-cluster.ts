import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ApiServer } from '../apiserver/apiserver.ts'
import type { Client } from '../client/client.ts'
import { directClient } from '../client/direct-client.ts'
import { kubeconfigOf } from '../client/kubeconfig.ts'
import { type Clock, systemClock } from '../host/clock.ts'
import { type Log, silentLog } from '../host/log.ts'
import { type Random, systemRandom } from '../host/random.ts'
import { MemoryStore } from '../storage/memory-store.ts'
import { type ClusterCertificates, ensureCertificates, type KeyPair, readAuthority } from './certificates.ts'
import { firstAddress } from './config.ts'
import { startControlPlane } from './server.ts'

export interface StartClusterOptions {
  /** Port of 127.0.0.1 to serve the API on over TLS; 0 chooses one. Without it the cluster is reached only through `client`. */
  port?: number
  clock?: Clock
  random?: Random
  log?: Log
  serviceCidr?: string
}

export interface InProcessCluster {
  /** As the administrator, by direct calls. */
  client: Client
  /** For kubectl and others; undefined when no port was asked for. */
  kubeconfig: string | undefined
  /** Ends all of it: nothing keeps the process alive after that. May be called again. */
  close(): Promise<void>
}

/**
 * A control plane (API server, controllers, scheduler) inside this process, in memory: for tests that want a true API
 * without containers. Pods are scheduled onto Node objects that you create; nothing runs them.
 */
export async function startCluster(options: StartClusterOptions = {}): Promise<InProcessCluster> {
  const { clock = systemClock, random = systemRandom, log = silentLog, serviceCidr = '10.96.0.0/16' } = options
  const certificates = options.port === undefined ? undefined : await newCertificates(serviceCidr)
  const stop = new AbortController()
  const store = new MemoryStore({ clock })
  const clusterCa = certificates?.ca ?? ''
  const apiServer = await startControlPlane(
    {
      serviceCidr,
      nodePortRange: { from: 30000, to: 32767 },
      eventTtlSeconds: 3600,
      advertise: undefined,
      clusterCa,
      authority: certificates?.authority,
      serviceAccountKey: certificates?.serviceAccountKey,
      kubeletClient: undefined,
      candidate: undefined,
      policies: {},
    },
    { store, clock, random, log, signal: stop.signal },
  )
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= (async () => {
      stop.abort(new Error('the cluster was closed'))
      await apiServer.close()
      await store.close()
    })()
    return closing
  }
  try {
    const kubeconfig = certificates && (await serve(apiServer, options.port as number, certificates))
    const admin = { name: 'kubernetes-admin', uid: '', groups: ['system:masters', 'system:authenticated'], extra: {} }
    return { client: directClient(apiServer.handle, admin, 'ownkube/startCluster'), kubeconfig, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Good from now on by the machine's own clock, whatever the cluster's says: those who connect go by theirs. */
async function newCertificates(serviceCidr: string): Promise<ClusterCertificates & { authority: KeyPair | undefined }> {
  const folder = await mkdtemp(join(tmpdir(), 'ownkube-pki-'))
  try {
    const names = { nodeName: 'localhost', nodeAddress: '127.0.0.1', serviceAddress: firstAddress(serviceCidr) }
    const certificates = await ensureCertificates(folder, names, systemClock.now())
    return { ...certificates, authority: await readAuthority(folder) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function serve(apiServer: ApiServer, port: number, { ca, apiserver, admin }: ClusterCertificates): Promise<string> {
  const listening = await apiServer.listen({ host: '127.0.0.1', port, ca, ...apiserver })
  return await kubeconfigOf({ name: 'ownkube', server: `https://127.0.0.1:${listening.port}`, ca, ...admin })
}
