const tablePrefix = 'ownkube-proxy'
export const tableName = (tag: string): string => (tag === '' ? tablePrefix : `${tablePrefix}-${tag}`)
/** The cluster that a table belongs to; undefined for tables of others. */
export function tagOfTable(table: string): string | undefined {
  return new RegExp(`^${tablePrefix}(?:-([a-z0-9]{1,3}))?$`).test(table) ? table.slice(tablePrefix.length + 1) : undefined
}

/** What of Services is in the kernel: maps and sets of one table. What each holds, README.md tells. */
export const internal = 'internal'
export const external = 'external'
export const externalNear = 'external-near'
export const nodePorts = 'node-ports'
export const nodePortsNear = 'node-ports-near'
export const endpoints = 'endpoints'
export const stickySlots = 'sticky-slots'
export const stickyEndpoints = 'sticky-endpoints'
export const affinity = 'affinity'
export const clusterIps = 'cluster-ips'
export const externalIps = 'external-ips'
export const guarded = 'guarded'
export const hairpin = 'hairpin'
export const nodeAddresses = 'node-addresses'
export const choosers = 'choosers'

const rangesPrefix = 'source-ranges-'
/** Sources that may come in by a guarded address, by the length of their prefix: a set a length, so that a look-up stays a hash. */
export const sourceRanges = (bits: number): string => `${rangesPrefix}${bits}`
export function bitsOfSourceRanges(set: string): number | undefined {
  return new RegExp(`^${rangesPrefix}\\d+$`).test(set) ? Number(set.slice(rangesPrefix.length)) : undefined
}
