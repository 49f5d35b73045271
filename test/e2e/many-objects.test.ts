import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ConfigMap } from '../../src/api/generated/types.ts'
import { configMaps } from '../../src/api/registry.ts'
import { type Client, ConnectionError } from '../../src/client/client.ts'
import { accessByKubeconfig } from '../../src/client/cluster-access.ts'
import { httpClient } from '../../src/client/http-client.ts'
import { systemClock } from '../../src/host/clock.ts'
import { systemExec } from '../../src/host/exec.ts'
import { TestCluster } from './harness/cluster.ts'

/** `OBJECTS=100000 vitest run --project e2e test/e2e/many-objects.test.ts` takes some minutes. */
const count = Number(process.env.OBJECTS ?? 5_000)
const writers = 64
const namespace = 'default'

let cluster: TestCluster
let client: Client
beforeAll(async () => {
  cluster = await TestCluster.start('many-objects', ['--server-only'])
  client = httpClient(await accessByKubeconfig(cluster.kubeconfig, { exec: systemExec, clock: systemClock }))
})
afterAll(async () => {
  await client?.close()
  await cluster?.remove()
})

const nameOf = (i: number): string => `map-${String(i).padStart(7, '0')}`
/** Of about 1 kB as stored, and like no other. */
const textOf = (i: number): string => `${i} ${'x'.repeat(800)}`

/** Until `enough` have been acknowledged: then the server is killed under those who write. */
async function createUntilKilled(): Promise<Set<string>> {
  const maps = client.resource<ConfigMap>(configMaps, namespace)
  const acknowledged = new Set<string>()
  let next = 0
  let killed = false
  const write = async (): Promise<void> => {
    for (let i = next++; ; i = next++) {
      try {
        await maps.create({ metadata: { name: nameOf(i) }, data: { text: textOf(i) } })
      } catch (error) {
        if (killed && error instanceof ConnectionError) return
        throw error
      }
      acknowledged.add(nameOf(i))
      if (acknowledged.size < count || killed) continue
      killed = true
      process.kill(cluster.pid('server'), 'SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
  return acknowledged
}

async function everyMap(): Promise<ConfigMap[]> {
  const maps = client.resource<ConfigMap>(configMaps, namespace)
  const found: ConfigMap[] = []
  for (let token: string | undefined = ''; token !== undefined; ) {
    const { items, metadata }: Awaited<ReturnType<typeof maps.list>> = await maps.list({
      limit: 1_000,
      ...(token ? { continue: token } : {}),
    })
    found.push(...items)
    token = metadata.continue || undefined
  }
  return found.filter(({ metadata }) => metadata.name.startsWith('map-'))
}

function residentMiB(): number {
  const kilobytes = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${cluster.pid('server')}/status`, 'utf8'))?.[1])
  return Math.round(kilobytes / 1024)
}

it(`${count} ConfigMaps of 1 kB through the API server, which is killed with -9: all that was acknowledged is there`, {
  timeout: 900_000,
}, async () => {
  let begun = performance.now()
  const acknowledged = await createUntilKilled()
  const wroteMs = performance.now() - begun
  begun = performance.now()
  expect(await cluster.ownkube('up')).toMatchObject({ code: 0 })
  const upMs = performance.now() - begun
  begun = performance.now()
  const found = await everyMap()
  const listMs = performance.now() - begun
  const names = new Set(found.map(({ metadata }) => metadata.name))
  expect([...acknowledged].filter((name) => !names.has(name))).toEqual([])
  for (const { metadata, data } of found) expect(data?.text, metadata.name).toBe(textOf(Number(metadata.name.slice('map-'.length))))
  // What was under way when the server died may be there as well.
  expect(found.length - acknowledged.size).toBeLessThanOrEqual(writers)
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
  console.log(
    `${acknowledged.size} created in ${seconds(wroteMs)}; after kill -9 'up' took ${seconds(upMs)}, a list of all in pages ${seconds(listMs)}; server ${residentMiB()} MiB resident`,
  )
})
