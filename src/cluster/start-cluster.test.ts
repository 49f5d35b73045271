import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect as connect2 } from 'node:http2'
import { Agent, get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { clientPrograms } from '../../test/e2e/harness/clients.ts'
import { run } from '../../test/e2e/harness/command.ts'
import type { ConfigMap, Pod } from '../api/generated/types.ts'
import { configMaps, deployments, nodes, pods } from '../api/registry.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import { type InProcessCluster, startCluster } from './start-cluster.ts'

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'web:1' }] } }
const web = { metadata: { name: 'web' }, spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template } }
const node = {
  metadata: { name: 'n1' },
  status: { allocatable: { cpu: '4', memory: '4Gi', pods: '110' }, conditions: [{ type: 'Ready', status: 'True' }] },
}

/** What `startCluster()` promises a test that embeds it. */
describe('a cluster inside a test', () => {
  const open: InProcessCluster[] = []
  const start = async (options?: Parameters<typeof startCluster>[0]): Promise<InProcessCluster> => {
    const cluster = await startCluster(options)
    open.push(cluster)
    return cluster
  }
  afterEach(async () => {
    await Promise.all(open.splice(0).map((cluster) => cluster.close()))
  })

  async function placed({ client }: InProcessCluster, pass: () => Promise<void>): Promise<string[]> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const { items } = await client.resource<Pod>(pods, 'default').list()
      if (items.length === 2 && items.every((pod) => pod.spec.nodeName)) return items.map((pod) => pod.spec.nodeName as string)
      await pass()
    }
    throw new Error('the pods were not placed')
  }
  const realTime = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))

  it('makes pods of a Deployment and places them', async () => {
    const cluster = await start()
    await cluster.client.resource(nodes).create(node as never)
    await cluster.client.resource(deployments, 'default').create(web as never)
    expect(await placed(cluster, realTime)).toEqual(['n1', 'n1'])
    expect(cluster.kubeconfig).toBeUndefined()
  })

  it('does so on a virtual clock, whose time is that of the objects', async () => {
    const clock = new VirtualClock(Date.UTC(2030, 0, 1))
    const cluster = await start({ clock })
    await cluster.client.resource(nodes).create(node as never)
    const made = await cluster.client.resource(deployments, 'default').create(web as never)
    expect(made.metadata.creationTimestamp).toBe('2030-01-01T00:00:00Z')
    expect(await placed(cluster, () => clock.advance(100))).toEqual(['n1', 'n1'])
  })

  it('serves kubectl, on a virtual clock too', async () => {
    const cluster = await start({ port: 0, clock: new VirtualClock(Date.UTC(2001, 0, 1)) })
    const folder = await mkdtemp(join(tmpdir(), 'ownkube-embedded-'))
    try {
      const kubeconfig = join(folder, 'kubeconfig')
      await writeFile(kubeconfig, cluster.kubeconfig as string)
      const kubectl = (...args: string[]) => run(clientPrograms().kubectl, ['--kubeconfig', kubeconfig, ...args], { env: { HOME: folder } })
      expect((await kubectl('create', 'configmap', 'a', '--from-literal=x=1')).stdout).toBe('configmap/a created\n')
      expect((await cluster.client.resource<ConfigMap>(configMaps, 'default').get('a')).data).toEqual({ x: '1' })
      expect((await kubectl('get', 'configmap', 'a', '-o', 'jsonpath={.data.x}')).stdout).toBe('1')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('closes with connections and watches open, whatever its clock says', async () => {
    const cluster = await start({ port: 0, clock: new VirtualClock() })
    const { clusters, users } = parse(cluster.kubeconfig as string) as {
      clusters: [{ cluster: Record<string, string> }]
      users: [{ user: Record<string, string> }]
    }
    const text = (base64: string | undefined): string => Buffer.from(base64 as string, 'base64').toString()
    const { server, 'certificate-authority-data': ca } = clusters[0].cluster
    const { 'client-certificate-data': cert, 'client-key-data': key } = users[0].user
    const tls = { ca: text(ca), cert: text(cert), key: text(key) }
    const agent = new Agent({ keepAlive: true, ...tls })
    const client = connect2(server as string, tls)
    client.on('error', () => undefined)
    await new Promise((resolve) =>
      client.request({ ':path': '/api/v1/pods?watch=1' }).on('response', resolve).on('error', resolve).resume(),
    )
    await new Promise((resolve, reject) => {
      get(`${server}/version`, { agent }, (response) => response.resume().on('end', resolve)).on('error', reject)
    })
    await cluster.close()
    await cluster.close()
    client.destroy()
    agent.destroy()
  })

  it('one that cannot serve on its port fails and leaves nothing running', async () => {
    const first = await start({ port: 0 })
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(first.kubeconfig as string)?.[1])
    await expect(startCluster({ port })).rejects.toThrow('EADDRINUSE')
  })

  it('keeps no process alive once it is closed', async () => {
    const program = `
      import { startCluster } from './src/cluster/start-cluster.ts'
      const cluster = await startCluster({ port: 0 })
      await cluster.close()
      console.log('closed')`
    const { code, stdout } = await run(process.execPath, ['--input-type=module-typescript', '--eval', program], { timeoutMs: 15_000 })
    expect([code, stdout]).toEqual([0, 'closed\n'])
  })
})
