import { bridgeName, networkName } from './names.ts'

/**
 * The CNI network list (https://www.cni.dev/docs/spec): a bridge, an address per pod from this node's range, host ports.
 * Masquerading is left to our own rules: the bridge plugin's would be one chain per pod.
 */
export function renderCniConfig(options: { cluster: string; nodePodCidr: string; dataDir: string; mtu?: number | undefined }): string {
  const { cluster, nodePodCidr, dataDir, mtu } = options
  /** One of each family: a pod has an address in each. */
  const ranges = nodePodCidr.split(',')
  const bridge = {
    type: 'bridge',
    bridge: bridgeName(cluster),
    isGateway: true,
    ipMasq: false,
    // A pod that reaches itself through its Service gets its packets back by the port they came from.
    hairpinMode: true,
    ...(mtu === undefined ? {} : { mtu }),
    ipam: {
      type: 'host-local',
      ranges: ranges.map((subnet) => [{ subnet }]),
      routes: ranges.map((subnet) => ({ dst: subnet.includes(':') ? '::/0' : '0.0.0.0/0' })),
      dataDir: `${dataDir}/addresses`,
    },
  }
  const portmap = { type: 'portmap', capabilities: { portMappings: true }, snat: true }
  return `${JSON.stringify({ cniVersion: '0.4.0', name: networkName(cluster), plugins: [bridge, portmap] }, null, 2)}\n`
}
