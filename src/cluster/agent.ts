import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { removeSocketBalancing } from '../bpf/socket-balancer.ts'
import type { Client } from '../client/client.ts'
import { httpClient } from '../client/http-client.ts'
import { handDownControllers } from '../cri/cgroup-controllers.ts'
import { connectContainerd } from '../cri/containerd.ts'
import { type ContainerdOptions, containerdSocketIn, removeRuntimeLeftovers, startContainerd } from '../cri/containerd-process.ts'
import { ensurePauseImage, pauseImageName } from '../cri/image/pause-image.ts'
import type { ContainerRuntime } from '../cri/runtime.ts'
import { gatherPods, type UnifiedCgroup, unifiedCgroup } from '../cri/unified-cgroup.ts'
import type { Clock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import { giveBackMemory } from '../host/memory.ts'
import type { Random } from '../host/random.ts'
import { startKubelet } from '../kubelet/kubelet.ts'
import { rangesByFamily } from '../machinery/ip-address.ts'
import { openConntrack } from '../netfilter/conntrack/open-conntrack.ts'
import { openNftables } from '../netfilter/nftables/open-nftables.ts'
import { nodeAddress6 } from '../podnet/node-address.ts'
import { ensurePodNetwork, type PodNetworkOptions } from '../podnet/pod-network.ts'
import { type ProxyFamily, type ProxyMode, removeProxyRules, type Proxy as ServiceProxy, startProxy } from '../proxy/proxy.ts'
import { type ClusterCertificates, type KeyPair, readCertificates } from './certificates.ts'
import type { ClusterConfig } from './config.ts'
import { cniPluginDirs, pathsOf } from './paths.ts'
import { kubernetesVersion } from './version.ts'

export interface AgentDeps {
  clock: Clock
  random: Random
  log: Log
  exec: Exec
  signal: AbortSignal
}

/** The cgroup, below each hierarchy's root, that holds all pods of a cluster. */
export function cgroupRootOf(name: string): string {
  return `/ownkube-${name}`
}

export function containerdOptions(config: ClusterConfig): ContainerdOptions {
  const paths = pathsOf(config)
  return {
    dataDir: paths.containerdData,
    runDir: paths.containerdRun,
    sandboxImage: pauseImageName,
    cniBinDirs: cniPluginDirs,
    cniConfDir: paths.cniConf,
    logFile: paths.containerdLog,
  }
}

export function containerdSocket(config: ClusterConfig): string {
  return containerdSocketIn(pathsOf(config).containerdRun)
}

export function podNetworkOptions(config: ClusterConfig): PodNetworkOptions {
  const paths = pathsOf(config)
  return {
    cluster: config.name,
    chainTag: config.chainTag,
    podCidr: config.podCidr,
    nodePodCidr: config.nodePodCidr,
    cniConfDir: paths.cniConf,
    dataDir: paths.podnetData,
  }
}

/** The `agent` role: containerd, pod network, kubelet and Service proxy of one node. Ends with the signal; pods and rules stay. */
export async function runAgent(config: ClusterConfig, deps: AgentDeps): Promise<void> {
  const { clock, random, log, exec, signal } = deps
  const paths = pathsOf(config)
  const certificates = await readCertificates(paths.pki)
  await Promise.all([paths.kubelet, paths.podLogs].map((directory) => mkdir(directory, { recursive: true, mode: 0o711 })))
  await ensurePodNetwork(podNetworkOptions(config), { exec, log: log.named('podnet') })
  // Pods that run without their run-time folder (somebody removed it) are lost to every containerd: they end, and are started anew.
  if (!existsSync(paths.containerdRun)) {
    await removeRuntimeLeftovers({ ...containerdOptions(config), cgroupRoot: cgroupRootOf(config.name), volumeDir: paths.kubelet }, deps)
  }
  await handDownControllers({ log })
  const socketCgroup = await socketCgroupOf(config, log)
  const startRuntime = async (): Promise<void> => {
    const { pid } = await startContainerd(containerdOptions(config), { clock, exec, log: log.named('containerd') })
    if (!socketCgroup) return
    const { runDir } = containerdOptions(config)
    await gatherPods(socketCgroup, { runDir, cgroupRoot: cgroupRootOf(config.name), containerd: pid }, { clock, log })
  }
  await startRuntime()
  const runtime = connectContainerd({ socket: containerdSocket(config), clock, log: log.named('cri') })
  const clientFor = (component: string, pair: KeyPair) => clientOf(config, certificates, component, pair)
  const kubeletClient = clientFor('kubelet', certificates.kubeletClient)
  const proxyClient = clientFor('kube-proxy', certificates.proxyClient)
  try {
    const { proxyMode } = config
    const proxy =
      proxyMode === 'none'
        ? withoutProxy(config, deps)
        : startClusterProxy({ config, mode: proxyMode, client: proxyClient, socketCgroup }, deps)
    await ensurePauseImage({ socket: containerdSocket(config), clock, log: log.named('cri') })
    const kubelet = startKubelet({
      client: kubeletClient,
      runtime,
      clock,
      random,
      log: log.named('kubelet'),
      exec,
      signal,
      nodeName: config.nodeName,
      nodeAddress: config.nodeAddress,
      secondNodeAddress: rangesByFamily(config.podCidr).IPv6 === undefined ? undefined : await nodeAddress6(exec),
      podCidr: config.nodePodCidr,
      rootDir: paths.kubelet,
      logDir: paths.podLogs,
      server: { host: '::', port: config.kubeletPort, ca: certificates.ca, ...certificates.kubeletServer },
      cgroupRoot: cgroupRootOf(config.name),
      clusterDns: [],
      clusterDomain: 'cluster.local',
      versions: { kubelet: kubernetesVersion },
    })
    const watching = keepRuntime(runtime, startRuntime, deps)
    const started = await Promise.all([kubelet, proxy])
    log.info('agent runs', { node: config.nodeName, address: config.nodeAddress })
    await Promise.all([...started.map((each) => each?.stopped), watching])
  } finally {
    runtime.close()
    await Promise.all([kubeletClient.close(), proxyClient.close()])
  }
}

/** Services are somebody else's: what an earlier agent programmed for them goes. */
async function withoutProxy({ chainTag }: ClusterConfig, { exec, clock, log }: AgentDeps): Promise<undefined> {
  await removeProxyRules({ exec, openNftables: openNftables({ exec, clock }), chainTag })
  log.info('Services are left to another proxy')
}

interface ProxyPlace {
  readonly config: ClusterConfig
  readonly mode: ProxyMode
  readonly client: Client
  readonly socketCgroup: UnifiedCgroup | undefined
}

function startClusterProxy(
  { config, mode, client, socketCgroup }: ProxyPlace,
  { clock, random, log, exec, signal }: AgentDeps,
): Promise<ServiceProxy> {
  return startProxy({
    client,
    clock,
    random,
    log: log.named('proxy'),
    exec,
    signal,
    nodeName: config.nodeName,
    mode,
    openNftables: openNftables({ exec, clock }),
    conntrack: openConntrack({ exec, clock }),
    families: proxyFamilies(config),
    chainTag: config.chainTag,
    giveBackMemory,
    ...(socketCgroup ? { socketBalancing: { cgroupPath: socketCgroup.path } } : {}),
    ...(config.proxyHealthPort === 0 ? {} : { healthAddress: { host: '0.0.0.0', port: config.proxyHealthPort } }),
    ...(config.proxyMetricsPort === 0 ? {} : { metricsAddress: { host: '127.0.0.1', port: config.proxyMetricsPort } }),
  })
}

/** Where sockets are balanced, if they are; else what an earlier agent attached there is taken away. */
async function socketCgroupOf({ name, ...config }: ClusterConfig, log: Log): Promise<UnifiedCgroup | undefined> {
  const socketLb = config.socketLb && config.proxyMode !== 'none'
  const cgroup = await unifiedCgroup(cgroupRootOf(name))
  if (socketLb && !cgroup) log.warn('sockets are not balanced on this machine: it has no cgroups of version 2')
  if (socketLb) return cgroup
  if (cgroup) removeSocketBalancing(cgroup.path)
  return undefined
}

function proxyFamilies({ nodeAddress, podCidr, serviceCidr }: ClusterConfig): ProxyFamily[] {
  const pods = rangesByFamily(podCidr)
  const services = rangesByFamily(serviceCidr)
  // Of its IPv6 address only the Node object may tell.
  const nodePortAddresses = { IPv4: [nodeAddress], IPv6: ['primary'] }
  return (['IPv4', 'IPv6'] as const).flatMap((family) => {
    const cidr = pods[family]
    if (cidr === undefined) return []
    return [{ family, nodePortAddresses: nodePortAddresses[family], podTraffic: { by: 'source', cidr }, serviceCidr: services[family] }]
  })
}

function clientOf(config: ClusterConfig, certificates: ClusterCertificates, component: string, { cert, key }: KeyPair) {
  return httpClient({ server: `https://127.0.0.1:${config.apiPort}`, ca: certificates.ca, cert, key, userAgent: `${component}/ownkube` })
}

/** A containerd that has died is started anew: its event stream breaks at once, so nothing needs to poll for it. */
async function keepRuntime(runtime: ContainerRuntime, start: () => Promise<unknown>, { clock, log, signal }: AgentDeps): Promise<void> {
  for await (const event of runtime.events(signal)) {
    if (event.type !== 'lost' || signal.aborted) continue
    for (let delayMs = 100; !signal.aborted; delayMs = Math.min(delayMs * 2, 10_000)) {
      try {
        await start()
        break
      } catch (error) {
        log.error('containerd cannot be started', { error })
        await clock.sleep(delayMs, signal)
      }
    }
  }
}
