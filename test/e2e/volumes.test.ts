import type { V1Volume, V1VolumeMount } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'
import { type Main, PodOutcomes, sh } from './harness/pod-outcomes.ts'

const image = 'test.local/busybox:1'
const namespace = 'default'
let cluster: TestCluster
let pods: PodOutcomes

beforeAll(async () => {
  cluster = await TestCluster.start('volumes')
  await cluster.importBusybox(image)
  pods = new PodOutcomes(cluster, image)
  const data = { 'data-1': 'value-1', 'data-2': 'value-2' }
  await pods.core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'all' }, data, binaryData: { bytes: '3q2+7w==' } } })
  await pods.core.createNamespacedSecret({ namespace, body: { metadata: { name: 'all' }, stringData: data } })
  await cluster.must(['create', 'namespace', 'other'])
  await cluster.must(['-n', 'other', 'create', 'secret', 'generic', 'all', '--from-literal=data-1=of another namespace'])
})
afterAll(() => cluster?.remove())

const mount = (name: string, mountPath = `/etc/${name}`, more: Partial<V1VolumeMount> = {}): V1VolumeMount => ({ name, mountPath, ...more })
const permissions = (path: string): string => `stat -Lc '%a %u:%g' ${path}`
const item = (mode?: number) => [{ key: 'data-1', path: 'path/to/data', ...(mode === undefined ? {} : { mode }) }]

/** The same of a ConfigMap and a Secret, alone and projected. */
const kinds: [string, (more: object) => Omit<V1Volume, 'name'>][] = [
  ['configmap', (more) => ({ configMap: { name: 'all', ...more } })],
  ['secret', (more) => ({ secret: { secretName: 'all', ...more } })],
  [
    'projected-configmap',
    ({ defaultMode, ...more }: { defaultMode?: number }) => projected({ configMap: { name: 'all', ...more } }, defaultMode),
  ],
  [
    'projected-secret',
    ({ defaultMode, ...more }: { defaultMode?: number }) => projected({ secret: { name: 'all', ...more } }, defaultMode),
  ],
]
const projected = (source: object, defaultMode?: number): Omit<V1Volume, 'name'> => ({
  projected: { sources: [source], ...(defaultMode === undefined ? {} : { defaultMode }) },
})

describe.concurrent.each(kinds)('files of a %s', (kind, source) => {
  it('have content, mode and owner as asked for, in as many places as they are mounted', async () => {
    const ways: [string, object, string, string][] = [
      ['plain', {}, 'data-1', '644 0:0'],
      ['mode', { defaultMode: 0o400 }, 'data-1', '400 0:0'],
      ['mapped', { items: item() }, 'path/to/data', '644 0:0'],
      ['mapped-mode', { items: item(0o400) }, 'path/to/data', '400 0:0'],
    ]
    const volumes = ways.map(([name, more]) => ({ name, ...source(more) }))
    const script = ways.map(([name, , path]) => `cat /etc/${name}/${path}; echo; ${permissions(`/etc/${name}/${path}`)}`)
    const volumeMounts = ways.map(([name]) => mount(name))
    const wanted = ways.map(([, , , mode]) => `value-1\n${mode}\n`).join('')
    expect(await pods.says(kind, sh(script.join('; '), { volumeMounts }), { volumes })).toBe(wanted)
  })

  it('are read by whom the pod runs as or belongs to, and written by nobody', async () => {
    const ways: [string, object, string, string][] = [
      ['plain', {}, 'data-1', '644 0:1001'],
      ['mapped', { items: item() }, 'path/to/data', '644 0:1001'],
      ['mode', { defaultMode: 0o440 }, 'data-1', '440 0:1001'],
    ]
    const volumes = ways.map(([name, more]) => ({ name, ...source(more) }))
    const script = ways.map(([name, , path]) => `cat /etc/${name}/${path}; echo; ${permissions(`/etc/${name}/${path}`)}`)
    const volumeMounts = ways.map(([name]) => mount(name))
    const wanted = ways.map(([, , , mode]) => `value-1\n${mode}\n`).join('')
    const rest = { volumes, securityContext: { runAsUser: 1000, fsGroup: 1001 } }
    expect(await pods.says(`${kind}-nobody`, sh(script.join('; '), { volumeMounts }), rest)).toBe(wanted)
    const { log } = await pods.outcome(`${kind}-written`, sh('echo x > /etc/plain/new', { volumeMounts }), { volumes })
    expect(log).toContain('Read-only file system')
  })
})

describe.concurrent('files that follow their object', () => {
  it.each(['configmap', 'secret', 'projected-configmap', 'projected-secret'])(
    'of a %s: created, changed and deleted while it is optional',
    async (kind) => {
      const isSecret = kind.endsWith('secret')
      const object = (name: string, data: Record<string, string>) =>
        isSecret
          ? pods.core.createNamespacedSecret({ namespace, body: { metadata: { name }, stringData: data } })
          : pods.core.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data } })
      const names = { made: `${kind}-made`, changed: `${kind}-changed`, deleted: `${kind}-deleted` }
      await object(names.changed, { key: 'first' })
      await object(names.deleted, { key: 'first' })
      const source = (name: string): Omit<V1Volume, 'name'> => {
        if (kind === 'secret') return { secret: { secretName: name, optional: true } }
        if (kind === 'configmap') return { configMap: { name, optional: true } }
        return projected(isSecret ? { secret: { name, optional: true } } : { configMap: { name, optional: true } })
      }
      const volumes = Object.entries(names).map(([name, of]) => ({ name, ...source(of) }))
      const script = "trap 'exit 0' TERM; while :; do echo $(cd /etc; cat made/key changed/key deleted/key 2>&1); sleep 0.2; done"
      await pods.create(`${kind}-follows`, sh(script, { volumeMounts: [mount('made'), mount('changed'), mount('deleted')] }), { volumes })
      await pods.ready(`${kind}-follows`)
      const last = async () => await pods.core.readNamespacedPodLog({ namespace, name: `${kind}-follows`, tailLines: 1 })
      await eventually(async () => expect(await last()).toBe("cat: can't open 'made/key': No such file or directory firstfirst\n"))
      await object(names.made, { key: 'new' })
      const body = isSecret ? { stringData: { key: 'second' } } : { data: { key: 'second' } }
      await cluster.must(['patch', isSecret ? 'secret' : 'configmap', names.changed, '-p', JSON.stringify(body)])
      await cluster.must(['delete', isSecret ? 'secret' : 'configmap', names.deleted])
      await eventually(async () => expect(await last()).toBe("newsecondcat: can't open 'deleted/key': No such file or directory\n"))
    },
  )

  it('of the pod itself: its labels and annotations, alone and projected', async () => {
    const items = ['labels', 'annotations'].map((path) => ({ path, fieldRef: { fieldPath: `metadata.${path}` } }))
    const volumes = [
      { name: 'info', downwardAPI: { items } },
      { name: 'also', ...projected({ downwardAPI: { items } }) },
    ]
    const script = "trap 'exit 0' TERM; while :; do echo $(cat /etc/info/labels /etc/also/annotations); sleep 0.2; done"
    await pods.create('describes-itself', sh(script, { volumeMounts: [mount('info'), mount('also')] }), {
      ...{ volumes, metadata: { labels: { key: 'value' }, annotations: { builder: 'bar' } } },
    })
    await pods.ready('describes-itself')
    const last = async () => await pods.core.readNamespacedPodLog({ namespace, name: 'describes-itself', tailLines: 1 })
    await eventually(async () => expect(await last()).toContain('key="value"builder="bar"'))
    await cluster.must(['label', 'pod', 'describes-itself', 'key2=value2'])
    await cluster.must(['annotate', '--overwrite', 'pod', 'describes-itself', 'builder=foo'])
    await eventually(async () => expect(await last()).toContain('key="value" key2="value2"builder="foo"'))
  })
})

describe.concurrent('files of other volumes', () => {
  it('a pod reads of its own namespace; bytes are bytes', async () => {
    const volumes = [
      { name: 'map', configMap: { name: 'all' } },
      { name: 'key', secret: { secretName: 'all' } },
    ]
    const script = 'cat /etc/key/data-1; hexdump -C /etc/map/bytes | head -1'
    const log = await pods.says('own-namespace', sh(script, { volumeMounts: [mount('map'), mount('key')] }), { volumes })
    expect(log).toMatch(/^value-100000000 {2}de ad be ef/)
  })

  it('the downward API tells name and shares, with modes', async () => {
    const share = (path: string, resource: string) => ({ path, resourceFieldRef: { containerName: 'main', resource } })
    const items = [
      { path: 'name', fieldRef: { fieldPath: 'metadata.name' } },
      { path: 'uid', mode: 0o400, fieldRef: { fieldPath: 'metadata.uid' } },
      ...[share('cpu', 'limits.cpu'), share('memory', 'limits.memory'), share('ask', 'requests.cpu'), share('want', 'requests.memory')],
    ]
    const volumes = [{ name: 'info', downwardAPI: { items, defaultMode: 0o440 } }]
    const script = `cd /etc/info; for f in name cpu memory ask want; do cat $f; echo; done; ${permissions('name')}; ${permissions('uid')}`
    const given = { requests: { cpu: '250m', memory: '32Mi' }, limits: { cpu: '1250m', memory: '64Mi' } }
    const lines = ['downward-files', '2', '67108864', '1', '33554432', '440 0:0', '400 0:0', '']
    expect(await pods.says('downward-files', sh(script, { volumeMounts: [mount('info')], resources: given }), { volumes })).toBe(
      lines.join('\n'),
    )
    const { items: nodes } = await pods.core.listNode()
    const whole = await pods.says('downward-node', sh('cat /etc/info/cpu', { volumeMounts: [mount('info')] }), { volumes })
    expect(whole).toBe(String(Math.ceil(Number(nodes[0]?.status?.allocatable?.cpu))))
  })

  it('all projections in one folder', async () => {
    const sources = [
      { secret: { name: 'all', items: [{ key: 'data-1', path: 'secret' }] } },
      { configMap: { name: 'all', items: [{ key: 'data-2', path: 'map' }] } },
      { downwardAPI: { items: [{ path: 'podname', fieldRef: { fieldPath: 'metadata.name' } }] } },
    ]
    const main = sh('cat /etc/all/podname /etc/all/secret /etc/all/map', { volumeMounts: [mount('all')] })
    expect(await pods.says('projected-all', main, { volumes: [{ name: 'all', projected: { sources } }] })).toBe(
      'projected-allvalue-1value-2',
    )
  })

  const emptyDirs = ['', 'Memory'].flatMap((medium) => [0, 1001].map((user) => [medium, user] as const))
  it.each(emptyDirs)('emptyDir (medium %j) as user %i: anybody may write, with any mode', async (medium, user) => {
    const modes = ['0644', '0666', '0777']
    const each = modes.map((mode) => `echo mount-tester > f${mode}; chmod ${mode} f${mode}; cat f${mode}; ${permissions(`f${mode}`)}`)
    const script = `cd /test-volume; stat -c '%a' .; ${each.join('; ')}; grep ' /test-volume ' /proc/mounts | cut -d' ' -f3`
    const name = `empty-${medium.toLowerCase() || 'disk'}-${user}`
    const log = await pods.says(name, sh(script, { volumeMounts: [mount('e', '/test-volume')] }), {
      ...{ volumes: [{ name: 'e', emptyDir: { medium } }], securityContext: { runAsUser: user } },
    })
    const lines = log.trim().split('\n')
    expect(lines.slice(0, -1)).toEqual(['777', ...modes.flatMap((mode) => ['mount-tester', `${mode.slice(1)} ${user}:0`])])
    if (medium) expect(lines.at(-1)).toBe('tmpfs')
    else expect(lines.at(-1)).not.toBe('tmpfs')
  })

  it('an emptyDir is shared by the containers of a pod; many volumes do not get into one another’s way', async () => {
    const volumes = Array.from({ length: 30 }, (_, at) => ({
      name: `v${at}`,
      ...(at % 2 ? { configMap: { name: 'all' } } : { secret: { secretName: 'all' } }),
    }))
    const volumeMounts = [mount('shared', '/shared'), ...volumes.map(({ name }) => mount(name, `/many/${name}`))]
    const script = 'while ! [ -e /shared/f ]; do sleep 0.1; done; cat /shared/f; ls /many | wc -l; cat /many/v29/data-1'
    const writer = { name: 'init', image, command: ['sh', '-c', 'echo hello > /shared/f'], volumeMounts: [mount('shared', '/shared')] }
    const rest = { volumes: [{ name: 'shared', emptyDir: {} }, ...volumes], initContainers: [writer] }
    expect(await pods.says('shares', sh(script, { volumeMounts }), rest)).toBe('hello\n30\nvalue-1')
  })
})

describe.concurrent('a part of a volume', () => {
  const volumes: V1Volume[] = [
    { name: 'map', configMap: { name: 'all' } },
    { name: 'key', secret: { secretName: 'all', items: [{ key: 'data-1', path: 'sub/file' }] } },
    { name: 'info', downwardAPI: { items: [{ path: 'sub/name', fieldRef: { fieldPath: 'metadata.name' } }] } },
    { name: 'all', ...projected({ configMap: { name: 'all' } }) },
    { name: 'work', emptyDir: {} },
  ]

  it('is a file or folder of any volume of files, also in place of a file of the image', async () => {
    const volumeMounts = [
      mount('map', '/one', { subPath: 'data-1' }),
      mount('map', '/etc/passwd', { subPath: 'data-2' }),
      mount('key', '/two', { subPath: 'sub' }),
      mount('info', '/three', { subPath: 'sub' }),
      mount('all', '/four', { subPath: 'data-2' }),
      mount('work', '/five', { subPath: 'made/for/it' }),
      mount('work', '/whole'),
    ]
    const script = 'cat /one /etc/passwd /two/file /three/name /four; touch /five/x; ls /whole/made/for/it'
    expect(await pods.says('sub-paths', sh(script, { volumeMounts }), { volumes })).toBe('value-1value-2value-1sub-pathsvalue-2x\n')
  })

  const env = [
    { name: 'POD_NAME', value: 'foo' },
    { name: 'ANNOTATION', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['mysubpath']" } } },
  ]
  const withWork = (subPathExpr: string, main: Main): Main => ({
    ...{ ...main, env, volumeMounts: [mount('work', '/subpath_mount', { subPathExpr }), mount('work', '/volume_mount')] },
  })

  it('may be named by variables', async () => {
    const script = 'touch /volume_mount/mypath/foo/test.log; test -f /subpath_mount/test.log && echo there'
    const rest = { volumes, metadata: { annotations: { mysubpath: 'mypath' } } }
    expect(await pods.says('sub-path-variables', withWork('$(ANNOTATION)/$(POD_NAME)', sh(script)), rest)).toBe('there\n')
  })

  it.each([
    ['back-ticks', '..', 'must not contain back-steps'],
    ['absolute', '/tmp', 'must stay inside'],
    ['missing', '$(NOBODY)', 'missing value for "NOBODY"'],
  ])('that leads out of its volume or is unknown keeps the container from starting: %s', async (name, value) => {
    const main = { ...withWork('$(HERE)', sh('true')), env: [{ name: 'HERE', value }] }
    const unknown = { ...withWork(value, sh('true')) }
    await pods.create(`sub-path-${name}`, name === 'missing' ? unknown : main, { volumes })
    await pods.until(
      `sub-path-${name}`,
      ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError',
    )
  })

  it('that cannot be named yet is mounted once its variable has a value', async () => {
    const main = withWork('$(ANNOTATION)/$(POD_NAME)', sh("trap 'exit 0' TERM; while :; do sleep 0.1; done"))
    await pods.create('sub-path-later', main, { volumes, metadata: { annotations: { notmysubpath: 'mypath' } } })
    const failing = 'CreateContainerConfigError'
    await pods.until('sub-path-later', ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.reason === failing)
    await cluster.must(['annotate', 'pod', 'sub-path-later', 'mysubpath=mypath'])
    await pods.until('sub-path-later', ({ status }) => status?.phase === 'Running')
    await pods.core.deleteNamespacedPod({ namespace, name: 'sub-path-later' })
  })
})
