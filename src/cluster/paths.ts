import { join } from 'node:path'

/** Where everything of one cluster lies. */
export interface Paths {
  readonly config: string
  readonly pki: string
  readonly store: string
  readonly logs: string
  readonly containerdData: string
  readonly containerdRun: string
  readonly containerdLog: string
  readonly cniConf: string
  readonly podnetData: string
  readonly kubelet: string
  readonly podLogs: string
  readonly adminKubeconfig: string
  readonly serverPid: string
  readonly agentPid: string
  readonly runConfig: string
}

export function pathsOf({ dataDir, runDir }: { dataDir: string; runDir: string }): Paths {
  return {
    config: join(dataDir, 'cluster.json'),
    pki: join(dataDir, 'pki'),
    store: join(dataDir, 'store'),
    logs: join(dataDir, 'logs'),
    containerdData: join(dataDir, 'containerd'),
    containerdRun: join(runDir, 'containerd'),
    containerdLog: join(dataDir, 'logs', 'containerd.log'),
    cniConf: join(dataDir, 'cni'),
    podnetData: join(dataDir, 'podnet'),
    kubelet: join(dataDir, 'kubelet'),
    podLogs: join(dataDir, 'pod-logs'),
    adminKubeconfig: join(dataDir, 'admin.kubeconfig'),
    serverPid: join(runDir, 'server.pid'),
    agentPid: join(runDir, 'agent.pid'),
    runConfig: join(runDir, 'cluster.json'),
  }
}

export function containerdPidFile(config: { dataDir: string; runDir: string }): string {
  return join(pathsOf(config).containerdRun, 'containerd.pid')
}

/** Programs' CNI plugins lie where the distribution puts them; only directories that exist are given to containerd. */
export const cniPluginDirs = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni']
