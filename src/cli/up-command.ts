import { existsSync } from 'node:fs'
import type { ClusterOptions } from '../cluster/config.ts'
import { contextName, mergeUserKubeconfig } from '../cluster/kubeconfig-files.ts'
import { exclusively } from '../cluster/locks.ts'
import { undoUp } from '../cluster/undo-up.ts'
import { type UpOptions, type UpResult, upSteps } from '../cluster/up.ts'
import { paint } from './colors.ts'
import { type DatastoreFlags, datastoreOf } from './datastore-flags.ts'
import { requireRoot } from './failure.ts'
import { operatorDeps, sayOnStderr } from './operator.ts'
import { type PolicyFlags, policiesOf } from './policy-flags.ts'
import { showSteps } from './show-steps.ts'

/** The boot options as commander gives them. */
export interface BootFlags
  extends Omit<ClusterOptions, 'nodePortRange' | 'eventTtlSeconds' | 'datastore' | 'policies'>,
    DatastoreFlags,
    PolicyFlags {
  serviceNodePortRange?: { from: number; to: number }
  eventTtl?: number
  install: boolean
}

/** Boots, and undoes what it began if a step fails. */
export async function boot(flags: BootFlags, extraRequirements?: UpOptions['extraRequirements']): Promise<UpResult> {
  const deps = operatorDeps()
  const { serviceNodePortRange, eventTtl, datastore, datastoreCafile, datastoreCertfile, datastoreKeyfile, datastorePrefix, ...options } =
    flags
  const shared = datastoreOf({ datastore, datastoreCafile, datastoreCertfile, datastoreKeyfile, datastorePrefix })
  const policies = policiesOf(flags)
  const { steps, result, begun } = upSteps(
    {
      ...options,
      datastore: shared,
      policies,
      nodePortRange: serviceNodePortRange,
      eventTtlSeconds: eventTtl,
      ...(extraRequirements ? { extraRequirements } : {}),
    },
    deps,
  )
  return await exclusively(flags.name, deps, sayOnStderr, async () => {
    try {
      await showSteps(steps)
    } catch (error) {
      await undoUp(begun(), deps)
      throw error
    }
    return result()
  })
}

export async function upCommand(flags: BootFlags & { foreground?: boolean }): Promise<void> {
  requireRoot('up')
  const { config, client, started } = await boot(flags)
  await client.close()
  const kubeconfig = await mergeUserKubeconfig(config, operatorDeps().exec)
  const context = contextName(config.name)
  const nameFlag = config.name === 'default' ? '' : ` --name ${config.name}`
  const lines = [
    '',
    started ? paint('green', `Cluster ${config.name} is up.`) : `Cluster ${config.name} is running already.`,
    `  API server   https://${config.nodeAddress}:${config.apiPort}`,
    `  context      ${context}, in ${kubeconfig}`,
    '',
    'Next:',
    `  kubectl --context ${context} get nodes`,
    ...(existsSync('examples/whats-my-ip.yaml') ? [`  kubectl --context ${context} apply -f examples/whats-my-ip.yaml`] : []),
    `  sudo ./ownkube status${nameFlag}`,
    `  sudo ./ownkube down${nameFlag}`,
    '',
  ]
  process.stdout.write(lines.join('\n'))
  if (flags.foreground) await (await import('./foreground.ts')).stayInForeground(config)
}
