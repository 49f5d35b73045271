import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { type Outcome, repository, run } from './harness/command.ts'

const chart = join(repository, 'test/e2e/charts/answers')
const deployment = 'web-answers'

/** The unchanged helm binary through a release's life. */
describe('helm', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await TestCluster.start('helm')
    await cluster.importBusybox('test.local/busybox:1')
  })
  afterAll(() => cluster?.remove())

  const helm = (...args: readonly string[]): Promise<Outcome> =>
    run(cluster.programs.helm, args, { env: { KUBECONFIG: cluster.kubeconfig, HOME: cluster.folder }, timeoutMs: 60_000 })
  const must = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await helm(...args)
    if (code !== 0) throw new Error(`helm ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`)
    return stdout
  }
  const names = async (kinds: string): Promise<string[]> =>
    (await cluster.must(['get', kinds, '-l', 'app.kubernetes.io/managed-by=Helm', '-o', 'name'])).split('\n').filter(Boolean).sort()
  const replicas = (): Promise<string> =>
    cluster.must(['get', 'deployment', deployment, '-o', 'jsonpath={.spec.replicas} {.status.readyReplicas}'])
  const revisions = async (): Promise<string[]> => {
    const history = JSON.parse(await must('history', 'web', '-o', 'json')) as { revision: number; status: string }[]
    return history.map(({ revision, status }) => `${revision} ${status}`)
  }
  const all = 'deployments,services,configmaps,secrets,serviceaccounts'

  it('checks and renders the chart, against the server too', async () => {
    expect(await must('lint', chart)).toContain('0 chart(s) failed')
    expect(await must('template', 'web', chart)).toContain('name: web-answers')
    expect(await must('install', 'web', chart, '--dry-run=server')).toContain('pending-install')
    expect(await names(all)).toEqual([])
  })

  it('installs, hooks first, and waits until all is ready', async () => {
    expect(await must('install', 'web', chart, '--wait', '--timeout', '40s')).toContain('web answers on web-answers:80')
    expect(await replicas()).toBe('2 2')
    const made = ['configmap', 'deployment.apps', 'secret', 'service', 'serviceaccount'].map((kind) => `${kind}/${deployment}`)
    expect(await names(all)).toEqual(made)
    expect(await cluster.must(['get', 'pods,configmaps', '-o', 'name'])).not.toContain('prepare')
  })

  it('tells about the release', async () => {
    expect(JSON.parse(await must('list', '-o', 'json'))).toMatchObject([{ name: 'web', revision: '1', status: 'deployed' }])
    expect(await must('status', 'web')).toMatch(/v1\/Pod\(related\)[\s\S]*1\/1/)
    expect(await must('get', 'manifest', 'web')).toContain('kind: ServiceAccount')
    expect(await must('get', 'values', 'web', '--all')).toContain('greeting: hello')
    expect(await must('get', 'hooks', 'web')).toContain('web-answers-before')
  })

  it('runs the test of the release, which reaches the Service', async () => {
    expect(await must('test', 'web', '--logs')).toMatch(/Phase: +Succeeded[\s\S]*hello/)
  })

  it('upgrades by either kind of apply, one after the other', async () => {
    await must('upgrade', 'web', chart, '--set', 'replicas=3', '--server-side=false', '--wait')
    expect(await replicas()).toBe('3 3')
    await must('upgrade', 'web', chart, '--set', 'replicas=1', '--server-side=true', '--wait')
    expect(await replicas()).toBe('1 1')
  })

  it('an upgrade that fails is rolled back', async () => {
    const values = ['--set', 'image=test.local/none:1,replicas=1']
    const { code, stderr } = await helm('upgrade', 'web', chart, ...values, '--wait', '--timeout', '3s', '--rollback-on-failure')
    expect([code, stderr]).toEqual([1, expect.stringContaining('has been rolled back')])
    expect(await replicas()).toBe('1 1')
    expect(await revisions()).toEqual(['1 superseded', '2 superseded', '3 superseded', '4 failed', '5 deployed'])
  })

  it('goes back to a revision', async () => {
    await must('rollback', 'web', '1', '--wait')
    expect(await replicas()).toBe('2 2')
    expect((await revisions()).at(-1)).toBe('6 deployed')
  })

  it('a release made by client-side apply goes on by server-side apply', async () => {
    await must('install', 'old', chart, '--set', 'replicas=0', '--server-side=false')
    await must('upgrade', 'old', chart, '--set', 'replicas=0,greeting=hi', '--server-side=true')
    expect(await cluster.must(['get', 'configmap', 'old-answers', '-o', 'jsonpath={.data.greeting}'])).toBe('hi')
    await must('uninstall', 'old')
  })

  it('uninstalls and waits until nothing is left', async () => {
    expect(await must('uninstall', 'web', '--wait')).toContain('uninstalled')
    expect(await names(all)).toEqual([])
    expect(await must('list', '-q')).toBe('')
  })
})
