import { legacyTokenSigner } from '../apiserver/access/legacy-tokens.ts'
import { newServiceAccountKey } from '../apiserver/access/token-signatures.ts'
import { type ApiServer, type ApiServerPolicies, createApiServer } from '../apiserver/apiserver.ts'
import type { Client } from '../client/client.ts'
import { directClient } from '../client/direct-client.ts'
import { standForElection } from '../client/leader-election.ts'
import { WorkQueueMetrics } from '../client/work-queue-metrics.ts'
import { startControllers } from '../controllers/start.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import type { UserInfo } from '../machinery/api-request.ts'
import { startScheduler } from '../scheduler/start.ts'
import type { Store } from '../storage/store.ts'
import { type KeyPair, readAuthority, readCertificates } from './certificates.ts'
import { ensureClusterInfo } from './cluster-info.ts'
import type { ClusterConfig } from './config.ts'
import { openDatastore, requireOneCluster } from './datastore.ts'
import { PartHealth } from './part-health.ts'
import { pathsOf } from './paths.ts'
import { readServerPolicies } from './server-policies.ts'
import { signerOf } from './sign-request.ts'

/** Components of the control plane, which live in the API server's own process. */
function componentUser(name: string): UserInfo {
  return { name: `system:${name}`, uid: '', groups: ['system:masters', 'system:authenticated'], extra: {} }
}

export interface ControlPlaneDeps {
  store: Store
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
}

export interface ControlPlaneConfig {
  serviceCidr: string
  nodePortRange: { from: number; to: number }
  eventTtlSeconds: number
  /** Undefined: the API server's own defaults. */
  maxRequestsInflight?: number | undefined
  maxMutatingRequestsInflight?: number | undefined
  /** Where the `kubernetes` Service leads; undefined leaves it without endpoints. */
  advertise: { address: string; port: number } | undefined
  clusterCa: string
  /** Signs what is asked for through the API; undefined: requests for certificates are left to others. */
  authority: KeyPair | undefined
  /** Undefined: tokens end with the process. */
  serviceAccountKey: string | undefined
  kubeletClient: { ca: string; cert: string; key: string } | undefined
  /** How this server is told from others on the same store, of which one leads; undefined: the store is this server's alone. */
  candidate: string | undefined
  policies: ApiServerPolicies
}

const urlOf = ({ address, port }: { address: string; port: number }): string =>
  `https://${address.includes(':') ? `[${address}]` : address}:${port}`

/** API server, controllers and scheduler over one store: what `ownkube server` and `startCluster()` both run. */
export async function startControlPlane(config: ControlPlaneConfig, deps: ControlPlaneDeps): Promise<ApiServer> {
  const { clock, random, log, signal, store } = deps
  const serviceAccountKey = config.serviceAccountKey ?? newServiceAccountKey()
  const clientOf = (component: string): Client => directClient(apiServer.handle, componentUser(component), `${component}/ownkube`)
  const health = { controllers: new PartHealth('kube-controller-manager'), scheduler: new PartHealth('kube-scheduler') }
  const elects = config.candidate !== undefined
  const probe = (part: PartHealth) => () => part.probe({ client: clientOf('apiserver'), clock, elects })
  const queueMetrics = new WorkQueueMetrics()
  const apiServer: ApiServer = await createApiServer({
    metricSources: [queueMetrics],
    store,
    clock,
    random,
    log: log.named('apiserver'),
    serviceCidr: config.serviceCidr,
    nodePortRange: config.nodePortRange,
    eventTtlSeconds: config.eventTtlSeconds,
    ...(config.maxRequestsInflight === undefined ? {} : { maxRequestsInflight: config.maxRequestsInflight }),
    ...(config.maxMutatingRequestsInflight === undefined ? {} : { maxMutatingRequestsInflight: config.maxMutatingRequestsInflight }),
    ...config.policies,
    components: new Map([
      ['scheduler', probe(health.scheduler)],
      ['controller-manager', probe(health.controllers)],
    ]),
    ...(elects ? { sharesStore: true } : {}),
    serviceAccountKey,
    ...(config.clusterCa ? { clientCa: config.clusterCa } : {}),
    ...(config.kubeletClient ? { kubeletClient: config.kubeletClient } : {}),
    ...(config.advertise ? { advertiseAddress: config.advertise.address, advertisePort: config.advertise.port } : {}),
  })
  const parts = [
    {
      name: 'kube-controller-manager',
      start: (term: AbortSignal) =>
        health.controllers.started(term, async (failed) => {
          const client = clientOf('kube-controller-manager')
          if (config.advertise) {
            const info = { server: urlOf(config.advertise), ca: config.clusterCa }
            await ensureClusterInfo(client, info).catch((error) => log.warn('cannot write kube-public/cluster-info', { error }))
          }
          await startControllers({
            client,
            clock,
            random,
            log: log.named('controllers'),
            signal: term,
            queueMetrics,
            clusterCa: config.clusterCa,
            signCertificate: config.authority && signerOf(config.authority),
            signAccountToken: legacyTokenSigner(serviceAccountKey),
            failed,
          })
        }),
    },
    {
      name: 'kube-scheduler',
      start: (term: AbortSignal) =>
        health.scheduler.started(term, (failed) =>
          startScheduler({ client: clientOf('kube-scheduler'), clock, random, log: log.named('scheduler'), signal: term, failed }),
        ),
    },
  ]
  const identity = config.candidate
  if (identity === undefined) {
    await startedOrLate(Promise.all(parts.map(({ start }) => start(signal))), deps)
    return apiServer
  }
  const elections = parts.map(({ name, start }) =>
    standForElection({ client: clientOf(name), name, identity, clock, random, log: log.named(name), signal, lead: start }),
  )
  return {
    ...apiServer,
    async close() {
      // Leases are given back through the API.
      await Promise.all(elections)
      await apiServer.close()
    },
  }
}

/** How long the API waits for the controllers before it is served without them. */
const startWithinMs = 10_000

/**
 * Nobody should meet a cluster whose controllers do not run yet. But what holds them up, such as a Secret that cannot be decrypted, can only
 * be put right through the API.
 */
function startedOrLate(started: Promise<unknown>, { clock, log }: Pick<ControlPlaneDeps, 'clock' | 'log'>): Promise<void> {
  return new Promise((resolve, reject) => {
    let isLate = false
    const cancel = clock.after(startWithinMs, () => {
      isLate = true
      log.warn(
        'the controllers or the scheduler have not started yet, most likely as they cannot list something; the API is served meanwhile',
      )
      resolve()
    })
    started.then(
      () => {
        cancel()
        resolve()
      },
      (error: unknown) => {
        cancel()
        if (isLate) log.error('the controllers or the scheduler cannot start', { error })
        reject(error)
      },
    )
  })
}

/** The `server` role: runs until the signal, then closes the store last. */
export async function runServer(config: ClusterConfig, deps: Omit<ControlPlaneDeps, 'store'>): Promise<void> {
  const paths = pathsOf(config)
  const certificates = await readCertificates(paths.pki)
  const { policies, warnings } = await readServerPolicies(config.policies ?? {})
  for (const warning of warnings) deps.log.warn(warning)
  const store = await openDatastore(config, { ...deps, log: deps.log.named('storage') })
  try {
    if (config.datastore) await requireOneCluster(store, config, certificates)
    const apiServer = await startControlPlane(
      {
        serviceCidr: config.serviceCidr,
        nodePortRange: config.nodePortRange,
        eventTtlSeconds: config.eventTtlSeconds,
        maxRequestsInflight: config.maxRequestsInflight,
        maxMutatingRequestsInflight: config.maxMutatingRequestsInflight,
        advertise: { address: config.nodeAddress, port: config.apiPort },
        clusterCa: certificates.ca,
        authority: await readAuthority(paths.pki),
        serviceAccountKey: certificates.serviceAccountKey,
        kubeletClient: { ca: certificates.ca, ...certificates.apiserverKubeletClient },
        // As client-go's: a server that comes back is another candidate than the one that went.
        candidate: config.datastore ? `${config.nodeName}_${deps.random.uuid()}` : undefined,
        policies,
      },
      { ...deps, store },
    )
    await apiServer.listen({ host: '::', port: config.apiPort, ca: certificates.ca, ...certificates.apiserver })
    deps.log.info('serving', { port: config.apiPort })
    await new Promise<void>((resolve) => deps.signal.addEventListener('abort', () => resolve(), { once: true }))
    await apiServer.close()
  } finally {
    await store.close()
  }
}
