import { writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { configurationOf, idleSettings } from '../cluster/kube-proxy/configuration.ts'
import { defaultConfigurationText, readConfigurationFile } from '../cluster/kube-proxy/configuration-file.ts'
import { SettingsError, type SettingValues, settings } from '../cluster/kube-proxy/settings.ts'
import { type ProcessDeps, runProcess } from '../cluster/process.ts'
import { kubernetesVersion } from '../cluster/version.ts'
import { systemClock } from '../host/clock.ts'
import { systemExec } from '../host/exec.ts'
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
    if (!(error instanceof SettingsError)) return await complain(error)
    process.stderr.write(`error: ${error.message}\nRun 'ownkube proxy --help' for what there is.\n`)
    return exitCodes.usage
  }
}

/** Loaded only now: a proxy that runs needs none of it. */
async function complain(error: unknown): Promise<number> {
  const { exitCodeOf, messageOf } = await import('./failure.ts')
  process.stderr.write(`error: ${messageOf(error)}\n`)
  return exitCodeOf(error)
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
  const begin = async (work: (deps: ProcessDeps) => Promise<void>): Promise<number> => {
    await runProcess('proxy', level, async (deps) => {
      tellIdle(values, ignored, deps.log)
      await work(deps)
    })
    return exitCodes.ok
  }
  if (action === 'cleanup') return await begin((deps) => daemon.cleanUp(deps, flags.socketLb))
  if (action === 'init') return await begin(({ log }) => daemon.prepareHost(configuration, log))
  // Asked before anything runs: whoever gave the wrong file is told so in a line, not in a log.
  const access = await daemon.proxyAccess(configuration, flags.master, { exec: systemExec, clock: systemClock }, process.env)
  return await begin((deps) => daemon.runProxyDaemon({ configuration, access, socketLb: flags.socketLb }, deps))
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
