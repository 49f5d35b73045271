import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EtcdCluster, hasEtcd, startEtcd } from '../../src/storage/testing/etcd-server.ts'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'

const configMaps = '/api/v1/namespaces/default/configmaps'

describe.skipIf(!hasEtcd)('a cluster that moves to etcd (Debian package etcd-server)', () => {
  let etcd: EtcdCluster
  let cluster: TestCluster
  let folder: string
  let file: string

  beforeAll(async () => {
    etcd = await startEtcd(1)
    folder = mkdtempSync(join(tmpdir(), 'etcd-backup-'))
    file = join(folder, 'backup')
    const before = await TestCluster.start('before', ['--server-only'])
    try {
      await before.must(['create', 'configmap', 'kept', '--from-literal=a=1'])
      expect(await before.ownkube('backup', file)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Saved \d+ objects/) })
    } finally {
      await before.remove()
    }
    cluster = await TestCluster.start('moved', ['--server-only', '--datastore', etcd.endpoints.join(',')])
  })
  afterAll(async () => {
    await cluster?.remove()
    await etcd?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  const names = async (): Promise<string[]> =>
    (await cluster.must(['get', 'configmaps', '-o', 'name'])).split('\n').filter((line) => line !== '' && !line.includes('kube-root-ca'))

  it('takes its objects along by backup and restore; what etcd held before is gone, and its watchers list anew', async () => {
    expect(await names()).toEqual([])
    await cluster.must(['create', 'configmap', 'other', '--from-literal=a=1'])
    const { metadata } = JSON.parse(await cluster.must(['get', '--raw', configMaps])) as { metadata: { resourceVersion: string } }
    expect((await cluster.down()).code).toBe(0)

    expect(await cluster.ownkube('restore', file)).toMatchObject({ code: 1, stderr: expect.stringContaining('--overwrite') })
    const broken = join(cluster.folder, 'broken')
    writeFileSync(broken, readFileSync(file).subarray(0, -100))
    expect(await cluster.ownkube('restore', broken, '--overwrite')).toMatchObject({ code: 1, stderr: expect.stringContaining('no backup') })
    expect((await cluster.ownkube('up')).code).toBe(0)
    expect(await names()).toEqual(['configmap/other'])
    expect((await cluster.down()).code).toBe(0)

    expect(await cluster.ownkube('restore', file, '--overwrite')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Restored \d+/) })
    expect((await cluster.ownkube('up')).code).toBe(0)
    expect(await names()).toEqual(['configmap/kept'])
    const query = `watch=true&timeoutSeconds=1&resourceVersion=${metadata.resourceVersion}`
    const told = await cluster.must(['get', '--raw', `${configMaps}?${query}`])
    expect(JSON.parse(told)).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } })
  })

  it('is backed up from etcd while it runs and while it is down', async () => {
    await cluster.must(['create', 'configmap', 'second', '--from-literal=a=1'])
    const running = join(cluster.folder, 'running')
    expect(await cluster.ownkube('backup', running)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Saved \d+ objects/) })
    await cluster.must(['delete', 'configmap', 'kept', 'second'])
    const refused = await cluster.ownkube('restore', running, '--overwrite')
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/is being served by [\d.]+:\d+: take down every server/) })
    expect(await names()).toEqual([])
    expect((await cluster.down()).code).toBe(0)
    expect(await cluster.ownkube('backup', join(cluster.folder, 'stopped'))).toMatchObject({ code: 0 })
    expect(await cluster.ownkube('restore', running, '--overwrite')).toMatchObject({ code: 0 })
    expect((await cluster.ownkube('up')).code).toBe(0)
    expect(await names()).toEqual(['configmap/kept', 'configmap/second'])
  })
  it('is not restored while a server may be there: one that was killed is forgotten in its time, or by force', async () => {
    const file = join(cluster.folder, 'killed')
    expect(await cluster.ownkube('backup', file)).toMatchObject({ code: 0 })
    await cluster.must(['create', 'configmap', 'third', '--from-literal=a=1'])
    process.kill(cluster.pid('server'), 'SIGKILL')
    expect(await cluster.ownkube('restore', file, '--overwrite')).toMatchObject({ code: 1, stderr: expect.stringContaining('--force') })
    expect(await cluster.ownkube('restore', file, '--overwrite', '--force')).toMatchObject({ code: 0 })
    expect((await cluster.ownkube('up')).code).toBe(0)
    expect(await names()).toEqual(['configmap/kept', 'configmap/second'])
    process.kill(cluster.pid('server'), 'SIGKILL')
    await eventually(async () => expect(await cluster.ownkube('restore', file, '--overwrite')).toMatchObject({ code: 0 }), 60_000, 2_000)
    expect((await cluster.ownkube('up')).code).toBe(0)
    expect(await names()).toEqual(['configmap/kept', 'configmap/second'])
  })

  it('is restored into the etcd of a cluster with other keys, which it then has', async () => {
    const file = join(cluster.folder, 'moved-on')
    expect(await cluster.ownkube('backup', file)).toMatchObject({ code: 0 })
    const flags = ['--server-only', '--datastore', etcd.endpoints.join(','), '--datastore-prefix', '/other']
    const other = await TestCluster.start('other', flags)
    try {
      expect((await other.down()).code).toBe(0)
      expect(await other.ownkube('restore', file, '--overwrite')).toMatchObject({ code: 0 })
      expect((await other.ownkube('up')).code).toBe(0)
      await other.must(['get', 'configmap', 'kept', 'second'])
    } finally {
      await other.remove()
    }
  })
})
