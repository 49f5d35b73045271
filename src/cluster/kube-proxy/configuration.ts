import { canonicalCidr, canonicalIp } from '../../machinery/ip-address.ts'
import type { AddressFamily } from '../../proxy/service-port.ts'
import type { PodTraffic } from '../../proxy/service-rules.ts'
import { type Setting, SettingsError, type SettingValue, type SettingValues, settings } from './settings.ts'

export interface BindAddress {
  readonly host: string
  readonly port: number
}

/** Undefined: the kernel's own setting is left. */
export interface ConntrackConfiguration {
  readonly maxPerCore: number
  readonly min: number
  readonly tcpEstablishedSeconds: number | undefined
  readonly tcpCloseWaitSeconds: number | undefined
  readonly tcpBeLiberal: boolean
  readonly udpSeconds: number | undefined
  readonly udpStreamSeconds: number | undefined
}

/** How `ownkube proxy` runs: complete, and checked. */
export interface ProxyConfiguration {
  readonly kubeconfig: string | undefined
  readonly nodeName: string
  readonly mode: ProxyModeName | undefined
  readonly podTraffic: Readonly<Record<AddressFamily, PodTraffic | 'node' | undefined>>
  /** `primary`, ranges; empty: all. Undefined: the mode's own default. */
  readonly nodePortAddresses: Readonly<Record<AddressFamily, readonly string[] | undefined>>
  /** In place of what the Node object says. */
  readonly nodeAddress: string | undefined
  readonly healthAddress: BindAddress | undefined
  readonly metricsAddress: BindAddress | undefined
  readonly mustListen: boolean
  readonly masqueradeAll: Readonly<Record<ProxyModeName, boolean>>
  readonly masqueradeBit: Readonly<Record<ProxyModeName, number>>
  readonly localhostNodePorts: boolean
  readonly checkIntervalMs: Readonly<Record<ProxyModeName, number>>
  readonly minSyncIntervalMs: Readonly<Record<ProxyModeName, number>>
  readonly conntrack: ConntrackConfiguration
  readonly oomScoreAdj: number
  readonly verbosity: number
}

export type ProxyModeName = 'iptables' | 'nftables'

/** Settings that somebody set though they change nothing here, each with why. */
export function idleSettings(values: SettingValues): { setting: Setting; why: string }[] {
  return settings.flatMap((setting) => {
    const value = values.get(setting.path)
    const differs = value !== undefined && JSON.stringify(value) !== JSON.stringify(setting.default)
    return setting.idle !== undefined && differs ? [{ setting, why: setting.idle }] : []
  })
}

/** Makes a configuration of what was set. Throws SettingsError that names all that is wrong. */
export function configurationOf(values: SettingValues, hostName: string): ProxyConfiguration {
  const reader = new Reader(values)
  const configuration = read(reader, hostName)
  if (reader.faults.length > 0) throw new SettingsError(reader.faults)
  return configuration
}

function read(reader: Reader, hostName: string): ProxyConfiguration {
  const bind = reader.text('bindAddress')
  const bindIp = canonicalIp(bind)
  if (bindIp === undefined) reader.fault('bindAddress', bind, 'not a valid textual representation of an IP address')
  const six = bindIp?.includes(':') === true
  const each = (name: string): Record<ProxyModeName, number> => ({
    iptables: reader.number(`iptables.${name}`),
    nftables: reader.number(`nftables.${name}`),
  })
  const bits = each('masqueradeBit')
  const checks = each('syncPeriod')
  const least = each('minSyncPeriod')
  for (const mode of ['iptables', 'nftables'] as const) {
    if (bits[mode] < 0 || bits[mode] > 31) reader.fault(`${mode}.masqueradeBit`, bits[mode], 'must be within the range [0, 31]')
    if (checks[mode] <= 0) reader.fault(`${mode}.syncPeriod`, checks[mode], 'must be greater than 0')
    if (least[mode] < 0) reader.fault(`${mode}.minSyncPeriod`, least[mode], 'must be greater than or equal to 0')
    if (least[mode] > checks[mode])
      reader.fault(`${mode}.syncPeriod`, checks[mode], `must be greater than or equal to ${mode}.minSyncPeriod`)
  }
  if (reader.number('configSyncPeriod') <= 0) reader.fault('configSyncPeriod', 0, 'must be greater than 0')
  return {
    kubeconfig: reader.text('clientConnection.kubeconfig') || undefined,
    nodeName: (reader.text('hostnameOverride') || hostName).trim().toLowerCase(),
    mode: modeOf(reader),
    podTraffic: podTrafficOf(reader),
    nodePortAddresses: nodePortAddressesOf(reader),
    nodeAddress: bindIp === undefined || bindIp === '0.0.0.0' || bindIp === '::' ? undefined : bindIp,
    healthAddress: listenAddress(reader, 'healthzBindAddress', { host: six ? '::' : '0.0.0.0', port: 10256 }),
    metricsAddress: listenAddress(reader, 'metricsBindAddress', { host: six ? '::1' : '127.0.0.1', port: 10249 }),
    mustListen: reader.yes('bindAddressHardFail'),
    masqueradeAll: { iptables: reader.yes('iptables.masqueradeAll'), nftables: reader.yes('nftables.masqueradeAll') },
    masqueradeBit: bits,
    localhostNodePorts: reader.yes('iptables.localhostNodePorts'),
    checkIntervalMs: checks,
    minSyncIntervalMs: least,
    conntrack: conntrackOf(reader),
    oomScoreAdj: oomScoreOf(reader),
    verbosity: reader.number('logging.verbosity'),
  }
}

class Reader {
  readonly faults: string[] = []
  readonly #values: SettingValues

  constructor(values: SettingValues) {
    this.#values = values
  }

  isSet(path: string): boolean {
    return this.#values.has(path)
  }

  #value(path: string): SettingValue {
    const setting = settings.find((each) => each.path === path)
    if (!setting) throw new RangeError(`there is no setting ${path}`)
    return this.#values.get(path) ?? setting.default
  }

  text(path: string): string {
    return this.#value(path) as string
  }

  number(path: string): number {
    return this.#value(path) as number
  }

  yes(path: string): boolean {
    return this.#value(path) as boolean
  }

  list(path: string): readonly string[] {
    return this.#value(path) as readonly string[]
  }

  fault(path: string, value: unknown, why: string): void {
    this.faults.push(`KubeProxyConfiguration.${path}: Invalid value: ${JSON.stringify(value)}: ${why}`)
  }
}

function modeOf(reader: Reader): ProxyModeName | undefined {
  const mode = reader.text('mode')
  if (mode === '' || mode === 'iptables' || mode === 'nftables') return mode === '' ? undefined : mode
  const why =
    mode === 'ipvs'
      ? "there is no ipvs mode here: leave --proxy-mode out, and run 'kube-proxy --cleanup' once to remove what ipvs left on this node"
      : 'must be iptables,nftables or blank (blank means the best-available proxy)'
  reader.fault('mode', mode, why)
  return undefined
}

function podTrafficOf(reader: Reader): ProxyConfiguration['podTraffic'] {
  const mode = reader.text('detectLocalMode') || 'ClusterCIDR'
  const both = <T>(traffic: T): Record<AddressFamily, T> => ({ IPv4: traffic, IPv6: traffic })
  const cidrs = rangesOf(reader)
  if (mode === 'ClusterCIDR') return cidrs
  if (mode === 'NodeCIDR') return both('node' as const)
  const [path, end] = { BridgeInterface: ['bridgeInterface', ''], InterfaceNamePrefix: ['interfaceNamePrefix', '*'] }[mode] ?? []
  if (path === undefined) {
    reader.fault(
      'detectLocalMode',
      mode,
      'must be ClusterCIDR,NodeCIDR,BridgeInterface,InterfaceNamePrefix or blank (blank means ClusterCIDR)',
    )
    return both(undefined)
  }
  const name = reader.text(`detectLocal.${path}`)
  // The kernel's names have at most 15 letters.
  if (name === '' || name.length > 15 || /[\s/*+]/.test(name)) reader.fault(`detectLocal.${path}`, name, 'must be the name of an interface')
  return both({ by: 'interface', name: `${name}${end}` })
}

function rangesOf(reader: Reader): Record<AddressFamily, PodTraffic | undefined> {
  const text = reader.text('clusterCIDR')
  const found: Record<AddressFamily, PodTraffic | undefined> = { IPv4: undefined, IPv6: undefined }
  if (text === '') return found
  const example = '(e.g. 10.100.0.0/16,fde4:8dba:82e1::/48)'
  const cidrs = text.split(',').map((part) => canonicalCidr(part.trim()))
  if (cidrs.length > 2) reader.fault('clusterCIDR', text, `only one CIDR allowed or a valid DualStack CIDR ${example}`)
  for (const cidr of cidrs) {
    if (cidr === undefined) {
      reader.fault('clusterCIDR', text, `must be a valid CIDR block ${example}`)
      continue
    }
    const family = cidr.includes(':') ? 'IPv6' : 'IPv4'
    if (found[family]) reader.fault('clusterCIDR', text, `must be a valid DualStack CIDR ${example}`)
    found[family] = { by: 'source', cidr }
  }
  return found
}

/** The mode decides where nothing is asked for; a family that is not mentioned has all of its addresses, as with kube-proxy. */
function nodePortAddressesOf(reader: Reader): ProxyConfiguration['nodePortAddresses'] {
  const asked = reader.list('nodePortAddresses')
  if (asked.length === 0) return { IPv4: undefined, IPv6: undefined }
  const found: Record<AddressFamily, string[]> = { IPv4: [], IPv6: [] }
  for (const each of asked) {
    const keyword = { primary: ['primary', 'primary'], localhost: ['127.0.0.0/8', '::1/128'], all: ['0.0.0.0/0', '::/0'] }[each]
    const cidr = keyword ? undefined : canonicalCidr(each)
    if (keyword) {
      found.IPv4.push(keyword[0] as string)
      found.IPv6.push(keyword[1] as string)
    } else if (cidr === undefined) reader.fault('nodePortAddresses', each, "must be a valid CIDR block, 'primary', 'localhost' or 'all'")
    else found[cidr.includes(':') ? 'IPv6' : 'IPv4'].push(cidr)
  }
  const all = (ranges: readonly string[]): readonly string[] => (ranges.some((range) => range.endsWith('/0')) ? [] : ranges)
  return { IPv4: all(found.IPv4), IPv6: all(found.IPv6) }
}

/** `10.0.0.1:10256`, `[::]:10256`, an address alone with the usual port. Set but empty, or with port 0: none. */
function listenAddress(reader: Reader, path: string, usual: BindAddress): BindAddress | undefined {
  if (!reader.isSet(path)) return usual
  const text = reader.text(path)
  if (text === '') return undefined
  const alone = canonicalIp(text.replace(/^\[(.*)\]$/, '$1'))
  if (alone !== undefined) return { host: alone, port: usual.port }
  const [, six, four, digits] = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(text) ?? []
  const host = canonicalIp(six ?? four ?? '')
  const port = Number(digits)
  if (host === undefined) reader.fault(path, text, 'must be IP:port')
  else if (port > 65535) reader.fault(path, text, 'must be a valid port')
  else return port === 0 ? undefined : { host, port }
  return undefined
}

function conntrackOf(reader: Reader): ConntrackConfiguration {
  const at = (name: string): string => `linux.conntrack.${name}`
  const count = (name: string): number => {
    const value = reader.number(at(name))
    if (value < 0) reader.fault(`conntrack.${name}`, value, 'must be greater than or equal to 0')
    return value
  }
  const seconds = (name: string): number | undefined => {
    const ms = count(name)
    return ms > 0 ? Math.floor(ms / 1000) : undefined
  }
  return {
    maxPerCore: count('maxPerCore'),
    min: count('min'),
    tcpEstablishedSeconds: seconds('tcpEstablishedTimeout'),
    tcpCloseWaitSeconds: seconds('tcpCloseWaitTimeout'),
    tcpBeLiberal: reader.yes(at('tcpBeLiberal')),
    udpSeconds: seconds('udpTimeout'),
    udpStreamSeconds: seconds('udpStreamTimeout'),
  }
}

function oomScoreOf(reader: Reader): number {
  const score = reader.number('linux.oomScoreAdj')
  if (score < -1000 || score > 1000) reader.fault('oomScoreAdj', score, 'must be within the range [-1000, 1000]')
  return score
}
