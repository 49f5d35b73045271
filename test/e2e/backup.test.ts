import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'

let cluster: TestCluster
beforeAll(async () => {
  cluster = await TestCluster.start('backup')
})
afterAll(() => cluster.remove())

const configMaps = '/api/v1/namespaces/default/configmaps'
const names = async (): Promise<string[]> =>
  (await cluster.must(['get', 'configmaps', '-o', 'name'])).split('\n').filter((line) => line !== '' && !line.includes('kube-root-ca'))

it('is taken while the cluster runs, put back while it is down, and makes watchers list anew', async () => {
  const file = join(cluster.folder, 'backup')
  await cluster.must(['create', 'configmap', 'kept', '--from-literal=a=1'])
  expect(await cluster.ownkube('backup', file)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Saved \d+ objects/) })
  expect(statSync(file).mode & 0o077).toBe(0)
  expect(await cluster.ownkube('backup', file)).toMatchObject({ code: 1, stderr: expect.stringContaining('is there already') })
  await cluster.must(['create', 'configmap', 'later', '--from-literal=a=1'])
  await cluster.must(['delete', 'configmap', 'kept'])
  const { metadata } = JSON.parse(await cluster.must(['get', '--raw', configMaps])) as { metadata: { resourceVersion: string } }

  expect(await cluster.ownkube('restore', file, '--overwrite')).toMatchObject({ code: 1, stderr: expect.stringContaining('is in use by') })
  expect((await cluster.down()).code).toBe(0)
  expect(await cluster.ownkube('restore', file)).toMatchObject({ code: 1, stderr: expect.stringContaining('--overwrite') })
  const broken = join(cluster.folder, 'broken')
  writeFileSync(broken, 'ownkube snap 1  and nothing more')
  expect(await cluster.ownkube('restore', broken, '--overwrite')).toMatchObject({ code: 1, stderr: expect.stringContaining('no backup') })
  expect(await cluster.ownkube('restore', file, '--overwrite')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Restored \d+/) })
  expect((await cluster.ownkube('up')).code).toBe(0)

  expect(await names()).toEqual(['configmap/kept'])
  const query = `watch=true&timeoutSeconds=1&resourceVersion=${metadata.resourceVersion}`
  const told = await cluster.must(['get', '--raw', `${configMaps}?${query}`])
  expect(JSON.parse(told)).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } })
  rmSync(file)
})
