import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Lease } from '../../src/api/generated/types.ts'
import { issueCertificate, makeAuthority } from '../../src/cluster/issue-certificate.ts'
import { type EtcdCluster, hasEtcd, startEtcd } from '../../src/storage/testing/etcd-server.ts'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'

const image = 'ownkube.test/two-servers:1'

function deployment(version: string): string {
  const labels = { app: 'web' }
  const container = { name: 'c', image, command: ['sleep', '1000'], env: [{ name: 'VERSION', value: version }] }
  const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } }
  const spec = { replicas: 4, selector: { matchLabels: labels }, template, strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } }
  return JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec })
}

describe.skipIf(!hasEtcd)('two servers on one etcd (Debian package etcd-server)', () => {
  let etcd: EtcdCluster
  let folder: string
  /** The first has no node; the second has one, and the first's certificates. */
  let first: TestCluster
  let second: TestCluster
  let flags: string[]

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'two-servers-'))
    const times = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 24 * 3_600_000 }
    const authority = await makeAuthority({ commonName: 'etcd-ca', ...times })
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text, { mode: 0o600 })
      return join(folder, name)
    }
    const issue = async (name: string, usage: 'server' | 'client') => {
      const { cert, key } = await issueCertificate(authority, {
        ...{ commonName: name, organizations: [], usage, dnsNames: ['localhost'], addresses: ['127.0.0.1'] },
        ...times,
      })
      return { cert: file(`${name}.crt`, cert), key: file(`${name}.key`, key) }
    }
    const ca = file('ca.crt', authority.cert)
    const server = await issue('etcd', 'server')
    const client = await issue('ownkube', 'client')
    etcd = await startEtcd(3, { tls: { ca, ...server } })
    flags = ['--datastore', etcd.endpoints.join(','), '--datastore-cafile', ca]
    flags.push('--datastore-certfile', client.cert, '--datastore-keyfile', client.key, '--service-cidr', '10.111.0.0/16')
    first = await TestCluster.start('first', [...flags, '--server-only'])
    second = await TestCluster.start('second', flags, ({ dataDir }) => {
      mkdirSync(join(dataDir, 'pki'), { recursive: true, mode: 0o700 })
      for (const name of ['ca.crt', 'ca.key', 'sa.key']) copyFileSync(join(first.dataDir, 'pki', name), join(dataDir, 'pki', name))
    })
    await second.importBusybox(image)
  })
  afterAll(async () => {
    await second?.remove()
    await first?.remove()
    await etcd?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  const leaseOf = async (through: TestCluster, name: string): Promise<NonNullable<Lease['spec']>> =>
    (await through.json<Lease>(['-n', 'kube-system', 'get', 'lease', name])).spec ?? {}

  it('serves one cluster: what is written through one is read through the other at once', async () => {
    for (let i = 0; i < 5; i++) {
      const [writer, reader] = i % 2 ? [first, second] : [second, first]
      await writer.must(['create', 'configmap', `c-${i}`, `--from-literal=from=${writer.name}`])
      expect((await reader.json<{ data: object }>(['get', 'configmap', `c-${i}`])).data).toEqual({ from: writer.name })
    }
    expect(await first.must(['get', 'nodes', '-o', 'name'])).toBe(await second.must(['get', 'nodes', '-o', 'name']))
    const status = await first.ownkube('status')
    expect(status.code).toBe(0)
    expect(status.stdout).toContain(`Datastore   ${etcd.endpoints.join(', ')}, under /ownkube`)
    const saved = await first.ownkube('backup', join(folder, 'backup'))
    expect(saved.stdout).toMatch(/^Saved [1-9]\d+ objects/)
  })

  it('refuses a server that has another authority', async () => {
    const stranger = TestCluster.start('stranger', [...flags, '--server-only'])
    await expect(stranger).rejects.toThrow(/copy ca\.crt, ca\.key and sa\.key/)
  })

  it('one of them leads; when it is killed in the middle of a roll-out, the other completes it', async () => {
    await second.apply(deployment('1'))
    await second.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    const before = await leaseOf(second, 'kube-controller-manager')
    expect(before).toMatchObject({ leaseDurationSeconds: 15, leaseTransitions: 0 })
    expect((await leaseOf(second, 'kube-scheduler')).holderIdentity).toBe(before.holderIdentity)

    await second.apply(deployment('2'))
    process.kill(first.pid('server'), 'SIGKILL')
    await second.must(['rollout', 'status', 'deployment/web', '--timeout=120s'])
    const pods = await second.json<{ items: { spec: { containers: { env: { value: string }[] }[] } }[] }>(['get', 'pods', '-l', 'app=web'])
    expect(pods.items.map(({ spec }) => spec.containers[0]?.env[0]?.value)).toContain('2')
    const after = await leaseOf(second, 'kube-controller-manager')
    expect(after.holderIdentity).not.toBe(before.holderIdentity)
    expect(after.leaseTransitions).toBe(1)
  })

  it('says what is wrong while etcd is away; a write that came meanwhile is made when it is back', async () => {
    await Promise.all(etcd.members.map((member) => member.kill()))
    // Told to come again (503, Retry-After), kubectl does.
    const creating = second.must(['create', 'configmap', 'meanwhile'])
    expect((await second.kubectl(['get', '--raw', '/readyz'])).stderr).toMatch(/etcd failed/)
    for (const member of etcd.members) member.start()
    await creating
    await eventually(() => second.must(['get', '--raw', '/readyz']))
    await second.must(['get', 'configmap', 'meanwhile'])
  })

  it('a server that comes back serves what was written meanwhile; one that stops hands its leases over', async () => {
    expect((await first.ownkube('up')).code).toBe(0)
    await first.must(['rollout', 'status', 'deployment/web', '--timeout=10s'])
    expect(await first.must(['get', 'pods', '-l', 'app=web', '-o', 'name'])).toBe(
      await second.must(['get', 'pods', '-l', 'app=web', '-o', 'name']),
    )
    const { holderIdentity } = await leaseOf(first, 'kube-controller-manager')
    expect((await second.ownkube('down')).code).toBe(0)
    await eventually(async () => {
      const held = await leaseOf(first, 'kube-controller-manager')
      expect(held.holderIdentity).toBeTruthy()
      expect(held.holderIdentity).not.toBe(holderIdentity)
    })
  })
})
