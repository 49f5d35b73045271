import { createHash } from 'node:crypto'

/** The kernel allows 15 bytes: a hash keeps long names of clusters apart where cutting would make them clash. */
export function bridgeName(cluster: string): string {
  return `okb-${createHash('sha256').update(cluster).digest('hex').slice(0, 10)}`
}

/** The CNI network: host-local's and libcni's files carry it. A cluster's name holds only letters, digits and dashes. */
export function networkName(cluster: string): string {
  return `ownkube-${cluster}`
}

/** Chains of the pod network; the tag keeps clusters on one host apart, '' for the default one. */
export function chainNames(tag: string): { masquerade: string; forward: string } {
  const end = tag === '' ? '' : `-${tag}`
  return { masquerade: `OWNKUBE-POD-MASQ${end}`, forward: `OWNKUBE-POD-FWD${end}` }
}
