import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { removeSocketBalancing } from '../../bpf/socket-balancer.ts'
import { accessByKubeconfig, accessFromPod, type ClusterAccess } from '../../client/cluster-access.ts'
import { httpClient } from '../../client/http-client.ts'
import { KubeconfigError } from '../../client/kubeconfig.ts'
import { kubeletPodsCgroup } from '../../cri/unified-cgroup.ts'
import type { Clock } from '../../host/clock.ts'
import type { Exec } from '../../host/exec.ts'
import { ExecError } from '../../host/exec.ts'
import type { Log } from '../../host/log.ts'
import { giveBackMemory } from '../../host/memory.ts'
import { openConntrack } from '../../netfilter/conntrack/open-conntrack.ts'
import { hasIpv6 } from '../../netfilter/local-addresses.ts'
import { openNftables } from '../../netfilter/nftables/open-nftables.ts'
import { type ProxyFamily, removeProxyRules, startProxy } from '../../proxy/proxy.ts'
import type { AddressFamily } from '../../proxy/service-port.ts'
import type { SocketBalancingOptions } from '../../proxy/socket-balancing.ts'
import type { ProcessDeps } from '../process.ts'
import type { ProxyConfiguration, ProxyModeName } from './configuration.ts'
import { applyConntrackSettings } from './conntrack-settings.ts'

/** Pods' sockets are balanced: those in this cgroup, or in the kubelet's. */
interface SocketLbOptions {
  readonly cgroup: string | undefined
}

export interface DaemonOptions {
  readonly configuration: ProxyConfiguration
  readonly access: ClusterAccess
  readonly socketLb: SocketLbOptions | undefined
}

/** Serves the Services of a cluster that need not be ours on this node, until the signal. Rules stay. */
export async function runProxyDaemon({ configuration, access, socketLb }: DaemonOptions, deps: ProcessDeps): Promise<void> {
  const { log, exec, clock, signal } = deps
  const mode = configuration.mode ?? 'iptables'
  const client = httpClient({ ...access, userAgent: 'kube-proxy/ownkube', clock })
  try {
    await prepareHost(configuration, log)
    await sparedByKernel(configuration.oomScoreAdj, log)
    const families = await familiesOf(configuration, mode, { exec, log })
    log.info('starting', {
      server: access.server,
      node: configuration.nodeName,
      mode,
      families: families.map(({ family }) => family).join(),
    })
    const proxy = await startProxy({
      ...deps,
      client,
      nodeName: configuration.nodeName,
      mode,
      openNftables: openNftables(deps),
      conntrack: openConntrack(deps),
      families,
      socketBalancing: socketLb && (await socketBalancingOf(socketLb, log)),
      chainTag: '',
      healthAddress: configuration.healthAddress,
      metricsAddress: configuration.metricsAddress,
      mustListen: configuration.mustListen,
      masqueradeAll: configuration.masqueradeAll[mode],
      masqueradeBit: configuration.masqueradeBit[mode],
      localhostNodePorts: configuration.localhostNodePorts,
      checkIntervalMs: configuration.checkIntervalMs[mode],
      minSyncIntervalMs: configuration.minSyncIntervalMs[mode],
      giveBackMemory,
    })
    await proxy.stopped
  } finally {
    await client.close()
  }
  signal.throwIfAborted()
}

/** What needs a privileged process, such as an init container, while the proxy itself then runs with CAP_NET_ADMIN alone. */
export async function prepareHost(configuration: ProxyConfiguration, log: Log): Promise<void> {
  await applyConntrackSettings(configuration.conntrack, availableParallelism(), log)
}

/** Takes away all rules that a proxy with the known names may have left, of every mode; nobody else's. */
export async function cleanUp(deps: { exec: Exec; clock: Clock }, socketLb?: SocketLbOptions): Promise<void> {
  const cgroup = socketLb?.cgroup ?? (await kubeletPodsCgroup())
  if (cgroup !== undefined) removeSocketBalancing(cgroup)
  await removeProxyRules({ exec: deps.exec, openNftables: openNftables(deps), chainTag: '' })
}

async function socketBalancingOf({ cgroup }: SocketLbOptions, log: Log): Promise<SocketBalancingOptions | undefined> {
  const cgroupPath = cgroup ?? (await kubeletPodsCgroup())
  if (cgroupPath !== undefined) return { cgroupPath }
  log.warn('sockets are not balanced: no cgroup of version 2 with pods was found; name it with --socket-lb-cgroup')
  return undefined
}

/** How the cluster is reached; `master` takes the place of the kubeconfig's server. Throws {@link KubeconfigError}. */
export async function proxyAccess(
  { kubeconfig }: Pick<ProxyConfiguration, 'kubeconfig'>,
  master: string | undefined,
  deps: { exec: Exec; clock: Clock },
  env: Readonly<Record<string, string | undefined>>,
): Promise<ClusterAccess> {
  if (kubeconfig !== undefined) return await accessByKubeconfig(kubeconfig, deps, master === undefined ? {} : { master })
  const access = await accessFromPod(env, deps.clock)
  if (!access) throw new KubeconfigError('which cluster? Give --kubeconfig, or run in a pod that has a service account')
  return master === undefined ? access : { ...access, server: master }
}

async function sparedByKernel(score: number, log: Log): Promise<void> {
  try {
    await writeFile('/proc/self/oom_score_adj', String(score))
  } catch (error) {
    log.warn('oom_score_adj is left as it is', { wanted: score, error })
  }
}

async function familiesOf(
  configuration: ProxyConfiguration,
  mode: ProxyModeName,
  { exec, log }: { exec: Exec; log: Log },
): Promise<ProxyFamily[]> {
  const families: AddressFamily[] = (await canDoIpv6(mode, exec)) ? ['IPv4', 'IPv6'] : ['IPv4']
  if (families.every((family) => configuration.podTraffic[family] === undefined)) {
    log.warn('nothing tells pods from others, so that nothing sent to cluster addresses is masqueraded: give --cluster-cidr')
  }
  const { nodeAddress } = configuration
  const byDefault = mode === 'iptables' ? [] : ['primary']
  return families.map((family) => {
    const own = nodeAddress?.includes(':') === (family === 'IPv6') ? nodeAddress : undefined
    const nodePortAddresses = configuration.nodePortAddresses[family] ?? byDefault
    return {
      family,
      nodePortAddresses: nodePortAddresses.map((each) => (each === 'primary' ? (own ?? each) : each)),
      podTraffic: configuration.podTraffic[family],
    }
  })
}

async function canDoIpv6(mode: ProxyModeName, exec: Exec): Promise<boolean> {
  if (!(await hasIpv6(exec))) return false
  if (mode === 'nftables') return true
  try {
    return (await exec.run('ip6tables-save', ['-t', 'nat'])).code === 0
  } catch (error) {
    if (error instanceof ExecError) return false
    throw error
  }
}
