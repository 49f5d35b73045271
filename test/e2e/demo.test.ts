import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { clientPrograms } from './harness/clients.ts'
import { eventually, type Outcome, ownkube, repository, run } from './harness/command.ts'
import { clean, machineState } from './harness/machine.ts'

/** What the README promises, by the commands that it gives. */
const name = `t-demo-${process.pid}`
const folder = mkdtempSync(join(tmpdir(), 'ownkube-demo-'))
const flags = ['--name', name, '--data-dir', join(folder, 'data')]
const env = { KUBECONFIG: join(folder, 'kubeconfig'), HOME: folder }
const call = (command: string, ...args: string[]): Promise<Outcome> =>
  ownkube([...command.split(' '), ...flags, ...args], { env, timeoutMs: 150_000 })
const kubectl = (...args: string[]): Promise<Outcome> => run(clientPrograms().kubectl, ['--context', `ownkube-${name}`, ...args], { env })

afterAll(async () => {
  await call('down', '--delete')
  rmSync(folder, { recursive: true, force: true })
})

describe('the demo', () => {
  it('boots, asks from node, pod and outside, and every pod answers', async () => {
    const { code, stdout, stderr } = await call('demo', '--requests', '60', '--output', 'json')
    expect(stderr).toMatch(/Outside to NodePort +60 answers/)
    expect(code).toBe(0)
    const { pods, rounds } = JSON.parse(stdout) as {
      pods: { name: string; ip: string }[]
      rounds: { answers: string[]; byPod: Record<string, number> }[]
    }
    expect(pods).toHaveLength(3)
    expect(rounds).toHaveLength(3)
    for (const { answers, byPod } of rounds) {
      expect(answers).toHaveLength(60)
      expect(Object.keys(byPod).sort()).toEqual(pods.map(({ name: pod }) => pod).sort())
      for (const answer of answers) expect(pods.map((pod) => `HOSTNAME:${pod.name} IP:${pod.ip}`)).toContain(answer)
    }
    expect((await machineState(name)).namespaces, 'the outside host has gone').toEqual([])
  })

  it('runs again on the cluster that is up, and prints a table', async () => {
    const { code, stdout } = await call('demo')
    expect(code).toBe(0)
    expect(stdout).toMatch(/POD +ADDRESS +NODE > CLUSTERIP +POD > CLUSTERIP +OUTSIDE > NODEPORT/)
    expect(stdout).toMatch(/^all +30 +30 +30$/m)
  })

  it("gives what the README's kubectl lines ask for", async () => {
    const created = await kubectl('create', 'deployment', 'web', '--image=ownkube.local/whats-my-ip:1', '--replicas=3')
    expect(created.stderr).toBe('')
    expect((await kubectl('expose', 'deployment', 'web', '--port=80', '--target-port=8080')).code).toBe(0)
    expect((await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s')).code).toBe(0)
    const { stdout: address } = await kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}')
    await eventually(async () =>
      expect((await run('busybox', ['timeout', '2', 'busybox', 'wget', '-qO-', `http://${address}/`])).stdout).toMatch(/^HOSTNAME:web-/),
    )
  })

  it('stays in the foreground when asked to, follows the log, and goes down at Ctrl-C', async () => {
    expect((await call('down')).code).toBe(0)
    const child = spawn(join(repository, 'ownkube'), ['up', '--foreground', ...flags], { env: { ...process.env, ...env } })
    let printed = ''
    child.stdout.on('data', (text) => {
      printed += text
    })
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    try {
      await eventually(async () => expect(printed).toContain('Ctrl-C takes the cluster down'), 30_000)
      await kubectl('scale', 'deployment/web', '--replicas=1')
      const pid = Number(readFileSync(`/run/ownkube/${name}/agent.pid`, 'utf8').split(' ')[0])
      process.kill(pid, 'SIGTERM')
      await eventually(async () => expect(printed).toMatch(/INFO +agent: stopping/), 10_000)
      child.kill('SIGINT')
      expect(await ended).toBe(0)
    } finally {
      child.kill('SIGKILL')
    }
    expect(existsSync(`/run/ownkube/${name}`)).toBe(false)
    expect(await machineState(name)).toEqual(clean)
  })
})
