import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import {
  ApiException,
  AppsV1Api,
  Attach,
  CoreV1Api,
  Cp,
  Exec,
  KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
  Log,
  makeInformer,
  PatchStrategy,
  PortForward,
  setHeaderOptions,
  type V1ConfigMap,
  type V1Status,
  Watch,
} from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'
import { nameServer, pod } from './harness/manifests.ts'

const image = 'test.local/busybox:1'
const namespace = 'default'

class Collected extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

const configMap = (name: string, parity: string, data: Record<string, string> = {}): V1ConfigMap => ({
  metadata: { name, labels: { parity } },
  data,
})

/** The JavaScript client, unchanged, from our kubeconfig. */
describe('@kubernetes/client-node', () => {
  let cluster: TestCluster
  let config: KubeConfig
  let core: CoreV1Api
  let apps: AppsV1Api

  beforeAll(async () => {
    cluster = await TestCluster.start('client-node')
    await cluster.importBusybox(image)
    config = new KubeConfig()
    config.loadFromFile(cluster.kubeconfig)
    core = config.makeApiClient(CoreV1Api)
    apps = config.makeApiClient(AppsV1Api)
    await cluster.apply(
      pod('web', [{ ...nameServer(image, [8080]), volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }] }], {
        volumes: [{ name: 'tmp', emptyDir: {} }],
      }),
    )
    const talk = 'i=0; while :; do echo "line $((i++))"; sleep 0.1; done'
    await cluster.apply(pod('talks', [{ image, command: ['sh', '-c', talk] }]))
    await eventually(async () => expect((await core.readNamespacedPodStatus({ namespace, name: 'web' })).status?.phase).toBe('Running'))
  })
  afterAll(() => cluster?.remove())

  const failure = async (work: Promise<unknown>): Promise<V1Status> => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (!(error instanceof ApiException)) throw new Error(`no API error: ${String(error)}`)
    const status = JSON.parse(String(error.body)) as V1Status
    expect(status).toMatchObject({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code: error.code })
    return status
  }

  it('lists page by page and by selectors', async () => {
    for (let i = 0; i < 7; i++) {
      await core.createNamespacedConfigMap({ namespace, body: configMap(`page-${i}`, i % 2 ? 'odd' : 'even') })
    }
    const pages: string[][] = []
    let next: string | undefined
    do {
      const page = await core.listNamespacedConfigMap({ namespace, labelSelector: 'parity', limit: 3, _continue: next })
      pages.push(page.items.map(({ metadata }) => metadata?.name as string))
      next = page.metadata?._continue
    } while (next)
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1])
    const odd = { namespace, labelSelector: 'parity in (odd)', fieldSelector: 'metadata.name!=page-1' }
    expect((await core.listNamespacedConfigMap(odd)).items.map(({ metadata }) => metadata?.name)).toEqual(['page-3', 'page-5'])
  })

  it('tells of errors as Status objects', async () => {
    expect(await failure(core.readNamespacedPod({ namespace, name: 'none' }))).toMatchObject({ reason: 'NotFound', code: 404 })
    const wrong = { metadata: { name: 'Wrong_Name' }, spec: { containers: [] } }
    const { details } = await failure(core.createNamespacedPod({ namespace, body: wrong }))
    expect(details?.causes?.map(({ field }) => field)).toEqual(['metadata.name', 'spec.containers'])
    const read = await core.readNamespacedConfigMap({ namespace, name: 'page-0' })
    expect(read.metadata?.creationTimestamp).toBeInstanceOf(Date)
    await core.replaceNamespacedConfigMap({ namespace, name: 'page-0', body: { ...read, data: { a: '1' } } })
    const late = core.replaceNamespacedConfigMap({ namespace, name: 'page-0', body: { ...read, data: { a: '2' } } })
    expect(await failure(late)).toMatchObject({ reason: 'Conflict', code: 409 })
  })

  it.each([
    [PatchStrategy.JsonPatch, [{ op: 'add', path: '/data', value: { by: 'json' } }], 'json'],
    [PatchStrategy.MergePatch, { data: { by: 'merge' } }, 'merge'],
    [PatchStrategy.StrategicMergePatch, { data: { by: 'strategic' } }, 'strategic'],
    [PatchStrategy.ServerSideApply, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'page-2' }, data: { by: 'apply' } }, 'apply'],
  ])('patches with %s', async (type, body, by) => {
    const force = type === PatchStrategy.ServerSideApply ? true : undefined
    const patch = { namespace, name: 'page-2', body, fieldManager: 'tests', ...(force ? { force } : {}) }
    expect((await core.patchNamespacedConfigMap(patch, setHeaderOptions('Content-Type', type))).data).toEqual({ by })
  })

  it('applies objects of any kind', async () => {
    const objects = KubernetesObjectApi.makeApiClient(config)
    const apply = (replicas: number) =>
      objects.patch(
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: 'applied', namespace },
          spec: {
            replicas,
            selector: { matchLabels: { app: 'applied' } },
            template: { metadata: { labels: { app: 'applied' } }, spec: { containers: [{ name: 'main', image }] } },
          },
        } as KubernetesObject,
        undefined,
        undefined,
        'tests',
        true,
        PatchStrategy.ServerSideApply,
      )
    expect((await apply(0)).metadata?.generation).toBe(1)
    const scale = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)
    await apps.patchNamespacedDeploymentScale({ namespace, name: 'applied', body: { spec: { replicas: 1 } } }, scale)
    expect((await apps.readNamespacedDeploymentScale({ namespace, name: 'applied' })).spec?.replicas).toBe(1)
    await apply(0)
    expect((await apps.readNamespacedDeployment({ namespace, name: 'applied' })).spec?.replicas).toBe(0)
    await objects.delete({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'applied', namespace } })
  })

  it('watches from where a list ended; what leaves a selection is told as deleted', async () => {
    const start = (await core.listNamespacedConfigMap({ namespace })).metadata?.resourceVersion
    const told: string[] = []
    const query = { resourceVersion: start, allowWatchBookmarks: true, timeoutSeconds: 2, labelSelector: 'parity=even' }
    const ended = new Promise<unknown>((resolve) => {
      const tell = (type: string, object: V1ConfigMap): number => told.push(`${type} ${object.metadata?.name ?? ''}`)
      void new Watch(config).watch(`/api/v1/namespaces/${namespace}/configmaps`, query, tell, resolve)
    })
    const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)
    const label = (name: string, parity: string) =>
      core.patchNamespacedConfigMap({ namespace, name, body: { metadata: { labels: { parity } } } }, merge)
    await core.patchNamespacedConfigMap({ namespace, name: 'page-4', body: { data: { w: '1' } } }, merge)
    await label('page-1', 'even')
    await label('page-4', 'odd')
    await core.deleteNamespacedConfigMap({ namespace, name: 'page-6' })
    expect(await ended).toBeNull()
    expect(told).toEqual(['MODIFIED page-4', 'ADDED page-1', 'DELETED page-4', 'DELETED page-6', 'BOOKMARK '])
  })

  it('an informer follows objects through their lives', async () => {
    const seen: string[] = []
    const informer = makeInformer(config, `/api/v1/namespaces/${namespace}/secrets`, () => core.listNamespacedSecret({ namespace }))
    for (const verb of ['add', 'update', 'delete'] as const)
      informer.on(verb, (object) => void seen.push(`${verb} ${object.metadata?.name}`))
    await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'before' }, stringData: { a: 'b' } } })
    await informer.start()
    await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'after' } } })
    const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch)
    await core.patchNamespacedSecret({ namespace, name: 'after', body: { data: { c: 'Yg==' } } }, merge)
    await core.deleteNamespacedSecret({ namespace, name: 'after' })
    await eventually(async () => expect(seen).toEqual(['add before', 'add after', 'update after', 'delete after']), 5_000)
    await informer.stop()
  })

  const exec = async (command: string[], stdin: PassThrough | null = null): Promise<{ out: string; err: string; status: V1Status }> => {
    const out = new Collected()
    const err = new Collected()
    const status = await new Promise<V1Status>((resolve, reject) => {
      new Exec(config).exec(namespace, 'web', 'main', command, out, err, stdin, false, resolve).catch(reject)
    })
    return { out: out.text, err: err.text, status }
  }

  it('runs commands in a container', async () => {
    const { out, err, status } = await exec(['sh', '-c', 'echo out; echo err >&2; exit 3'])
    expect([out, err]).toEqual(['out\n', 'err\n'])
    expect(status).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '3' }] },
    })
  })

  it('sends a command its input', async () => {
    const stdin = new PassThrough()
    const running = exec(['head', '-c', '11'], stdin)
    stdin.write('hello ')
    stdin.write('world')
    expect(await running).toMatchObject({ out: 'hello world', status: { status: 'Success' } })
  })

  it('attaches, and follows logs to where they are left', async () => {
    const socket = await new Attach(config).attach(namespace, 'web', 'main', new Collected(), null, null, false)
    socket.close()
    const logs = new Collected()
    await new Log(config).log(namespace, 'talks', 'main', logs, { follow: true, limitBytes: 50 })
    await eventually(async () => expect(logs.text.length).toBe(50), 5_000)
    expect(logs.text).toMatch(/^line 0\nline 1\n/)
    expect(await core.readNamespacedPodLog({ namespace, name: 'talks', limitBytes: 5 })).toBe('line ')
  })

  it('copies files from a container and into it', async () => {
    const copy = new Cp(config)
    const local = mkdtempSync(join(cluster.folder, 'copied-'))
    await copy.cpFromPod(namespace, 'web', 'main', 'index.cgi', local, '/www/cgi-bin')
    await eventually(async () => expect(readFileSync(join(local, 'index.cgi'), 'utf8')).toContain('hostname'), 5_000)
    writeFileSync(join(local, 'greeting'), 'hello\n')
    await copy.cpToPod(namespace, 'web', 'main', local, '/tmp')
    await eventually(async () => expect((await exec(['cat', '/tmp/greeting'])).out).toBe('hello\n'), 5_000)
  })

  it('forwards a port', async () => {
    const forward = new PortForward(config)
    const server = createServer((socket) => void forward.portForward(namespace, 'web', [8080], socket, null, socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const answered = new Promise<string>((resolve) => {
      let text = ''
      socket.on('data', (part) => {
        text += part.toString()
        if (text.includes('\nweb')) resolve(text)
      })
    })
    socket.write('GET /cgi-bin/index.cgi HTTP/1.0\r\n\r\n')
    expect(await answered).toContain('200 OK')
    socket.destroy()
    server.close()
  })
})
