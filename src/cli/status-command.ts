import type { Node } from '../api/generated/types.ts'
import type { ClusterConfig } from '../cluster/config.ts'
import { type ClusterStatus, clusterStatus, isUp } from '../cluster/status.ts'
import { isReady } from '../cluster/up.ts'
import { kubernetesVersion } from '../cluster/version.ts'
import { paint } from './colors.ts'
import { exitCodes } from './exit-codes.ts'
import { existingCluster, type NamedOptions } from './operator.ts'
import { table } from './table.ts'

export async function statusCommand(options: NamedOptions & { output: 'text' | 'json' }): Promise<number> {
  const status = await clusterStatus(await existingCluster(options))
  if (options.output === 'json') process.stdout.write(`${JSON.stringify(asJson(status), null, 2)}\n`)
  else process.stdout.write(asText(status))
  return isUp(status) ? exitCodes.ok : exitCodes.notRunning
}

function asJson({ config, components, api, nodes }: ClusterStatus): object {
  return {
    name: config.name,
    kubernetesVersion,
    api: { address: `https://${config.nodeAddress}:${config.apiPort}`, ready: api === 'ok', answer: api },
    dataDir: config.dataDir,
    ...(config.datastore ? { datastore: { endpoints: config.datastore.endpoints, prefix: config.datastore.prefix } } : {}),
    podCidr: config.podCidr,
    serviceCidr: config.serviceCidr,
    proxy: { mode: config.proxyMode, socketLb: config.socketLb },
    components: components.map(({ component, pid, since }) => ({
      component,
      running: pid !== undefined,
      ...(pid === undefined ? {} : { pid, since: new Date(since ?? 0).toISOString() }),
    })),
    nodes: nodes.map((node) => ({ name: node.metadata.name, ready: isReady(node), ...node.status?.nodeInfo })),
  }
}

function asText(status: ClusterStatus): string {
  const { config, components, api, nodes } = status
  const since = (ms: number | undefined): string => (ms === undefined ? '-' : new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z'))
  const facts = [
    ['Cluster', config.name],
    ['Kubernetes', kubernetesVersion],
    ['API server', `https://${config.nodeAddress}:${config.apiPort} (${api})`],
    ['Pods', `${config.podCidr}, here ${config.nodePodCidr}`],
    ['Services', `${config.serviceCidr}, node ports ${config.nodePortRange.from}-${config.nodePortRange.to}`],
    ['Proxy', proxyText(config)],
    ['Data', config.dataDir],
    ...(config.datastore ? [['Datastore', `${config.datastore.endpoints.join(', ')}, under ${config.datastore.prefix}`]] : []),
  ]
  const headline = isUp(status)
    ? paint('green', 'running')
    : paint('red', components.some(({ pid }) => pid) ? 'partly running' : 'not running')
  const parts = [
    `${facts.map(([name = '', value]) => `${name.padEnd(12)}${value}`).join('\n')}\nState       ${headline}\n`,
    table(
      ['COMPONENT', 'PID', 'SINCE'],
      components.map(({ component, pid, since: from }) => [component, pid === undefined ? 'not running' : String(pid), since(from)]),
    ),
  ]
  if (nodes.length > 0) parts.push(table(['NODE', 'STATUS', 'ADDRESS', 'KUBELET', 'RUNTIME'], nodes.map(nodeRow)))
  if (!isUp(status)) parts.push(`'sudo ./ownkube up${config.name === 'default' ? '' : ` --name ${config.name}`}' starts what is missing.\n`)
  return parts.join('\n')
}

function proxyText({ proxyMode, socketLb, serverOnly }: ClusterConfig): string {
  if (serverOnly) return 'none, as there is no node here'
  if (proxyMode === 'none') return "none of ours: Services are another's"
  return socketLb ? `${proxyMode}, pods by their sockets` : proxyMode
}

function nodeRow(node: Node): string[] {
  const info = node.status?.nodeInfo
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address
  return [
    node.metadata.name,
    isReady(node) ? 'Ready' : 'NotReady',
    address ?? '-',
    info?.kubeletVersion ?? '-',
    info?.containerRuntimeVersion ?? '-',
  ]
}
