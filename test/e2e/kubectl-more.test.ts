import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually, run } from './harness/command.ts'
import { deployment, pod } from './harness/manifests.ts'

const image = 'ownkube.test/busybox:1'
const forever = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done']
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('kubectl-more')
  await cluster.importBusybox(image)
})
afterAll(async () => {
  await cluster?.remove()
})

/** What kubectl printed, to either side, whatever it ended with. */
async function said(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await cluster.kubectl(args)
  return stdout + stderr
}

const configMap = (name: string, data: object, metadata: object = {}): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data })

describe('who may do what', () => {
  it('auth can-i, whoami and --as', async () => {
    expect(await cluster.must(['auth', 'can-i', 'create', 'pods'])).toBe('yes\n')
    expect(await cluster.kubectl(['auth', 'can-i', 'create', 'pods', '--as=jane'])).toMatchObject({ code: 1, stdout: 'no\n' })
    expect(await cluster.must(['auth', 'can-i', '--list'])).toMatch(/^\*\.\* +\[\] +\[\] +\[\*\]$/m)
    expect(await cluster.must(['auth', 'whoami'])).toMatch(/^Groups +\[system:masters system:authenticated\]$/m)
    expect(await cluster.must(['auth', 'whoami', '--as=jane', '--as-group=dev', '-o', 'jsonpath={.status.userInfo.groups}'])).toBe(
      '["dev","system:authenticated"]',
    )
    expect(await said('get', 'pods', '--as=jane')).toBe(
      'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"\n',
    )
  })
})

describe('applying', () => {
  it('takes out what is left out, and leaves what others set', async () => {
    const env = [
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ]
    await cluster.apply(deployment('three', 0, { image, command: forever, env }, { spec: { minReadySeconds: 1 } }))
    await cluster.must(['label', 'deployment', 'three', 'mine=yes'])
    const less = deployment('three', 0, { image, command: forever, env: env.slice(0, 1) })
    expect((await cluster.kubectl(['diff', '-f', '-'], { input: less })).code).toBe(1)
    await cluster.apply(less)
    expect((await cluster.kubectl(['diff', '-f', '-'], { input: less })).code).toBe(0)
    const fields = 'jsonpath={.metadata.labels.mine} {.spec.minReadySeconds} {.spec.template.spec.containers[0].env[*].name}'
    expect(await cluster.must(['get', 'deployment', 'three', '-o', fields])).toBe('yes  A')
    expect(await cluster.must(['replace', '--force', '-f', '-'], { input: less })).toContain('deployment.apps/three replaced')
    await cluster.must(['delete', 'deployment', 'three'])
  })

  it('goes on on the server with what it began on the client, and back', async () => {
    await cluster.apply(configMap('handed', { a: '1', gone: 'x' }))
    await cluster.must(['apply', '--server-side', '-f', '-'], { input: configMap('handed', { a: '2' }) })
    expect(await cluster.must(['get', 'configmap', 'handed', '-o', 'jsonpath={.data}'])).toBe('{"a":"2"}')
    const other = await cluster.kubectl(['apply', '--server-side', '--field-manager=ci', '-f', '-'], {
      input: configMap('handed', { a: '3' }),
    })
    expect(other.stderr).toContain('Apply failed with 1 conflict: conflict with "kubectl": .data.a')
    await cluster.apply(configMap('handed', { b: '1' }))
    expect(await cluster.must(['get', 'configmap', 'handed', '-o', 'jsonpath={.data}'])).toBe('{"b":"1"}')
    await cluster.must(['delete', 'configmap', 'handed'])
  })

  it('prunes, and builds with kustomize', async () => {
    const labelled = (name: string): string => configMap(name, { k: 'v' }, { labels: { set: 'one' } })
    await cluster.must(['apply', '-f', '-'], { input: `${labelled('p1')}\n---\n${labelled('p2')}` })
    const prune = ['apply', '--prune', '-l', 'set=one', '--prune-allowlist=core/v1/ConfigMap', '-f', '-']
    expect(await cluster.must(prune, { input: labelled('p1') })).toBe('configmap/p1 unchanged\nconfigmap/p2 pruned\n')
    await cluster.must(['delete', 'configmap', 'p1'])
    const folder = join(cluster.folder, 'kustomize')
    mkdirSync(folder)
    writeFileSync(join(folder, 'kustomization.yaml'), 'namePrefix: kz-\nconfigMapGenerator: [{name: gen, literals: [a=b]}]\n')
    expect(await cluster.must(['apply', '-k', folder])).toMatch(/^configmap\/kz-gen-\w+ created\n$/)
    expect(await cluster.must(['delete', '-k', folder])).toContain('deleted')
  })
})

describe('showing and waiting', () => {
  it('a Scale is a row, Endpoints come with a warning, a record is explained', async () => {
    await cluster.apply(deployment('shown', 1, { image, command: forever }))
    await cluster.must(['rollout', 'status', 'deployment/shown', '--timeout=60s'])
    expect(await cluster.must(['get', 'deployment', 'shown', '--subresource=scale'])).toMatch(
      /^NAME +DESIRED +AVAILABLE +AGE\nshown +1 +1 /,
    )
    expect(await said('get', 'endpoints')).toContain('Warning: v1 Endpoints is deprecated in v1.33+')
    expect(await cluster.must(['explain', 'pod'])).not.toContain('<no description>')
    expect(await said('scale', 'deployment/shown', '--replicas=3', '--current-replicas=2')).toBe(
      'error: Expected replicas to be 2, was 1\n',
    )
    await cluster.must(['delete', 'deployment', 'shown', '--cascade=orphan'])
    const orphans = await cluster.must(['get', 'replicasets,pods', '-l', 'app=shown', '-o', 'name'])
    expect(orphans.trim().split('\n')).toHaveLength(2)
    await cluster.must(['delete', 'replicasets', '-l', 'app=shown', '--cascade=foreground'])
    await eventually(async () => expect(await cluster.must(['get', 'pods', '-l', 'app=shown', '-o', 'name'])).toBe(''))
  })

  it('waits for creation, a value and deletion; the last finalizer lets go', async () => {
    const created = cluster.must(['wait', '--for=create', 'configmap/late', '--timeout=20s'])
    await cluster.apply(configMap('late', { a: 'b' }, { finalizers: ['example.com/hold'] }))
    expect(await created).toBe('configmap/late condition met\n')
    await cluster.must(['wait', '--for=jsonpath={.data.a}=b', 'configmap/late', '--timeout=5s'])
    await cluster.must(['delete', 'configmap', 'late', '--wait=false'])
    const gone = cluster.must(['wait', '--for=delete', 'configmap/late', '--timeout=20s'])
    const patch = ['patch', 'configmap', 'late', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']
    expect(await cluster.must(patch)).toBe('configmap/late patched\n')
    await gone
  })

  it('drains a node and lets it work again', async () => {
    await cluster.apply(deployment('moved', 1, { image, command: forever }))
    await cluster.must(['rollout', 'status', 'deployment/moved', '--timeout=60s'])
    const node = (await cluster.must(['get', 'nodes', '-o', 'name'])).trim().replace('node/', '')
    await cluster.must(['taint', 'node', node, 'a=b:NoSchedule'])
    await cluster.must(['taint', 'node', node, 'a:NoSchedule-'])
    expect(await cluster.must(['drain', node, '--timeout=30s'])).toMatch(/pod\/moved-\S+ evicted\nnode\/\S+ drained/)
    expect(await cluster.must(['get', 'node', node])).toContain('Ready,SchedulingDisabled')
    expect(await cluster.must(['get', 'pods', '-l', 'app=moved'])).toContain('Pending')
    await cluster.must(['uncordon', node])
    await cluster.must(['rollout', 'status', 'deployment/moved', '--timeout=60s'])
    await cluster.must(['delete', 'deployment', 'moved'])
  })
})

describe('inside a pod', () => {
  const lines = { image, command: ['sh', '-c', 'echo out; echo more; trap "exit 0" TERM; while :; do sleep 0.2; done'] }
  const web = { image, command: ['sh', '-c', 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 8080 -h /www'] }

  beforeAll(async () => {
    const init = { name: 'init', image, command: ['sh', '-c', 'echo began; sleep 1.5'] }
    const annotations = { 'kubectl.kubernetes.io/default-container': 'c1' }
    await cluster.apply(pod('inside', [lines, web], { initContainers: [init] }, { labels: { in: 'side' }, annotations }))
    await eventually(async () => expect(await cluster.must(['get', 'pod', 'inside'])).toMatch(/Init:0\/1/), 20_000)
    await cluster.must(['wait', '--for=condition=Ready', 'pod/inside', '--timeout=60s'])
  })
  afterAll(async () => {
    await cluster.must(['delete', 'pod', 'inside', '--now'])
  })

  it('logs of init containers, of all, by label and with their prefix', async () => {
    expect(await cluster.must(['logs', 'inside', '-c', 'init'])).toBe('began\n')
    const all = ['logs', '-l', 'in=side', '--all-containers', '--prefix']
    const lines = '[pod/inside/init] began\n[pod/inside/main] out\n[pod/inside/main] more\n'
    await eventually(async () => expect(await cluster.must(all)).toBe(lines), 10_000)
    expect(await cluster.must(['logs', 'inside', '-c', 'main', '--limit-bytes=3'])).toBe('out')
    expect(await cluster.must(['logs', 'inside', '-c', 'main', '--since-time=2100-01-01T00:00:00Z'])).toBe('')
    expect(await said('logs', 'inside', '-c', 'nope')).toContain('container nope is not valid for pod inside out of: main, c1, init (init)')
  })

  it('exec takes megabytes, a terminal, and the older protocol', async () => {
    const bytes = randomBytes(3 << 20).toString('base64')
    const sum = createHash('md5').update(bytes).digest('hex')
    expect(await cluster.must(['exec', '-i', 'inside', '--', 'md5sum'], { input: bytes })).toBe(`${sum}  -\n`)
    const { kubectl } = cluster.programs
    const spdy = { env: { KUBECONFIG: cluster.kubeconfig, HOME: cluster.folder, KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' } }
    expect(await run(kubectl, ['exec', '-i', 'inside', '--', 'md5sum'], { ...spdy, input: bytes })).toMatchObject({
      code: 0,
      stdout: `${sum}  -\n`,
    })
    expect(await run(kubectl, ['exec', 'inside', '--', 'sh', '-c', 'exit 5'], spdy)).toMatchObject({ code: 5 })
    const typed = `stty rows 41 cols 101; ${kubectl} --kubeconfig ${cluster.kubeconfig} exec -it inside -- sh -c 'tty; sleep 0.5; stty size'`
    const { stdout } = await run('script', ['-qec', typed, '/dev/null'], { env: { HOME: cluster.folder } })
    expect(stdout).toMatch(/\/dev\/pts\/0[\s\S]*41 101/)
  })

  it('copies a folder there and a file back', async () => {
    const folder = join(cluster.folder, 'copied')
    mkdirSync(join(folder, 'sub'), { recursive: true })
    writeFileSync(join(folder, 'sub/two'), '2\n')
    await cluster.must(['cp', folder, 'inside:/tmp/copied'])
    expect(await cluster.must(['exec', 'inside', '--', 'cat', '/tmp/copied/sub/two'])).toBe('2\n')
    const back = join(cluster.folder, 'page')
    await cluster.must(['cp', 'inside:www/index.html', back])
    expect(readFileSync(back, 'utf8')).toBe('page\n')
  })

  it('forwards a port', async () => {
    const child = spawn(cluster.programs.kubectl, ['--kubeconfig', cluster.kubeconfig, 'port-forward', 'pod/inside', ':8080'], {
      env: { ...process.env, HOME: cluster.folder },
    })
    let told = ''
    child.stdout.on('data', (part) => {
      told += part
    })
    try {
      const port = await eventually(async () => {
        const found = /127\.0\.0\.1:(\d+) -> 8080/.exec(told)
        if (!found) throw new Error(`no port yet: ${told}`)
        return found[1]
      }, 10_000)
      const pages = await Promise.all(Array.from({ length: 5 }, async () => (await fetch(`http://127.0.0.1:${port}/`)).text()))
      expect(pages).toEqual(Array(5).fill('page\n'))
    } finally {
      child.kill()
    }
  })
})
