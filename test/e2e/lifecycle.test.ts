import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually, run } from './harness/command.ts'
import { machineState, processesNaming } from './harness/machine.ts'
import { pod } from './harness/manifests.ts'

/** What users and machines do to a cluster between `up` and `down`: two commands at once, folders removed under it. */
let cluster: TestCluster
beforeAll(async () => {
  cluster = await TestCluster.start('lifecycle')
})
afterAll(async () => {
  await cluster?.remove()
})

const codes = async (...outcomes: Promise<{ code: number; stderr: string }>[]): Promise<number[]> =>
  (await Promise.all(outcomes)).map(({ code }) => code)

async function up(): Promise<void> {
  const { code, stderr, stdout } = await cluster.ownkube('up')
  if (code !== 0) throw new Error(`up ended with ${code}: ${stdout}${stderr}`)
}

async function roles(): Promise<string[]> {
  return processesNaming(cluster.dataDir)
    .filter((line) => /(server|agent) \S+$/.test(line) && line.endsWith(` ${cluster.dataDir}`))
    .map((line) => line.split(' ').at(-2) ?? '')
    .filter(Boolean)
    .sort()
}

async function nothingLeft(): Promise<void> {
  const { processes, mounts, chains, cgroups } = await machineState(cluster.name)
  expect({ processes, mounts, cgroups }).toEqual({ processes: [], mounts: [], cgroups: [] })
  expect(chains.filter((line) => line.includes(cluster.name))).toEqual([])
  expect(existsSync(cluster.runDir)).toBe(false)
}

async function runAPod(name: string): Promise<void> {
  await cluster.apply(pod(name, [{ image: 'ownkube.test/lifecycle:1', command: ['sleep', '1000'] }]))
  await cluster.must(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'])
}

describe('commands at once', () => {
  it('three first ups make one cluster', async () => {
    expect((await cluster.ownkube('down', '--delete')).code).toBe(0)
    expect(await codes(cluster.ownkube('up'), cluster.ownkube('up'), cluster.ownkube('up'))).toEqual([0, 0, 0])
    expect(await roles()).toEqual(['agent', 'server'])
    await cluster.must(['get', 'nodes'])
  })

  it('an up and a down, in whatever order, and two downs', async () => {
    expect(await codes(cluster.ownkube('down'), cluster.ownkube('up'))).toEqual([0, 0])
    expect(await codes(cluster.ownkube('down'), cluster.ownkube('down'))).toEqual([0, 0])
    await nothingLeft()
  })
})

describe('folders removed by hand', () => {
  beforeAll(async () => {
    await up()
    await cluster.importBusybox('ownkube.test/lifecycle:1')
    await runAPod('p')
  })

  it('of the run-time files: up ends what ran without them and brings the pods back', async () => {
    await run('rm', ['-rf', cluster.runDir]) // as far as it goes: mounts in it stay
    await up()
    expect(await roles()).toEqual(['agent', 'server'])
    await eventually(async () =>
      expect(await cluster.must(['get', 'pod', 'p', '-o', 'jsonpath={.status.phase} {.status.containerStatuses[0].restartCount}'])).toBe(
        'Running 1',
      ),
    )
    expect(processesNaming(`${cluster.runDir}/`).filter((line) => line.includes('containerd-shim'))).toHaveLength(1)
  })

  it('of the run-time files: down leaves nothing all the same', async () => {
    await run('rm', ['-rf', cluster.runDir]) // as far as it goes: mounts in it stay
    expect((await cluster.ownkube('down')).code).toBe(0)
    await nothingLeft()
  })

  it('a damaged configuration is named; one that is up can be taken down', async () => {
    await up()
    writeFileSync(`${cluster.dataDir}/cluster.json`, '{}')
    const refused = await cluster.ownkube('up')
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain(`${cluster.dataDir}/cluster.json is damaged`)
    expect((await cluster.ownkube('down')).code).toBe(0)
    await nothingLeft()
    rmSync(cluster.dataDir, { recursive: true })
  })

  it('of the data: up says so, and down leaves nothing', async () => {
    await up()
    await cluster.importBusybox('ownkube.test/lifecycle:1')
    await runAPod('q')
    rmSync(cluster.dataDir, { recursive: true, force: true })
    const refused = await cluster.ownkube('up')
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain('is running, but its data')
    expect((await cluster.ownkube('down')).code).toBe(0)
    await nothingLeft()
  })
})
