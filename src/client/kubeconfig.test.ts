import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { KubeconfigError, kubeconfigOf, mergeKubeconfig, removeFromKubeconfig } from './kubeconfig.ts'

const ours = () => kubeconfigOf({ name: 'ownkube', server: 'https://127.0.0.1:6443', ca: 'CA', cert: 'CERT', key: 'KEY' })
const theirs = `# my clusters
apiVersion: v1
kind: Config
preferences: {}
clusters:
  # the important one
  - name: work
    cluster:
      server: https://work.example
contexts:
  - name: work
    context: { cluster: work, user: me }
users:
  - name: me
    user: { token: abc } # secret
current-context: work
`

describe('a kubeconfig', () => {
  test('leads to the cluster it was made for', async () => {
    const base64 = (text: string): string => Buffer.from(text).toString('base64')
    const { clusters, users, contexts, ...config } = parse(await ours())
    expect(config['current-context']).toBe('ownkube')
    expect(contexts).toEqual([{ name: 'ownkube', context: { cluster: 'ownkube', user: expect.any(String) } }])
    expect(clusters[0].cluster).toEqual({ server: 'https://127.0.0.1:6443', 'certificate-authority-data': base64('CA') })
    expect(users[0]).toEqual({
      name: contexts[0].context.user,
      user: { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
    })
  })
  test('merged into a file keeps all that was there, comments too', async () => {
    const merged = await mergeKubeconfig(theirs, await ours(), { setCurrent: false })
    for (const line of ['# my clusters', '# the important one', '# secret', 'current-context: work', 'name: ownkube'])
      expect(merged).toContain(line)
    expect(parse(merged).clusters.at(-1).cluster.server).toBe('https://127.0.0.1:6443')
    expect(await mergeKubeconfig(merged, await ours(), { setCurrent: false })).toBe(merged)
    expect(await mergeKubeconfig(merged, await ours(), { setCurrent: true })).toContain('current-context: ownkube')
  })
  test('an empty file becomes ours', async () => {
    expect(await mergeKubeconfig('', await ours(), { setCurrent: false })).toContain('current-context: ownkube')
    expect(await mergeKubeconfig('apiVersion: v1\nclusters: null\n', await ours(), { setCurrent: false })).toContain(
      'current-context: ownkube',
    )
  })
  test('taken out again leaves what was there', async () => {
    const merged = await mergeKubeconfig(theirs, await ours(), { setCurrent: true })
    const left = await removeFromKubeconfig(merged, 'ownkube')
    expect(left).not.toContain('name: ownkube')
    expect(left).toContain('# the important one')
    expect(await removeFromKubeconfig(theirs, 'ownkube')).toBe(theirs)
  })
  test.each([
    ['a: [', /not valid YAML/],
    ['- a', /not a map/],
    ['clusters: 7', /clusters are not a list/],
  ])('what is none is refused: %s', async (text, message) => {
    await expect(mergeKubeconfig(text, await ours(), { setCurrent: false })).rejects.toThrow(message)
    await expect(mergeKubeconfig(text, await ours(), { setCurrent: false })).rejects.toThrow(KubeconfigError)
  })
})
