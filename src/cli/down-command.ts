import { downSteps } from '../cluster/down.ts'
import { exclusively } from '../cluster/locks.ts'
import { paint } from './colors.ts'
import { requireRoot } from './failure.ts'
import { existingCluster, type NamedOptions, operatorDeps, sayOnStderr } from './operator.ts'
import { showSteps } from './show-steps.ts'

export async function downCommand(options: NamedOptions & { delete?: boolean }): Promise<void> {
  requireRoot('down')
  const config = await existingCluster(options)
  const deps = operatorDeps()
  const steps = downSteps(config, { deleteData: options.delete === true }, deps)
  await exclusively(config.name, deps, sayOnStderr, () => showSteps(steps))
  const data = options.delete ? 'Its data is removed.' : `Its data stays in ${config.dataDir}.`
  process.stdout.write(`${paint('green', `Cluster ${config.name} is down.`)} ${data}\n`)
}
