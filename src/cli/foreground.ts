import type { ClusterConfig } from '../cluster/config.ts'
import { downSteps } from '../cluster/down.ts'
import { exclusively } from '../cluster/locks.ts'
import { followLogs } from './logs-command.ts'
import { operatorDeps, sayOnStderr } from './operator.ts'
import { showSteps } from './show-steps.ts'

/** Shows the log until Ctrl-C (or SIGTERM), then takes the cluster down. */
export async function stayInForeground(config: ClusterConfig): Promise<void> {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort())
  process.stdout.write('\nCtrl-C takes the cluster down.\n')
  await followLogs(config, undefined, { tail: 0, signal: stop.signal })
  const deps = operatorDeps()
  await exclusively(config.name, deps, sayOnStderr, () => showSteps(downSteps(config, { deleteData: false }, deps)))
}
