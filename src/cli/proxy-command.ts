import { writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { configurationOf, idleSettings, type ProxyConfiguration } from '../cluster/kube-proxy/configuration.ts'
import { defaultConfigurationText, readConfigurationFile } from '../cluster/kube-proxy/configuration-file.ts'
import { SettingsError, type SettingValues, settings } from '../cluster/kube-proxy/settings.ts'
import { runProcess } from '../cluster/process.ts'
import { kubernetesVersion } from '../cluster/version.ts'
import type { Log } from '../host/log.ts'
import { exitCodes } from './exit-codes.ts'
import { type ProxyFlags, parseProxyFlags, proxyHelp } from './proxy-flags.ts'

/** `ownkube proxy`: kube-proxy's place on a node of any cluster. Answers the exit code where it doesn't stay. */
export async function proxyCommand(args: readonly string[]): Promise<number> {
  try {
    const flags = parseProxyFlags(args)
    if (flags.action === 'help') return say(proxyHelp())
    if (flags.action === 'version') return say(`Kubernetes ${kubernetesVersion}\n`)
    if (typeof flags.action === 'object') {
      await writeFile(flags.action.writeConfigTo, await defaultConfigurationText())
      return exitCodes.ok
    }
    return await act(flags.action, flags)
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    process.stderr.write(`error: ${error.message}\nRun 'ownkube proxy --help' for what there is.\n`)
    return exitCodes.usage
  }
}

function say(text: string): number {
  process.stdout.write(text)
  return exitCodes.ok
}

async function act(action: 'run' | 'cleanup' | 'init', flags: ProxyFlags): Promise<number> {
  const { values, ignored } = await gathered(flags)
  const configuration = configurationOf(values, hostname())
  if (process.getuid?.() !== 0) {
    process.stderr.write('error: ownkube proxy changes the rules of the kernel, and needs root\n')
    return exitCodes.notPermitted
  }
  const level = configuration.verbosity >= 4 ? 'debug' : 'info'
  const daemon = await import('../cluster/kube-proxy/daemon.ts')
  await runProcess('proxy', level, async (deps) => {
    tellIdle(values, ignored, deps.log)
    if (action === 'cleanup') await daemon.cleanUp(deps, flags.socketLb)
    else if (action === 'init') await daemon.prepareHost(configuration, deps.log)
    else await run(daemon, configuration, flags, deps)
  })
  return exitCodes.ok
}

async function run(
  { runProxyDaemon }: typeof import('../cluster/kube-proxy/daemon.ts'),
  configuration: ProxyConfiguration,
  { master, socketLb }: ProxyFlags,
  deps: Parameters<typeof runProxyDaemon>[1],
): Promise<void> {
  await runProxyDaemon({ configuration, master, socketLb, env: process.env }, deps)
}

/** With a file, flags count only where kube-proxy's do: for the node's name and the log. */
async function gathered({ config, values }: ProxyFlags): Promise<{ values: SettingValues; ignored: readonly string[] }> {
  if (config === undefined) return { values, ignored: [] }
  const counts = (path: string): boolean => path === 'hostnameOverride' || path.startsWith('logging.')
  const kept = [...values].filter(([path]) => counts(path))
  const ignored = settings.filter(({ path }) => values.has(path) && !counts(path)).map(({ flag }) => `--${flag}`)
  return { values: new Map([...(await readConfigurationFile(config)), ...kept]), ignored }
}

/** What somebody asked for in vain is said once, and then no more. */
function tellIdle(values: SettingValues, ignored: readonly string[], log: Log): void {
  if (ignored.length > 0) log.warn('flags that the configuration file overrides', { flags: ignored.join(' ') })
  for (const { setting, why } of idleSettings(values)) log.warn('a setting changes nothing here', { setting: setting.path, why })
}
