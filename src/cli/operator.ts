import { fileURLToPath } from 'node:url'
import { type ClusterConfig, defaultDataDir, defaultName } from '../cluster/config.ts'
import { readConfigOrCopy } from '../cluster/config-file.ts'
import type { OperatorDeps } from '../cluster/steps.ts'
import { systemClock } from '../host/clock.ts'
import { systemExec } from '../host/exec.ts'
import { lineLog } from '../host/log.ts'
import { systemRandom } from '../host/random.ts'
import { exitCodes } from './exit-codes.ts'
import { CommandError } from './failure.ts'

export interface NamedOptions {
  name: string
  dataDir?: string
}

/** Commands show steps; only warnings of the parts beneath are worth a line of their own. */
export function operatorDeps(): OperatorDeps {
  return {
    clock: systemClock,
    random: systemRandom,
    exec: systemExec,
    log: lineLog((line) => process.stderr.write(line), { level: process.env.OWNKUBE_DEBUG ? 'debug' : 'error', now: systemClock.now }),
    self: {
      program: process.execPath,
      args: [
        '--disable-warning=ExperimentalWarning',
        ...process.execArgv.filter((arg) => !arg.startsWith('--disable-warning')),
        entryPoint(),
      ],
    },
  }
}

/** What a user should know while nothing else is shown. */
export function sayOnStderr(text: string): void {
  process.stderr.write(`${text}\n`)
}

function entryPoint(): string {
  return process.argv[1] ?? fileURLToPath(import.meta.url)
}

/** The configuration of a cluster that has been booted before. */
export async function existingCluster(options: NamedOptions): Promise<ClusterConfig> {
  const dataDir = options.dataDir ?? defaultDataDir(options.name)
  let config: ClusterConfig | undefined
  try {
    config = await readConfigOrCopy(options.name, dataDir)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES')
      throw new CommandError(`${dataDir} may only be read by root: run this with sudo`, exitCodes.notPermitted)
    throw error
  }
  if (!config)
    throw new CommandError(
      `there is no cluster ${options.name} in ${dataDir}: 'sudo ./ownkube up${nameFlag(options.name)}' makes one`,
      exitCodes.notRunning,
    )
  return config
}

/** How a command names this cluster: nothing for the default one. */
export function nameFlag(name: string): string {
  return name === defaultName ? '' : ` --name ${name}`
}
