/** A value of a setting: as a flag or the configuration file gives it, read into its type. Durations are ms. */
export type SettingValue = string | number | boolean | readonly string[] | Readonly<Record<string, boolean>>

/**
 * One setting of kube-proxy: where it stands in a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1), its flag, and its default.
 * https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/
 */
export interface Setting {
  readonly path: string
  readonly flag?: string
  readonly type: 'text' | 'yes' | 'number' | 'duration' | 'list' | 'gates'
  readonly default: SettingValue
  readonly about: string
  /** Why it changes nothing here: said once where somebody sets it. */
  readonly idle?: string
}

const seconds = 1000
const minutes = 60 * seconds
const hours = 60 * minutes

const windowsOnly = 'it is for Windows'
const noIpvs = 'there is no ipvs mode here'
const noQueue = 'the proxy asks the API server for nothing but three watches'

function setting(
  path: string,
  flag: string | undefined,
  type: Setting['type'],
  byDefault: SettingValue,
  about: string,
  idle?: string,
): Setting {
  return { path, type, default: byDefault, about, ...(flag === undefined ? {} : { flag }), ...(idle === undefined ? {} : { idle }) }
}

/** In the order in which `--help` shows them. */
export const settings: readonly Setting[] = [
  setting('clientConnection.kubeconfig', 'kubeconfig', 'text', '', 'how to reach the cluster; without it, as a pod of the cluster does'),
  setting('hostnameOverride', 'hostname-override', 'text', '', 'the name of the Node that this is; default: the host name'),
  setting(
    'mode',
    'proxy-mode',
    'text',
    '',
    "iptables (the default, as kube-proxy's) or nftables (much faster, and what 'ownkube up' takes)",
  ),
  setting('clusterCIDR', 'cluster-cidr', 'text', '', "all pods' addresses, one range a family: how their traffic is told from others'"),
  setting('detectLocalMode', 'detect-local-mode', 'text', '', 'ClusterCIDR (default), NodeCIDR, BridgeInterface or InterfaceNamePrefix'),
  setting('detectLocal.bridgeInterface', 'pod-bridge-interface', 'text', '', 'the bridge that pods come in by'),
  setting(
    'detectLocal.interfaceNamePrefix',
    'pod-interface-name-prefix',
    'text',
    '',
    'how the names of interfaces begin that pods come in by',
  ),
  setting('nodePortAddresses', 'nodeport-addresses', 'list', [], "where node ports answer: ranges, 'primary', 'localhost', 'all'"),
  setting('bindAddress', 'bind-address', 'text', '0.0.0.0', "the node's own address, in place of what its Node object says"),
  setting('healthzBindAddress', 'healthz-bind-address', 'text', '', 'where /healthz and /livez are served; default 0.0.0.0:10256'),
  setting('metricsBindAddress', 'metrics-bind-address', 'text', '', 'where /metrics and /proxyMode are served; default 127.0.0.1:10249'),
  setting('bindAddressHardFail', 'bind-address-hard-fail', 'yes', false, 'an address that cannot be listened on is fatal'),
  setting('iptables.masqueradeAll', 'masquerade-all', 'yes', false, 'masquerade all that is sent to cluster addresses'),
  setting('iptables.masqueradeBit', 'iptables-masquerade-bit', 'number', 14, 'the bit of the packet mark that means: masquerade'),
  setting('iptables.localhostNodePorts', 'iptables-localhost-nodeports', 'yes', true, 'node ports answer on 127.0.0.1 (iptables, IPv4)'),
  setting(
    'iptables.syncPeriod',
    'iptables-sync-period',
    'duration',
    30 * seconds,
    'how often to look whether someone else changed the rules',
  ),
  setting('iptables.minSyncPeriod', 'iptables-min-sync-period', 'duration', 0, 'least time from one change of the rules to the next'),
  setting('nftables.masqueradeAll', undefined, 'yes', false, 'as for iptables'),
  setting('nftables.masqueradeBit', 'nftables-masquerade-bit', 'number', 14, 'as for iptables'),
  setting('nftables.syncPeriod', 'nftables-sync-period', 'duration', 30 * seconds, 'as for iptables'),
  setting('nftables.minSyncPeriod', 'nftables-min-sync-period', 'duration', 0, 'as for iptables'),
  setting('linux.conntrack.maxPerCore', 'conntrack-max-per-core', 'number', 32768, 'tracked connections a core; 0: leave the limit'),
  setting('linux.conntrack.min', 'conntrack-min', 'number', 131072, 'at least as many in all'),
  setting(
    'linux.conntrack.tcpEstablishedTimeout',
    'conntrack-tcp-timeout-established',
    'duration',
    24 * hours,
    'idle TCP connections; 0: leave it',
  ),
  setting('linux.conntrack.tcpCloseWaitTimeout', 'conntrack-tcp-timeout-close-wait', 'duration', hours, 'TCP in CLOSE_WAIT; 0: leave it'),
  setting('linux.conntrack.tcpBeLiberal', 'conntrack-tcp-be-liberal', 'yes', false, 'packets out of the window are not invalid'),
  setting('linux.conntrack.udpTimeout', 'conntrack-udp-timeout', 'duration', 0, 'UDP without an answer; 0: leave it'),
  setting('linux.conntrack.udpStreamTimeout', 'conntrack-udp-timeout-stream', 'duration', 0, 'UDP with answers; 0: leave it'),
  setting('linux.oomScoreAdj', 'oom-score-adj', 'number', -999, 'how much the kernel spares this process when memory ends'),
  setting(
    'configSyncPeriod',
    'config-sync-period',
    'duration',
    15 * minutes,
    'how often to refresh from the API server',
    'watches miss nothing',
  ),
  setting('clientConnection.acceptContentTypes', undefined, 'text', '', 'what the API server may answer', 'it is JSON'),
  setting('clientConnection.contentType', 'kube-api-content-type', 'text', '', 'what is sent to the API server', 'nothing is sent to it'),
  setting('clientConnection.qps', 'kube-api-qps', 'number', 5, 'requests a second to the API server', noQueue),
  setting('clientConnection.burst', 'kube-api-burst', 'number', 10, 'requests at once to the API server', noQueue),
  setting('featureGates', 'feature-gates', 'gates', {}, 'name=true|false,...', 'there are no feature gates here'),
  setting('enableProfiling', 'profiling', 'yes', false, '/debug/pprof', "use Node.js' own inspector"),
  setting('showHiddenMetricsForVersion', 'show-hidden-metrics-for-version', 'text', '', 'metrics of older versions', 'none are hidden'),
  setting(
    'iptables.snatNodeInternalIP',
    undefined,
    'yes',
    false,
    "masquerade with the node's InternalIP",
    'the address of the way out is taken',
  ),
  setting('ipvs.syncPeriod', 'ipvs-sync-period', 'duration', 30 * seconds, 'ipvs', noIpvs),
  setting('ipvs.minSyncPeriod', 'ipvs-min-sync-period', 'duration', seconds, 'ipvs', noIpvs),
  setting('ipvs.scheduler', 'ipvs-scheduler', 'text', '', 'ipvs', noIpvs),
  setting('ipvs.excludeCIDRs', 'ipvs-exclude-cidrs', 'list', [], 'ipvs', noIpvs),
  setting('ipvs.strictARP', 'ipvs-strict-arp', 'yes', false, 'ipvs', noIpvs),
  setting('ipvs.tcpTimeout', 'ipvs-tcp-timeout', 'duration', 0, 'ipvs', noIpvs),
  setting('ipvs.tcpFinTimeout', 'ipvs-tcpfin-timeout', 'duration', 0, 'ipvs', noIpvs),
  setting('ipvs.udpTimeout', 'ipvs-udp-timeout', 'duration', 0, 'ipvs', noIpvs),
  setting('winkernel.networkName', undefined, 'text', '', 'Windows', windowsOnly),
  setting('winkernel.sourceVip', undefined, 'text', '', 'Windows', windowsOnly),
  setting('winkernel.enableDSR', undefined, 'yes', false, 'Windows', windowsOnly),
  setting('winkernel.rootHnsEndpointName', undefined, 'text', '', 'Windows', windowsOnly),
  setting('winkernel.forwardHealthCheckVip', undefined, 'yes', false, 'Windows', windowsOnly),
  setting('windowsRunAsService', undefined, 'yes', false, 'Windows', windowsOnly),
  setting('portRange', undefined, 'text', '', 'of a mode that is no more', 'nothing uses it'),
  setting('logging.format', 'logging-format', 'text', 'text', 'text or json', 'lines are text'),
  setting('logging.verbosity', 'v', 'number', 0, 'how much is logged: from 4 on, every change'),
  setting(
    'logging.flushFrequency',
    'log-flush-frequency',
    'duration',
    5 * seconds,
    'how often the log is flushed',
    'each line is written at once',
  ),
  setting('logging.vmodule', 'vmodule', 'list', [], 'how much is logged of single files', '-v is for all'),
  setting('logging.options', undefined, 'gates', {}, 'of log formats', 'lines are text'),
]

/** v1alpha1 has the settings of the `linux` group at its top. */
export const filePathOf = ({ path }: Setting): string => path.replace(/^linux\./, '')

/** Values of settings by path; those that nobody set are missing. */
export type SettingValues = ReadonlyMap<string, SettingValue>

/** What somebody set wrongly: all of it at once. */
export class SettingsError extends Error {
  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.name = 'SettingsError'
  }
}

/** Go's way to write times: `1h30m`, `250ms`; 0 needs no unit. Undefined for what is none. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  const units: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: seconds, m: minutes, h: hours }
  const sign = text.startsWith('-') ? -1 : 1
  const rest = text.replace(/^[-+]/, '')
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h))+$/.test(rest)) return undefined
  let sum = 0
  for (const [, number, unit] of rest.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) sum += Number(number) * (units[unit as string] as number)
  return sign * sum
}

export function durationText(ms: number): string {
  if (ms === 0) return '0s'
  const parts = [
    [hours, 'h'],
    [minutes, 'm'],
    [seconds, 's'],
    [1, 'ms'],
  ] as const
  let left = ms
  let text = ''
  for (const [size, unit] of parts) {
    const count = Math.floor(left / size)
    if (count > 0) text += `${count}${unit}`
    left -= count * size
  }
  return text
}

/** Reads a flag's text. Throws SettingsError. */
export function valueOfText(setting: Setting, text: string): SettingValue {
  const fault = (want: string): SettingsError => new SettingsError([`--${setting.flag}: "${text}" is not ${want}`])
  switch (setting.type) {
    case 'text':
      return text
    case 'yes':
      if (!/^(true|false|1|0|t|f)$/i.test(text)) throw fault('true or false')
      return /^(true|1|t)$/i.test(text)
    case 'number':
      if (!/^-?\d+(\.\d+)?$/.test(text)) throw fault('a number')
      return Number(text)
    case 'duration': {
      const ms = parseDuration(text)
      if (ms === undefined) throw fault('a time such as 30s, 1m or 2h22m')
      return ms
    }
    case 'list':
      return text === '' ? [] : text.split(',').map((part) => part.trim())
    case 'gates': {
      const pairs = text === '' ? [] : text.split(',').map((pair) => pair.split('='))
      if (pairs.some(([name, value]) => !name || !/^(true|false)$/i.test(value ?? ''))) throw fault('name=true|false,...')
      return Object.fromEntries(pairs.map(([name, value]) => [name as string, /^true$/i.test(value as string)]))
    }
  }
}
