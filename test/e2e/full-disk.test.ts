import { readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually, run } from './harness/command.ts'

let cluster: TestCluster
let store: string
let isMounted = false
beforeAll(async () => {
  cluster = await TestCluster.start('full-disk', ['--server-only'])
  expect((await cluster.down()).code).toBe(0)
  store = join(cluster.dataDir, 'store')
  const kept = `${store}-kept`
  await must('mv', store, kept)
  await mkdir(store, { mode: 0o700 })
  await must('mount', '-t', 'tmpfs', '-o', 'size=12m,mode=0700', 'ownkube-test', store)
  isMounted = true
  for (const name of readdirSync(kept)) await must('cp', '-p', join(kept, name), store)
  rmSync(kept, { recursive: true })
  expect(await cluster.ownkube('up')).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await cluster?.down()
  if (isMounted) await must('umount', store)
  await cluster?.remove()
})

async function must(program: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await run(program, args)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
}

const text = 'x'.repeat(200_000)
/** Undefined: it was taken; else what the client was told. */
async function write(name: string): Promise<string | undefined> {
  const manifest = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text } })
  const { code, stderr } = await cluster.kubectl(['create', '-f', '-'], { input: manifest })
  return code === 0 ? undefined : stderr
}

const names = async (): Promise<string[]> => {
  const found = await cluster.must(['get', 'configmaps', '-o', 'jsonpath={.items[*].metadata.name}'])
  return found.split(' ').filter((name) => name.startsWith('map-'))
}

it('on a full disk writes are refused and reads go on; with room again the server takes writes, and nothing acknowledged is lost', async () => {
  const filler = join(store, 'somebody-else')
  const { bavail, bsize } = statfsSync(store)
  writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - (1 << 20)), 1))
  const acknowledged: string[] = []
  let refusal: string | undefined
  for (let i = 0; i < 60 && refusal === undefined; i++) {
    refusal = await write(`map-${10 + i}`)
    if (refusal === undefined) acknowledged.push(`map-${10 + i}`)
  }
  expect(refusal).toMatch(/no space left on device/)
  expect(await names()).toEqual(acknowledged)
  rmSync(filler)
  await eventually(async () => expect(await write('map-90')).toBeUndefined())
  acknowledged.push('map-90')
  process.kill(cluster.pid('server'), 'SIGKILL')
  expect(await cluster.ownkube('up')).toMatchObject({ code: 0 })
  expect(await names()).toEqual(acknowledged)
  expect(await write('map-91')).toBeUndefined()
})
