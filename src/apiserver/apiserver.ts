import { lastUsedLabel } from '../api/core/account-token-secret.ts'
import type { Kind } from '../api/kind.ts'
import {
  apiServices,
  flowSchemas,
  ipAddresses,
  kinds,
  namespaces,
  priorityLevelConfigurations,
  secrets,
  serviceCidrs,
  services,
  storedKinds,
} from '../api/registry.ts'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import type { ApiHandler } from '../machinery/api-request.ts'
import type { KubeObject } from '../machinery/object.ts'
import { isAlreadyExists } from '../machinery/status.ts'
import type { Store } from '../storage/store.ts'
import { Access } from './access/access.ts'
import { newServiceAccountKey } from './access/token-signatures.ts'
import { Admission, type AdmissionPlugins, defaultPlugins } from './admission/admission.ts'
import { AdmissionMetrics } from './admission/admission-metrics.ts'
import type { AdmissionFacts } from './admission/plugin.ts'
import { PolicyChecks } from './admission/policies/policy-checks.ts'
import { QuotaLedger } from './admission/resource-quota/ledger.ts'
import { Api } from './api.ts'
import { type AuditOptions, Auditor } from './audit/auditor.ts'
import { Backends } from './backends.ts'
import { bootstrap, watchOver } from './bootstrap.ts'
import { byServer } from './by-server.ts'
import { ComponentStatuses, type Probe } from './component-statuses.ts'
import { Discovery } from './discovery.ts'
import { EncryptedStore } from './encryption/encrypted-store.ts'
import type { Encryption } from './encryption/encryption-configuration.ts'
import { Fairness } from './fairness/fairness.ts'
import { FlowObjects } from './fairness/flow-objects.ts'
import { type FrontEnd, type ListenOptions, startFrontEnd } from './front-end.ts'
import type { KubeletCredentials } from './kubelet-connections.ts'
import { type MetricSource, metricsText } from './metrics.ts'
import { Objects } from './objects.ts'
import { pathAnswer } from './path-api.ts'
import { Reads } from './reads.ts'
import { RequestMetrics } from './request-metrics.ts'
import { ResourceApi } from './resource-api.ts'
import { ServerAddresses } from './server-addresses.ts'
import { AddressRepair } from './services/address-repair.ts'
import { DefaultServiceCidr } from './services/default-service-cidr.ts'
import { NodePorts, type PortRange } from './services/node-ports.ts'
import { ServiceAddresses } from './services/service-addresses.ts'
import { ServiceRanges } from './services/service-ranges.ts'
import { WatchCache } from './watch-cache.ts'
import { Writes } from './writes.ts'

/** What it does beyond the usual. */
export interface ApiServerPolicies {
  /** Absent: nothing is told of requests. */
  readonly audit?: AuditOptions
  /** Absent: objects are stored as they are. */
  readonly encryption?: Encryption
  /** False: who shows no credentials is refused. Default true: they are system:anonymous, who sees health and version. */
  readonly anonymousAuth?: boolean
  /** Absent: upstream's usual ones. */
  readonly admissionPlugins?: AdmissionPlugins
  /** What a request has at most; default 60. */
  readonly requestTimeoutSeconds?: number
  /** A watch that asks for no time gets this, up to twice as much; default 1800. */
  readonly minRequestTimeoutSeconds?: number
}

export interface ApiServerOptions extends ApiServerPolicies {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** An IPv4 network, such as 10.96.0.0/16. */
  readonly serviceCidr: string
  readonly nodePortRange: PortRange
  /** How long an Event stays after it was last written; default an hour. */
  readonly eventTtlSeconds?: number
  /** PEM of the EC P-256 key that signs service-account tokens. Without it a new one: tokens then end with the process. */
  readonly serviceAccountKey?: string
  /** PEM of who signs client certificates: other API servers are told in kube-system/extension-apiserver-authentication. */
  readonly clientCa?: string
  /** How the server shows itself to kubelets (PEM): without it there is no log, exec, attach or port-forward. */
  readonly kubeletClient?: KubeletCredentials
  /** The address and port (default 6443) at which pods reach this server: the endpoints of the `kubernetes` Service. */
  readonly advertiseAddress?: string
  readonly advertisePort?: number
  /** Other servers work on the same store: the `kubernetes` Service leads to all of them. */
  readonly sharesStore?: boolean
  /** What others in the process count, for /metrics. */
  readonly metricSources?: readonly MetricSource[]
  /** How the other parts of the control plane are, for `kubectl get componentstatuses`; by name. */
  readonly components?: ReadonlyMap<string, Probe>
  /** Together the requests served at one time (defaults 400 and 200), shared out by PriorityLevelConfigurations. */
  readonly maxRequestsInflight?: number
  readonly maxMutatingRequestsInflight?: number
}

/** Also where pods find this server, by the cluster's DNS. */
const serviceAccountIssuer = 'https://kubernetes.default.svc.cluster.local'

export interface ApiServer {
  /** The API without HTTP, for components in the same process. */
  readonly handle: ApiHandler
  /** Serves HTTPS (h2 and HTTP/1.1). Resolves once connections are taken; port 0 lets the system choose. */
  listen(options: ListenOptions): Promise<{ port: number }>
  /** Ends watches and connections; the store stays open: it is the caller's. */
  close(): Promise<void>
}

/** Reads the store, makes what every cluster begins with, and is then ready to answer. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { clock, random } = options
  const store = options.encryption ? new EncryptedStore(options.store, options.encryption) : options.store
  const log = options.log.named('apiserver')
  const cache = await WatchCache.start(storedKinds, { store, clock, log })
  const ranges = new ServiceRanges(cache.kind(serviceCidrs), options.serviceCidr)
  const nodePorts = new NodePorts(cache.kind(services), options.nodePortRange, random)
  const addresses = new ServiceAddresses({ ranges, addresses: cache.kind(ipAddresses), nodePorts, clock, random })
  const objects = new Objects(store, cache, { eventTtlSeconds: options.eventTtlSeconds ?? 3600 })
  const access = new Access(cache, {
    clock,
    random,
    issuer: serviceAccountIssuer,
    serviceAccountKey: options.serviceAccountKey ?? newServiceAccountKey(),
    anonymousAuth: options.anonymousAuth ?? true,
    legacyTokenUsed: (namespace, name, date) => noteTokenUse(writes, { namespace, name }, date, log),
  })
  const makeNamespace = (name: string): Promise<void> => ensureNamespace(name, writes, cache)
  const admissionMetrics = new AdmissionMetrics(clock)
  const policyChecks = new PolicyChecks(clock)
  const facts = factsOf(cache, access, { random, makeNamespace, policyChecks })
  const admission = new Admission(options.admissionPlugins ?? defaultPlugins, { facts, metrics: admissionMetrics })
  const quotas = admission.countsQuotas ? new QuotaLedger(cache) : noQuotas
  const writes = new Writes({ objects, cache, addresses, admission, quotas, clock, random })
  const reads = new Reads({ store, cache, clock, random, watchAtLeastMs: (options.minRequestTimeoutSeconds ?? 1800) * 1000 })
  const fairness = new Fairness({
    clock,
    schemas: cache.kind(flowSchemas),
    levels: cache.kind(priorityLevelConfigurations),
    seats: (options.maxRequestsInflight ?? 400) + (options.maxMutatingRequestsInflight ?? 200),
  })
  const auditor = options.audit && (await Auditor.open(options.audit, { clock, random, log }))
  const requestMetrics = new RequestMetrics(clock)
  const metricSources = [
    requestMetrics,
    fairness,
    admissionMetrics,
    policyChecks,
    ...(auditor ? [auditor] : []),
    ...(options.metricSources ?? []),
  ]
  const metrics = (): string => metricsText(metricSources, { clock, cache, store })
  const discovery = new Discovery(kinds as readonly Kind[])
  const groupVersions = discovery.groupVersions().filter(({ group }) => group !== apiServices.group)
  const advertise = options.advertiseAddress ? { address: options.advertiseAddress, port: options.advertisePort ?? 6443 } : undefined
  let listeningOn = ''
  let closed = false
  const paths = { discovery, metrics, store, cache, tokens: access.tokens, serverAddress: () => listeningOn, isClosing: () => closed }
  const components = new ComponentStatuses(new Map([...(options.components ?? []), ['etcd-0', () => store.healthy()]]))
  const api = new Api({
    resources: new ResourceApi({ admission, reads, writes, cache, access, components, clock, random }),
    paths: (path, request) => pathAnswer(path, request, paths),
    cache,
    access,
    clock,
    fairness,
    metrics: requestMetrics,
    requestTimeoutMs: (options.requestTimeoutSeconds ?? 60) * 1000,
    auditor,
    log,
  })
  const serviceCidr = new DefaultServiceCidr({ writes, cache, clock, log }, ranges)
  const repair = new AddressRepair({ writes, cache, clock, log })
  const flowObjects = new FlowObjects({ writes, cache, clock, log })
  const establish = async (): Promise<void> => {
    const reachedAt = servers ? await servers.all() : advertise && { addresses: [advertise.address], port: advertise.port }
    await bootstrap(
      { writes, cache, serviceCidr },
      {
        serviceAddress: ranges.configured[0]?.first as string,
        groupVersions,
        advertise: reachedAt?.addresses.length === 0 ? undefined : reachedAt,
        clientCa: options.clientCa,
      },
    )
  }
  const servers =
    advertise && options.sharesStore ? new ServerAddresses({ store, clock, log, own: advertise, renewed: establish }) : undefined
  await repair.begin()
  await servers?.begin()
  await establish()
  await flowObjects.begin()
  watchOver(cache, () => {
    establish().catch((error) => closed || log.error('cannot restore what every cluster begins with', { error }))
  })
  const backends = new Backends(options.kubeletClient)
  const frontEnds: FrontEnd[] = []
  return {
    handle: (request) => backends.answered(api, request),
    async listen(at) {
      const frontEnd = await startFrontEnd(at, { api, backends, log })
      frontEnds.push(frontEnd)
      listeningOn = `${advertise?.address ?? at.host}:${frontEnd.port}`
      return { port: frontEnd.port }
    },
    async close() {
      closed = true
      await repair.close()
      await flowObjects.close()
      await servers?.end().catch((error) => log.warn('cannot tell the other servers that this one goes', { error }))
      // Watches first: a connection with an open answer would hold up its end.
      await cache.close()
      await Promise.all(frontEnds.splice(0).map((frontEnd) => frontEnd.close()))
      backends.close()
      // Last: what ended just now is told, too.
      await auditor?.close()
    },
  }
}

/** The Secret says when its token was last used; that it cannot be written keeps nobody out. */
async function noteTokenUse(writes: Writes, secret: { namespace: string; name: string }, date: string, log: Log): Promise<void> {
  const place = { kind: secrets as unknown as Kind, ...secret }
  const labelled = ({ metadata, ...rest }: KubeObject): KubeObject => ({
    ...rest,
    metadata: { ...metadata, labels: { ...metadata.labels, [lastUsedLabel]: date } },
  })
  await writes.rewrite(place, false, labelled).catch((error) => log.warn('cannot note when a token was last used', { ...secret, error }))
}

/** Nothing is counted. */
const noQuotas: Pick<QuotaLedger, 'charged'> = { charged: (_, write) => write([]) }

async function ensureNamespace(name: string, writes: Writes, cache: WatchCache): Promise<void> {
  const object = { metadata: { name } } as KubeObject
  try {
    await writes.create(namespaces as unknown as Kind, undefined, object, byServer)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
  await cache.fresh()
}

function factsOf(
  cache: WatchCache,
  access: Access,
  others: Pick<AdmissionFacts, 'random' | 'makeNamespace' | 'policyChecks'>,
): AdmissionFacts {
  return {
    get: <T extends KubeObject>(kind: Kind<T>, namespace: string | undefined, name: string) =>
      cache.kind(kind).get(namespace, name)?.object as T | undefined,
    list: <T extends KubeObject>(kind: Kind<T>, namespace: string | undefined) =>
      cache
        .kind(kind)
        .list(namespace)
        .map(({ object }) => object as T),
    states: <T extends KubeObject>(kind: Kind<T>) =>
      cache.kind(kind).list(undefined) as readonly { readonly object: KubeObject }[] as readonly { readonly object: T }[],
    ...others,
    allows: (user, route) => access.authorizer.allows(user, route),
    reasonFor: (user, route) => access.authorizer.reasonFor(user, route),
    checkEscalation: access.checkEscalation,
  }
}
