import { type Setting, SettingsError, type SettingValue, settings, valueOfText } from '../cluster/kube-proxy/settings.ts'

/** What the command line of `ownkube proxy` asks for. */
export interface ProxyFlags {
  readonly action: 'run' | 'cleanup' | 'init' | 'help' | 'version' | { readonly writeConfigTo: string }
  readonly config: string | undefined
  readonly master: string | undefined
  /** Pods' sockets are balanced, those in this cgroup or in the kubelet's. */
  readonly socketLb: { readonly cgroup: string | undefined } | undefined
  /** By the settings' paths. */
  readonly values: ReadonlyMap<string, SettingValue>
}

/** Flags that are no settings of the configuration. */
const ownFlags = {
  config: { takes: 'text', about: 'a KubeProxyConfiguration file: then all other settings but --hostname-override and -v are its' },
  master: { takes: 'text', about: "the API server, in place of the kubeconfig's" },
  cleanup: { takes: 'yes', about: 'remove all rules of ours, and end' },
  'init-only': { takes: 'yes', about: 'do what needs full root, and end' },
  'socket-lb': { takes: 'yes', about: "balance pods' sockets by eBPF too: what they send to Services needs no translation then" },
  'socket-lb-cgroup': { takes: 'text', about: "the cgroup (version 2) of all pods; default: the kubelet's usual ones" },
  'write-config-to': { takes: 'text', about: 'write the default configuration to this file, and end' },
  version: { takes: 'yes', about: 'print the version' },
  help: { takes: 'yes', about: 'show this help' },
  // Deprecated with kube-proxy too.
  'healthz-port': { takes: 'text', about: 'the port of --healthz-bind-address; 0: none' },
  'metrics-port': { takes: 'text', about: 'the port of --metrics-bind-address; 0: none' },
} as const

/** Reads flags as kube-proxy does: `--name value`, `--name=value`, `--name` for true. Throws SettingsError. */
export function parseProxyFlags(args: readonly string[]): ProxyFlags {
  const own = new Map<string, string>()
  const values = new Map<string, SettingValue>()
  const faults: string[] = []
  let command: string | undefined
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string
    const found = /^(?:--([a-z][\w-]*)|-(v|h))(?:=?)(.*)$/s.exec(arg)
    if (!found) {
      if (arg === 'cleanup' && command === undefined) command = arg
      else faults.push(`unknown argument "${arg}"`)
      continue
    }
    const name = found[2] === 'h' ? 'help' : ((found[1] ?? found[2]) as string)
    const given = /^-{1,2}[\w-]+=/.test(arg) || (found[2] === 'v' && found[3] !== '') ? (found[3] as string) : undefined
    const flag = flagOf(name)
    if (!flag) {
      faults.push(`unknown flag: --${name}`)
      continue
    }
    const isYes = flag === 'yes' || (typeof flag === 'object' && flag.type === 'yes')
    const text = given ?? (isYes ? 'true' : args[++i])
    if (text === undefined) faults.push(`flag needs an argument: --${name}`)
    else if (typeof flag === 'string') own.set(name, text)
    else take(flag, text, values, faults)
  }
  portFlag('healthz', own.get('healthz-port'), values, faults)
  portFlag('metrics', own.get('metrics-port'), values, faults)
  // These are called for iptables, but are for every mode: only the file tells them apart.
  for (const name of ['syncPeriod', 'minSyncPeriod', 'masqueradeAll']) {
    const value = values.get(`iptables.${name}`)
    if (value !== undefined && !values.has(`nftables.${name}`)) values.set(`nftables.${name}`, value)
  }
  if (faults.length > 0) throw new SettingsError(faults)
  return {
    action: actionOf(own, command),
    config: own.get('config') || undefined,
    master: own.get('master') || undefined,
    socketLb: own.get('socket-lb') === 'true' || own.has('socket-lb-cgroup') ? { cgroup: own.get('socket-lb-cgroup') } : undefined,
    values,
  }
}

function flagOf(name: string): Setting | 'text' | 'yes' | undefined {
  const setting = settings.find((each) => each.flag === name)
  return setting ?? (name in ownFlags ? ownFlags[name as keyof typeof ownFlags].takes : undefined)
}

function take(setting: Setting, text: string, values: Map<string, SettingValue>, faults: string[]): void {
  try {
    values.set(setting.path, valueOfText(setting, text))
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    faults.push(error.message)
  }
}

function portFlag(of: 'healthz' | 'metrics', text: string | undefined, values: Map<string, SettingValue>, faults: string[]): void {
  if (text === undefined) return
  if (!/^\d{1,5}$/.test(text)) faults.push(`--${of}-port: "${text}" is not a port`)
  else values.set(`${of}BindAddress`, text === '0' ? '' : `${of === 'healthz' ? '0.0.0.0' : '127.0.0.1'}:${text}`)
}

function actionOf(own: ReadonlyMap<string, string>, command: string | undefined): ProxyFlags['action'] {
  const isOn = (name: string): boolean => own.get(name) === 'true'
  const writeConfigTo = own.get('write-config-to')
  if (isOn('help')) return 'help'
  if (isOn('version')) return 'version'
  if (writeConfigTo) return { writeConfigTo }
  if (command === 'cleanup' || isOn('cleanup')) return 'cleanup'
  return isOn('init-only') ? 'init' : 'run'
}

export function proxyHelp(): string {
  const line = (name: string, about: string): string => `  ${(name === 'v' ? '-v, --v' : `--${name}`).padEnd(38)} ${about}`
  const working = settings.filter((each) => each.flag !== undefined && each.idle === undefined)
  const idle = settings.filter((each) => each.flag !== undefined && each.idle !== undefined)
  return [
    "Usage: ownkube proxy [flags]            serve a cluster's Services on this node, in kube-proxy's place",
    '       ownkube proxy cleanup            remove all rules of ours, of every mode',
    '',
    'Runs until SIGTERM; its rules stay, so that no connection is cut, and the next start takes them over.',
    "The flags are kube-proxy's, and mean the same:",
    ...Object.entries(ownFlags).map(([name, { about }]) => line(name, about)),
    ...working.map((each) => line(each.flag as string, each.about)),
    '',
    'Taken, though they change nothing here:',
    ...idle.map((each) => line(each.flag as string, each.idle as string)),
    '',
  ].join('\n')
}
