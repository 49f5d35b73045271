import { expect, it } from 'vitest'
import { FakeRuntime } from '../cri/fake-runtime.ts'
import { RuntimeError } from '../cri/runtime.ts'
import { sandboxConfig } from '../cri/runtime-contract.ts'
import { systemClock } from '../host/clock.ts'
import { lineLog } from '../host/log.ts'
import { removeSandboxes } from './down.ts'

/** Sleeping takes no time, but is counted. */
function skippingClock() {
  let skipped = 0
  return {
    ...systemClock,
    monotonic: () => skipped,
    sleep: async (ms: number) => {
      skipped += ms
    },
  }
}

async function twoPods() {
  const runtime = new FakeRuntime({ clock: systemClock, images: ['busybox'] })
  const lines: string[] = []
  const deps = { clock: skippingClock(), log: lineLog((line) => lines.push(line), { level: 'warn', now: systemClock.now }) }
  for (const uid of ['a', 'b']) {
    const config = sandboxConfig({ runtime, image: 'busybox', logDirectory: '/nowhere', cgroupParent: '/fake' })
    await runtime.runPodSandbox({ ...config, podName: uid, podUid: uid })
  }
  return { runtime, deps, lines }
}

const stillStarting = new RuntimeError('Unknown', "container is in starting state, can't be removed")

it('a pod that was just being started is removed when containerd has given its start up', async () => {
  const { runtime, deps, lines } = await twoPods()
  for (let i = 0; i < 3; i++) runtime.failNext('removePodSandbox', stillStarting)
  expect(await removeSandboxes(runtime, deps, () => undefined)).toBe('stopped 2')
  expect(await runtime.listPodSandboxes()).toEqual([])
  expect(lines).toEqual([])
})

it('a containerd that removes nothing keeps nobody from going on', async () => {
  const { runtime, deps, lines } = await twoPods()
  for (let i = 0; i < 1000; i++) runtime.failNext('removePodSandbox', stillStarting)
  expect(await removeSandboxes(runtime, deps, () => undefined)).toMatch(/ends with containerd \(container is in starting state/)
  expect(lines).toHaveLength(1)
})
