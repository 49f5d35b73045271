import { ipv4Text, parseNetwork } from '../machinery/ipv4.ts'
import type { ProxyMode } from '../proxy/proxy.ts'

/** The complete configuration of one cluster on this machine: parsed once, kept as `<dataDir>/cluster.json`. */
export interface ClusterConfig {
  name: string
  dataDir: string
  runDir: string
  nodeName: string
  /** The node's own address: where the API server and NodePorts are reached from other hosts. */
  nodeAddress: string
  apiPort: number
  kubeletPort: number
  /** 0: not served. */
  proxyHealthPort: number
  proxyMetricsPort: number
  /** Addresses of all pods, and this node's part of them: IPv4, or IPv4 and IPv6 with a comma between; so with those of Services. */
  podCidr: string
  nodePodCidr: string
  serviceCidr: string
  nodePortRange: { from: number; to: number }
  eventTtlSeconds: number
  /** Requests that the API server serves at one time, both together; absent: its own defaults. */
  maxRequestsInflight?: number
  maxMutatingRequestsInflight?: number
  /** '' for the default cluster, which uses the well-known chain names; others are kept apart by it. */
  chainTag: string
  /** What programs the rules of Services; none: another proxy than ours does. */
  proxyMode: ProxyMode | 'none'
  /** Pods' connections to Services are translated at the socket, where the machine can do it. */
  socketLb: boolean
  createdAt: string
  /** The etcd that several servers may share; absent: a folder of this cluster's own. */
  datastore?: Datastore
  /** No node here: the API server, controllers and scheduler alone. */
  serverOnly?: boolean
  policies?: ServerPolicyFlags
}

/** What the API server does beyond its usual, by kube-apiserver's own flags. Paths are absolute; '' and absent: not done. */
export interface ServerPolicyFlags {
  auditPolicyFile?: string
  /** `-`: standard output, which is the server's log. */
  auditLogPath?: string
  auditLogMaxAgeDays?: number
  auditLogMaxBackups?: number
  auditLogMaxSizeMib?: number
  encryptionProviderConfig?: string
  /** False: requests that show no credentials are refused. */
  anonymousAuth?: boolean
  enableAdmissionPlugins?: readonly string[]
  disableAdmissionPlugins?: readonly string[]
  admissionControlConfigFile?: string
  requestTimeoutSeconds?: number
  minRequestTimeoutSeconds?: number
}

/** Paths are absolute. */
export interface Datastore {
  endpoints: readonly string[]
  caFile?: string
  certFile?: string
  keyFile?: string
  /** What its keys begin with. */
  prefix: string
}

export const defaultDatastorePrefix = '/ownkube'

/** What a user may ask for; the rest is chosen. */
export interface ClusterOptions {
  name: string
  dataDir?: string | undefined
  apiPort?: number | undefined
  podCidr?: string | undefined
  serviceCidr?: string | undefined
  nodePortRange?: { from: number; to: number } | undefined
  eventTtlSeconds?: number | undefined
  maxRequestsInflight?: number | undefined
  maxMutatingRequestsInflight?: number | undefined
  proxyMode?: ProxyMode | 'none' | undefined
  socketLb?: boolean | undefined
  nodeName?: string | undefined
  datastore?: Datastore | undefined
  serverOnly?: boolean | undefined
  policies?: ServerPolicyFlags | undefined
}

export const defaultName = 'default'

export function defaultDataDir(name: string): string {
  return `/var/lib/ownkube/${name}`
}

export function runDirOf(name: string): string {
  return `/run/ownkube/${name}`
}

/** What tells one cluster's ports and addresses from another's on the same machine: slot 0 has Kubernetes' usual ones. */
export function slotDefaults(
  slot: number,
): Pick<ClusterConfig, 'apiPort' | 'kubeletPort' | 'proxyHealthPort' | 'proxyMetricsPort' | 'podCidr' | 'serviceCidr'> {
  return {
    apiPort: 6443 + slot,
    kubeletPort: 10250 + 100 * slot,
    proxyHealthPort: 10256 + 100 * slot,
    proxyMetricsPort: 10249 + 100 * slot,
    podCidr: `10.${244 - slot}.0.0/16`,
    serviceCidr: `10.${96 + slot}.0.0/16`,
  }
}

export const slotCount = 60

/** The node's /24 (and /64) out of the cluster's pod addresses; one node, the first part. */
export function nodePodCidrOf(podCidr: string): string {
  const parts = podCidr.split(',').map((range) => {
    const [address = '', bits = '16'] = range.split('/')
    const own = range.includes(':') ? 64 : 24
    return Number(bits) >= own ? range : `${address}/${own}`
  })
  return parts.join()
}

/** The first address of the Service range is the API's own Service. */
export function firstAddress(cidr: string): string {
  return ipv4Text(parseNetwork(cidr.split(',')[0] as string).first + 1)
}

/** Three hex digits of the name keep chain and link names of clusters apart; '' for the default cluster. */
export function tagOf(name: string, hash: (text: string) => string): string {
  return name === defaultName ? '' : hash(name).slice(0, 3)
}
