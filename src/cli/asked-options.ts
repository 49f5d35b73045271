import type { AskedCluster } from '../cluster/ask/asked-cluster.ts'
import { existingCluster, type NamedOptions } from './operator.ts'

/** Options of commands that ask about a cluster: one of ours by its name, or any by a kubeconfig. */
export interface AskedOptions extends NamedOptions {
  kubeconfig?: string
  node?: string
}

export async function askedCluster(options: AskedOptions): Promise<AskedCluster> {
  if (options.kubeconfig !== undefined) return { kubeconfig: options.kubeconfig, nodeName: options.node }
  return { config: await existingCluster(options) }
}
