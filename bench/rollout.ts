import { table } from '../src/cli/table.ts'
import { RolloutScene } from '../test/e2e/harness/rollout-scene.ts'
import type { Tally } from '../test/e2e/harness/steady-client.ts'
import { digits } from './statistics.ts'

const ratePerWay = 400

function row(name: string, way: string, { sent, failures, seconds, latency }: Tally): string[] {
  const { p50, p99, worst } = latency
  return [name, way, String(sent), digits(sent / seconds), String(failures.length), digits(p50), digits(p99), digits(worst)]
}

/** A Deployment of ten rolled over on a real cluster while clients ask it: how many requests fail, and how long the others take. */
export async function run(): Promise<void> {
  const scene = await RolloutScene.start(ratePerWay)
  try {
    const { cluster } = scene
    const killed = async (): Promise<void> => {
      process.kill(cluster.pid('agent'), 'SIGKILL')
      const { code, stderr } = await cluster.ownkube('up')
      if (code !== 0) throw new Error(stderr)
    }
    const works: readonly [string, () => Promise<void>][] = [
      ['nothing happens', () => new Promise((resolve) => setTimeout(resolve, 5_000))],
      ['roll-out', () => scene.rollOut()],
      ['roll-out, agent killed in it', () => scene.rollOut(killed)],
    ]
    const rows: string[][] = []
    for (const [name, work] of works) {
      const [inPod, outside] = (await scene.underLoad(work)) as [Tally, Tally]
      rows.push(row(name, 'pod to ClusterIP', inPod), row(name, 'outside to NodePort, Local', outside))
    }
    console.log('Ten pods under load, each request over a connection of its own; latency in ms\n')
    console.log(table(['MEANWHILE', 'WAY', 'REQUESTS', 'A SECOND', 'FAILED', 'P50', 'P99', 'WORST'], rows))
  } finally {
    await scene.remove()
  }
}
