import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually, run } from './harness/command.ts'

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

it('restored where there are other keys: objects are there, old tokens are not trusted; with the keys copied first they are', async () => {
  const file = join(cluster.folder, 'elsewhere')
  await cluster.must(['create', 'secret', 'generic', 'password', '--from-literal=text=kept secret'])
  await cluster.must(['create', 'serviceaccount', 'robot'])
  const binding = ['create', 'clusterrolebinding', 'robot', '--clusterrole=view', '--serviceaccount=default:robot']
  await cluster.must(binding)
  const token = (await cluster.must(['create', 'token', 'robot'])).trim()
  expect(await cluster.ownkube('backup', file)).toMatchObject({ code: 0 })

  const boot = async (purpose: string, prepare: (cluster: TestCluster) => void): Promise<TestCluster> => {
    const other = await TestCluster.start(purpose, ['--server-only'], prepare)
    try {
      expect((await other.down()).code).toBe(0)
      expect(await other.ownkube('restore', file, '--overwrite')).toMatchObject({ code: 0 })
      expect((await other.ownkube('up')).code).toBe(0)
      return other
    } catch (error) {
      await other.remove()
      throw error
    }
  }
  /** As the ServiceAccount, by a token and nothing else. */
  const asRobot = (other: TestCluster, bearer: string) => {
    const server = JSON.parse(readFileSync(join(other.dataDir, 'cluster.json'), 'utf8')) as { apiPort: number }
    const flags = ['--server', `https://127.0.0.1:${server.apiPort}`, '--certificate-authority', join(other.dataDir, 'pki', 'ca.crt')]
    const args = ['--kubeconfig', '/dev/null', ...flags, '--token', bearer, 'get', 'configmaps', '-o', 'name']
    return run(other.programs.kubectl, args, { env: { HOME: other.folder } })
  }

  const strange = await boot('other-keys', () => {})
  try {
    const { data } = await strange.json<{ data: { text: string } }>(['get', 'secret', 'password'])
    expect(Buffer.from(data.text, 'base64').toString()).toBe('kept secret')
    const authority = readFileSync(join(strange.dataDir, 'pki', 'ca.crt'), 'utf8')
    await eventually(async () => {
      const published = await strange.json<{ data: Record<string, string> }>(['get', 'configmap', 'kube-root-ca.crt'])
      expect(published.data['ca.crt']).toBe(authority)
    })
    expect(await asRobot(strange, token)).toMatchObject({ code: 1, stderr: expect.stringMatching(/Unauthorized|logged in/) })
    const fresh = (await strange.must(['create', 'token', 'robot'])).trim()
    expect(await asRobot(strange, fresh)).toMatchObject({ code: 0, stdout: expect.stringContaining('configmap/kept') })
  } finally {
    await strange.remove()
  }

  const moved = await boot('same-keys', ({ dataDir }) => {
    mkdirSync(join(dataDir, 'pki'), { recursive: true, mode: 0o700 })
    for (const name of ['ca.crt', 'ca.key', 'sa.key']) copyFileSync(join(cluster.dataDir, 'pki', name), join(dataDir, 'pki', name))
  })
  try {
    expect(await asRobot(moved, token)).toMatchObject({ code: 0, stdout: expect.stringContaining('configmap/kept') })
  } finally {
    await moved.remove()
  }
})
