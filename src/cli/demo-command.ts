import { type DemoResult, demoSteps } from '../cluster/demo/demo.ts'
import { contextName, mergeUserKubeconfig } from '../cluster/kubeconfig-files.ts'
import { busyboxRequirement } from '../cluster/requirements.ts'
import { paint } from './colors.ts'
import { requireRoot } from './failure.ts'
import { nameFlag, operatorDeps } from './operator.ts'
import { showSteps } from './show-steps.ts'
import { table } from './table.ts'
import { type BootFlags, boot } from './up-command.ts'

export async function demoCommand(flags: BootFlags & { requests: number; output: 'text' | 'json' }): Promise<void> {
  requireRoot('demo')
  const deps = operatorDeps()
  const started = deps.clock.monotonic()
  const { requests, output, ...bootFlags } = flags
  const { config, client } = await boot(bootFlags, [busyboxRequirement])
  const readyMs = deps.clock.monotonic() - started
  try {
    const { steps, result } = demoSteps(() => ({ config, client }), { requests }, deps)
    const toFirstAnswer = steps.findIndex(({ title }) => title === 'First answer') + 1
    await showSteps(steps.slice(0, toFirstAnswer))
    const answeringMs = deps.clock.monotonic() - started
    await showSteps(steps.slice(toFirstAnswer))
    await mergeUserKubeconfig(config, deps.exec)
    const found = result()
    if (output === 'json') {
      const rounds = found.rounds.map((round) => ({ ...round, byPod: Object.fromEntries(round.byPod) }))
      process.stdout.write(`${JSON.stringify({ readyMs, answeringMs, pods: found.pods, rounds }, null, 2)}\n`)
      return
    }
    process.stdout.write(`\n${asText(found)}\n`)
    process.stdout.write(
      [
        `Node Ready after ${(readyMs / 1000).toFixed(1)} s, the Service answering after ${(answeringMs / 1000).toFixed(1)} s.`,
        '',
        'It goes on running. Look around, then take it down:',
        `  kubectl --context ${contextName(config.name)} get pods,services -o wide`,
        `  sudo ./ownkube down${nameFlag(config.name)}`,
        '',
      ].join('\n'),
    )
  } finally {
    await client.close()
  }
}

function asText({ pods, rounds }: DemoResult): string {
  const parts = rounds.map(({ from, to, answers }) => {
    const shown = answers.slice(0, 4).map((answer) => `  ${answer}`)
    return `${paint('bold', `From ${from} to ${to}`)}\n${shown.join('\n')}\n  ...\n`
  })
  const rows = pods.map(({ name, ip }) => [name, ip, ...rounds.map(({ byPod }) => String(byPod.get(name) ?? 0))])
  const total = ['all', '', ...rounds.map(({ answers }) => String(answers.length))]
  parts.push(table(['POD', 'ADDRESS', 'NODE > CLUSTERIP', 'POD > CLUSTERIP', 'OUTSIDE > NODEPORT'], [...rows, total]))
  return parts.join('\n')
}
