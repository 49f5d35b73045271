import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RolloutScene } from './harness/rollout-scene.ts'
import type { Tally } from './harness/steady-client.ts'

/** A Deployment is replaced pod by pod while clients go on asking it, and not one request may fail. */
let scene: RolloutScene
beforeAll(async () => {
  scene = await RolloutScene.start(360)
})
afterAll(async () => {
  await scene?.remove()
})

function expectNothingLost(tallies: readonly Tally[]): void {
  expect(tallies.flatMap(({ failures }) => failures)).toEqual([])
  // All three ways together; how many they send goes by the clock, not by how soon they are answered.
  expect(tallies.reduce((sum, { sent, seconds }) => sum + sent / seconds, 0)).toBeGreaterThan(1000)
}

describe('a roll-out under load loses no request', () => {
  it('through ClusterIP, NodePort and a Local NodePort', async () => {
    expectNothingLost(await scene.underLoad(() => scene.rollOut()))
  })

  it('with the agent, and the proxy in it, killed in the middle and away for longer than preStop lasts', async () => {
    const { cluster } = scene
    const killAgent = async (): Promise<void> => {
      process.kill(cluster.pid('agent'), 'SIGKILL')
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      expect((await cluster.ownkube('up')).code).toBe(0)
    }
    expectNothingLost(await scene.underLoad(() => scene.rollOut(killAgent)))
  })
})
