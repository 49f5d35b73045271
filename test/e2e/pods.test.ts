import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KubeConfig, type V1EnvVar, type V1Pod, Watch } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'
import { PodOutcomes, sh } from './harness/pod-outcomes.ts'

const image = 'test.local/busybox:1'
const newer = 'test.local/busybox:2'
/** Its entry point and its arguments are its own. */
const speaker = 'test.local/speaker:1'
let cluster: TestCluster
let pods: PodOutcomes

beforeAll(async () => {
  cluster = await TestCluster.start('pods')
  await cluster.importBusybox(image)
  await cluster.importBusybox(newer)
  const root = join(cluster.folder, 'image-speaker')
  mkdirSync(root, { recursive: true })
  writeFileSync(join(root, 'image.json'), JSON.stringify({ base: 'busybox', entrypoint: ['echo', 'entry'], cmd: ['default', 'arguments'] }))
  const built = await cluster.ownkube('image build', root, '--tag', speaker)
  expect(built).toMatchObject({ code: 0 })
  pods = new PodOutcomes(cluster, image)
})
afterAll(() => cluster?.remove())

const env = (values: Record<string, string>): V1EnvVar[] => Object.entries(values).map(([name, value]) => ({ name, value }))

describe.concurrent('what a container runs', () => {
  it.each([
    ['image-defaults', {}, 'entry default arguments'],
    ['own-arguments', { args: ['other', 'words'] }, 'entry other words'],
    ['own-command', { command: ['echo', 'mine'] }, 'mine'],
    ['own-both', { command: ['echo', 'mine'], args: ['too'] }, 'mine too'],
  ])('%s', async (name, own, said) => {
    expect(await pods.says(name, { image: speaker, ...own })).toBe(`${said}\n`)
  })

  it('variables are put into variables, commands and arguments', async () => {
    const variables = env({ FOO: 'foo-value', BAR: 'bar-value', FOOBAR: '$(FOO);;$(BAR)', ESCAPED: '$$(FOO)', UNKNOWN: '$(NOBODY)' })
    const log = await pods.says('expands', { command: ['sh', '-c', 'FOO=wrong; echo "$(FOO)"; echo "$0"; env', '$(BAR)'], env: variables })
    expect(log.split('\n')).toEqual(
      expect.arrayContaining(['foo-value', 'bar-value', 'FOOBAR=foo-value;;bar-value', 'ESCAPED=$(FOO)', 'UNKNOWN=$(NOBODY)']),
    )
  })
})

describe.concurrent('what a container finds in its environment', () => {
  it('Services that were there before it', async () => {
    await pods.core.createNamespacedService({
      namespace: 'default',
      body: { metadata: { name: 'fooservice' }, spec: { ports: [{ port: 8765, targetPort: 8080 }], selector: { name: 'nobody' } } },
    })
    const { spec } = await pods.core.readNamespacedService({ namespace: 'default', name: 'fooservice' })
    const log = await pods.says('services', sh('env'))
    const address = spec?.clusterIP
    expect(log.split('\n')).toEqual(
      expect.arrayContaining([
        `FOOSERVICE_SERVICE_HOST=${address}`,
        'FOOSERVICE_SERVICE_PORT=8765',
        `FOOSERVICE_PORT=tcp://${address}:8765`,
        `FOOSERVICE_PORT_8765_TCP=tcp://${address}:8765`,
        'FOOSERVICE_PORT_8765_TCP_PORT=8765',
        'FOOSERVICE_PORT_8765_TCP_PROTO=tcp',
        `FOOSERVICE_PORT_8765_TCP_ADDR=${address}`,
      ]),
    )
  })

  it('keys of ConfigMaps and Secrets, one by one and all with a prefix; what is optional may be missing', async () => {
    const data = { data_1: 'value-1', data_2: 'value-2' }
    await pods.core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'env' }, data } })
    await pods.core.createNamespacedSecret({ namespace: 'default', body: { metadata: { name: 'env' }, stringData: data } })
    const log = await pods.says('keys', {
      command: ['env'], // a shell passes on no name that it could not use itself
      env: [
        { name: 'FROM_MAP', valueFrom: { configMapKeyRef: { name: 'env', key: 'data_1' } } },
        { name: 'FROM_SECRET', valueFrom: { secretKeyRef: { name: 'env', key: 'data_2' } } },
        { name: 'NOT_THERE', valueFrom: { secretKeyRef: { name: 'none', key: 'a', optional: true } } },
      ],
      envFrom: [
        { configMapRef: { name: 'env' } },
        { prefix: 'p-', configMapRef: { name: 'env' } },
        { prefix: 's-', secretRef: { name: 'env' } },
        { configMapRef: { name: 'none', optional: true } },
      ],
    })
    const lines = ['FROM_MAP=value-1', 'FROM_SECRET=value-2', 'data_1=value-1', 'data_2=value-2', 'p-data_1=value-1', 's-data_2=value-2']
    expect(log.split('\n')).toEqual(expect.arrayContaining(lines))
    expect(log).not.toContain('NOT_THERE')
  })

  it('the pod it is in, and its share of the node', async () => {
    const field = (name: string, fieldPath: string): V1EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } })
    const share = (name: string, resource: string, divisor?: string): V1EnvVar => ({
      ...{ name, valueFrom: { resourceFieldRef: { resource, ...(divisor ? { divisor } : {}) } } },
    })
    const fields = [
      field('NAME', 'metadata.name'),
      field('NAMESPACE', 'metadata.namespace'),
      field('UID', 'metadata.uid'),
      field('IP', 'status.podIP'),
      field('HOST', 'status.hostIP'),
      field('HOSTS', 'status.hostIPs'),
      field('NODE', 'spec.nodeName'),
      field('ACCOUNT', 'spec.serviceAccountName'),
      field('LABEL', "metadata.labels['name']"),
    ]
    const shares = [
      ...[share('CPU_LIMIT', 'limits.cpu'), share('MEMORY_LIMIT', 'limits.memory')],
      ...[share('CPU_REQUEST', 'requests.cpu', '1m'), share('MEMORY_REQUEST', 'requests.memory', '1Mi')],
    ]
    const given = { requests: { cpu: '250m', memory: '32Mi' }, limits: { cpu: '1250m', memory: '64Mi' } }
    const { log, pod } = await pods.outcome('downward', { ...sh('env'), env: [...fields, ...shares], resources: given })
    expect(log.split('\n')).toEqual(
      expect.arrayContaining([
        ...['NAME=downward', 'NAMESPACE=default', `UID=${pod.metadata?.uid}`, `IP=${pod.status?.podIP}`],
        ...[`HOST=${pod.status?.hostIP}`, `HOSTS=${pod.status?.hostIPs?.map(({ ip }) => ip).join(',')}`],
        ...[`NODE=${pod.spec?.nodeName}`, 'ACCOUNT=default', 'LABEL=downward'],
        ...['CPU_LIMIT=2', 'MEMORY_LIMIT=67108864', 'CPU_REQUEST=250', 'MEMORY_REQUEST=32'],
      ]),
    )
    const { items } = await pods.core.listNode()
    const log2 = await pods.says('whole-node', { ...sh('env'), env: shares })
    expect(log2).toContain(`CPU_LIMIT=${Math.ceil(Number(items[0]?.status?.allocatable?.cpu))}\n`)
    expect(Number(/MEMORY_LIMIT=(\d+)/.exec(log2)?.[1])).toBeGreaterThan(1e8)
  })
})

describe.concurrent('as whom a container runs', () => {
  it.each([
    ['uid-65534', { runAsUser: 65534 }, {}, 'uid=65534 '],
    ['ids-of-the-pod', {}, { runAsUser: 1001, runAsGroup: 2002 }, 'uid=1001 gid=2002 '],
    ['ids-of-its-own', { runAsUser: 1001, runAsGroup: 2002 }, { runAsUser: 5 }, 'uid=1001 gid=2002 '],
    ['supplemental-groups', {}, { runAsUser: 1001, supplementalGroups: [3003] }, 'groups=0(root),3003'],
  ])('%s', async (name, own, ofPod, said) => {
    const log = await pods.says(name, sh('id', { securityContext: own }), { securityContext: ofPod })
    expect(log.replace(/\((?!root)\w+\)/g, '').replace('gid=0(root)', 'gid=0')).toContain(said)
  })

  it('without privileges, with a root file system to read only, or without a way to gain privileges', async () => {
    const unprivileged = await pods.says(
      'unprivileged',
      sh('ip link add dummy0 type dummy || true', { securityContext: { privileged: false } }),
    )
    expect(unprivileged).toContain('Operation not permitted')
    const { log, pod } = await pods.outcome(
      'read-only',
      sh('echo test > /file; sleep 0.1', { securityContext: { readOnlyRootFilesystem: true } }),
    )
    expect(log).toContain('/file: Read-only file system')
    expect(pod.status?.phase).toBe('Succeeded')
    expect(await pods.says('writable', sh('echo test > /file; cat /file', { securityContext: { readOnlyRootFilesystem: false } }))).toBe(
      'test\n',
    )
    const bound = await pods.says(
      'no-escalation',
      sh('grep NoNewPrivs /proc/self/status', { securityContext: { runAsUser: 1000, allowPrivilegeEscalation: false } }),
    )
    expect(bound).toMatch(/NoNewPrivs:\s+1/)
  })

  it('not as root where that is forbidden', async () => {
    await pods.create('must-not-be-root', sh('id'), { securityContext: { runAsNonRoot: true } })
    const refused = await pods.until('must-not-be-root', ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.message)
    expect(refused.status?.containerStatuses?.[0]?.state?.waiting).toMatchObject({
      reason: 'CreateContainerConfigError',
      message: expect.stringContaining('container has runAsNonRoot and image will run as root'),
    })
    expect(await pods.says('is-not-root', sh('id -u'), { securityContext: { runAsNonRoot: true, runAsUser: 1234 } })).toBe('1234\n')
  })

  it('sysctls of its own; those that reach beyond the pod are refused', async () => {
    const own = { sysctls: [{ name: 'kernel.shm_rmid_forced', value: '1' }] }
    expect(await pods.says('safe-sysctl', sh('sysctl kernel.shm_rmid_forced'), { securityContext: own })).toBe(
      'kernel.shm_rmid_forced = 1\n',
    )
    await pods.create('unsafe-sysctl', sh('true'), { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '65536' }] } })
    const refused = await pods.until('unsafe-sysctl', ({ status }) => status?.phase === 'Failed')
    expect(refused.status).toMatchObject({
      reason: 'SysctlForbidden',
      message: expect.stringContaining('forbidden sysctl: "kernel.msgmax"'),
    })
  })

  it('names in its hosts file: those it asks for, none of the node unless it is on its network or mounts its own', async () => {
    const hostAliases = [{ ip: '123.45.67.89', hostnames: ['foo', 'bar'] }]
    const log = await pods.says('aliases', sh('cat /etc/hosts'), { hostAliases })
    expect(log).toContain('# Kubernetes-managed hosts file.')
    expect(log).toContain('123.45.67.89\tfoo\tbar')
    const volumes = [{ name: 'hosts', hostPath: { path: '/etc/hosts', type: 'File' } }]
    const volumeMounts = [{ name: 'hosts', mountPath: '/etc/hosts' }]
    expect(await pods.says('own-hosts', sh('cat /etc/hosts', { volumeMounts }), { volumes })).not.toContain('Kubernetes-managed')
    const ofNode = await pods.says('host-network', sh('cat /etc/hosts'), { hostNetwork: true })
    expect(ofNode).toContain('# Kubernetes-managed hosts file (host network).')
    expect(ofNode).not.toContain('# Kubernetes-managed hosts file.')
  })

  it('a host name and a resolv.conf of its own', async () => {
    const dnsConfig = { nameservers: ['1.1.1.1'], searches: ['resolv.conf.local'], options: [{ name: 'ndots', value: '2' }] }
    const spec = { dnsPolicy: 'None', dnsConfig, hostname: 'somebody', subdomain: 'somewhere' }
    const log = await pods.says('named', sh('cat /etc/resolv.conf; hostname; hostname -f'), spec)
    expect(log).toContain('nameserver 1.1.1.1')
    expect(log).toContain('search resolv.conf.local')
    expect(log).toContain('options ndots:2')
    expect(log).toContain('\nsomebody\n')
    expect(log).toContain('somebody.somewhere.default.svc.cluster.local')
  })
})

describe.concurrent('what a container leaves', () => {
  const fallsBack = { terminationMessagePolicy: 'FallbackToLogsOnError' }
  const elsewhere = { terminationMessagePath: '/dev/termination-custom-log', securityContext: { runAsUser: 10_000 } }
  it.each([
    ['message', sh('printf DONE > /dev/termination-log', { securityContext: { runAsUser: 0 } }), 'Succeeded', 'DONE'],
    ['message-elsewhere', sh('printf DONE > /dev/termination-custom-log', elsewhere), 'Succeeded', 'DONE'],
    ['message-from-log', sh('printf DONE; /bin/false', fallsBack), 'Failed', 'DONE'],
    ['message-none', sh('printf DONE; /bin/true', fallsBack), 'Succeeded', undefined],
    ['message-over-log', sh('printf OK > /dev/termination-log; echo DONE; true', fallsBack), 'Succeeded', 'OK'],
  ])('%s', async (name, main, phase, message) => {
    const { pod } = await pods.outcome(name, main)
    expect(pod.status?.phase).toBe(phase)
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ reason: phase === 'Failed' ? 'Error' : 'Completed' })
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated?.message).toBe(message)
  })

  const untilThird = 'echo x >> /count/f; n=$(wc -l < /count/f); [ $n = 1 ] && exit 1; [ $n = 2 ] && exit 0; while :; do sleep 0.1; done'
  it.each([
    ['Always', 'Running', 2, true, 'running'],
    ['OnFailure', 'Succeeded', 1, false, 'terminated'],
    ['Never', 'Failed', 0, false, 'terminated'],
  ])('restartPolicy %s: %s after %i restarts', async (restartPolicy, phase, restarts, ready, state) => {
    const name = `restart-${restartPolicy.toLowerCase()}`
    await pods.create(name, sh(untilThird, { volumeMounts: [{ name: 'count', mountPath: '/count' }] }), {
      ...{ restartPolicy, volumes: [{ name: 'count', emptyDir: { medium: 'Memory' } }] },
    })
    const pod = await pods.until(name, ({ status }) => {
      const one = status?.containerStatuses?.[0]
      return status?.phase === phase && one?.restartCount === restarts && one.state?.[state as 'running']
    })
    expect(pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe(ready ? 'True' : 'False')
    await pods.core.deleteNamespacedPod({ namespace: 'default', name })
  })
})

describe.concurrent('init containers', () => {
  const inits = (...commands: string[]) => commands.map((command, at) => ({ name: `init${at + 1}`, image, command: [`/bin/${command}`] }))
  const initialized = { type: 'Initialized' }

  it.each(['Never', 'Always'])('restartPolicy %s: all end well, then the others begin', async (restartPolicy) => {
    const name = `inits-${restartPolicy.toLowerCase()}`
    await pods.create(name, sh(restartPolicy === 'Never' ? 'true' : 'while :; do sleep 0.1; done'), {
      ...{ restartPolicy, initContainers: inits('true', 'true') },
    })
    const wanted = restartPolicy === 'Never' ? 'Succeeded' : 'Running'
    const { status } = await pods.until(name, ({ status }) => status?.phase === wanted)
    expect(status?.initContainerStatuses).toMatchObject([
      { ready: true, state: { terminated: { exitCode: 0, reason: 'Completed' } } },
      { ready: true, state: { terminated: { exitCode: 0, reason: 'Completed' } } },
    ])
    expect(status?.conditions).toContainEqual(expect.objectContaining({ ...initialized, status: 'True' }))
    await pods.core.deleteNamespacedPod({ namespace: 'default', name })
  })

  it('one that keeps failing is run again and holds all others back', async () => {
    await pods.create('init-fails', sh('true'), { restartPolicy: 'Always', initContainers: inits('false', 'true') })
    const seen: (string | undefined)[] = []
    const { status } = await pods.until('init-fails', ({ status }) => {
      if (status?.initContainerStatuses?.length) {
        seen.push(status.containerStatuses?.[0]?.state?.waiting?.reason, status.initContainerStatuses[1]?.state?.waiting?.reason)
      }
      return (status?.initContainerStatuses?.[0]?.restartCount ?? 0) >= 1 && status?.initContainerStatuses?.[0]?.lastState?.terminated
    })
    expect(new Set(seen)).toEqual(new Set(['PodInitializing']))
    expect(status?.phase).toBe('Pending')
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({
        ...initialized,
        status: 'False',
        reason: 'ContainersNotInitialized',
        message: 'containers with incomplete status: [init1 init2]',
      }),
    )
    await pods.core.deleteNamespacedPod({ namespace: 'default', name: 'init-fails' })
  })

  it('one that fails where nothing is run again fails its pod', async () => {
    await pods.create('init-failed', sh('true'), { initContainers: inits('true', 'false') })
    const { status } = await pods.until('init-failed', ({ status }) => status?.phase === 'Failed')
    expect(status?.initContainerStatuses).toMatchObject([
      { ready: true, state: { terminated: { exitCode: 0 } } },
      { ready: false, state: { terminated: { exitCode: 1, reason: 'Error' } } },
    ])
    expect(status?.containerStatuses?.[0]).toMatchObject({ restartCount: 0, state: { waiting: { reason: 'PodInitializing' } } })
    expect(status?.conditions).toContainEqual(
      expect.objectContaining({ ...initialized, status: 'False', message: 'containers with incomplete status: [init2]' }),
    )
  })
})

const forever = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
const namespace = 'default'

/** What a watch of the pods with this label tells, as it comes. */
async function watched(labelSelector: string): Promise<{ events: { type: string; pod: V1Pod }[]; stop: () => void }> {
  const config = new KubeConfig()
  config.loadFromFile(cluster.kubeconfig)
  const events: { type: string; pod: V1Pod }[] = []
  const { metadata, items } = await pods.core.listNamespacedPod({ namespace, labelSelector })
  expect(items).toEqual([])
  const query = { labelSelector, resourceVersion: metadata?.resourceVersion }
  const watching = await new Watch(config).watch(
    `/api/v1/namespaces/${namespace}/pods`,
    query,
    (type, pod: V1Pod) => events.push({ type, pod }),
    () => undefined,
  )
  return { events, stop: () => watching.abort() }
}

describe.concurrent('a pod through its life', () => {
  it('is told to a watch from its creation to its graceful end', async () => {
    const { events, stop } = await watched('name=watched')
    await pods.create('watched', sh(forever))
    const running = await pods.until('watched', ({ status }) => status?.phase === 'Running')
    expect(running.status).toMatchObject({ hostIP: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/), qosClass: 'BestEffort' })
    await pods.core.deleteNamespacedPod({ namespace, name: 'watched', gracePeriodSeconds: 30 })
    await eventually(async () => expect(events.at(-1)?.type).toBe('DELETED'))
    stop()
    expect(events[0]?.type).toBe('ADDED')
    expect(events.map(({ pod }) => pod.status?.phase)).toContain('Running')
    const { metadata, spec } = events.at(-1)?.pod ?? {}
    expect(metadata?.deletionTimestamp).toBeDefined()
    expect(spec?.terminationGracePeriodSeconds).toBe(1)
    expect(events.map(({ pod }) => pod.metadata?.deletionGracePeriodSeconds)).toContain(30)
    expect((await pods.core.listNamespacedPod({ namespace, labelSelector: 'name=watched' })).items).toEqual([])
  })

  it('is given another label, image and status, and goes with all others of its label', async () => {
    await pods.create('changes', sh(forever), { restartPolicy: 'Always', metadata: { labels: { set: 'changing' } } })
    await pods.ready('changes')
    const change = { metadata: { labels: { changed: 'yes' } }, spec: { containers: [{ name: 'main', image: newer }] } }
    await cluster.must(['patch', 'pod', 'changes', '-p', JSON.stringify(change)])
    const changed = await pods.until('changes', ({ status }) => status?.containerStatuses?.[0]?.restartCount === 1)
    expect(changed.spec?.containers[0]?.image).toBe(newer)
    expect(changed.metadata?.labels).toEqual({ set: 'changing', changed: 'yes' })
    await pods.ready('changes')
    // Of a status only what others say of it stays: the kubelet puts its own conditions right again.
    await eventually(async () => {
      const read = await pods.core.readNamespacedPodStatus({ namespace, name: 'changes' })
      const conditions = (read.status?.conditions ?? []).map((one) => (/Ready$/.test(one.type) ? { ...one, status: 'False' } : one))
      const written = await pods.core.replaceNamespacedPodStatus({
        namespace,
        name: 'changes',
        body: { ...read, status: { ...read.status, conditions } },
      })
      const told = (written.status?.conditions ?? []).filter(({ type }) => /Ready$/.test(type))
      expect(told.map(({ type, status }) => `${type} ${status}`).sort()).toEqual(['ContainersReady False', 'Ready False'])
    })
    const patch = { metadata: { annotations: { patchedstatus: 'true' } }, status: { message: 'Patched by a test', reason: 'E2E' } }
    await cluster.must(['patch', 'pod', 'changes', '--subresource=status', '-p', JSON.stringify(patch)])
    await pods.ready('changes')
    await pods.core.deleteCollectionNamespacedPod({ namespace, labelSelector: 'set=changing', gracePeriodSeconds: 1 })
    await eventually(async () =>
      expect((await pods.core.listNamespacedPod({ namespace, labelSelector: 'set=changing' })).items).toEqual([]),
    )
  })

  it('ends when a deadline that it is given has passed', async () => {
    await pods.create('deadline', sh(forever))
    await pods.ready('deadline')
    await cluster.must(['patch', 'pod', 'deadline', '-p', '{"spec":{"activeDeadlineSeconds":1}}'])
    const { status } = await pods.until('deadline', ({ status }) => status?.phase === 'Failed')
    expect(status).toMatchObject({ reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' })
  })

  it('is run by the handler of its RuntimeClass, and by no other', async () => {
    const runtimeClass = (name: string, handler: string): string =>
      JSON.stringify({ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name }, handler })
    await cluster.apply(runtimeClass('plain', 'runc'))
    await cluster.apply(runtimeClass('unknown', 'no-such-handler'))
    expect(await pods.says('handled', sh('echo ran'), { runtimeClassName: 'plain' })).toBe('ran\n')
    await pods.create('unhandled', sh('echo ran'), { runtimeClassName: 'unknown' })
    await eventually(async () => {
      const fieldSelector = 'involvedObject.kind=Pod,involvedObject.name=unhandled,reason=FailedCreatePodSandBox'
      const { items } = await pods.core.listNamespacedEvent({ namespace, fieldSelector })
      expect(items[0]?.message).toContain('no runtime for "no-such-handler" is configured')
    })
    expect((await pods.core.readNamespacedPod({ namespace, name: 'unhandled' })).status?.phase).toBe('Pending')
    await pods.core.deleteNamespacedPod({ namespace, name: 'unhandled', gracePeriodSeconds: 0 })
    await cluster.must(['delete', 'runtimeclass', 'plain'])
    await expect(pods.create('too-late', sh('true'), { runtimeClassName: 'plain' })).rejects.toMatchObject({ code: 403 })
  })

  it('is ready when its gates are open as well', async () => {
    const gates = ['test.local/one', 'test.local/two']
    await pods.create('gated', sh(forever), { readinessGates: gates.map((conditionType) => ({ conditionType })) })
    const says = (type: string, status: string) =>
      cluster.must(['patch', 'pod', 'gated', '--subresource=status', '-p', JSON.stringify({ status: { conditions: [{ type, status }] } })])
    const condition = async (type: string) =>
      (await pods.core.readNamespacedPod({ namespace, name: 'gated' })).status?.conditions?.find((one) => one.type === type)
    await eventually(async () => expect(await condition('ContainersReady')).toMatchObject({ status: 'True' }))
    await says(gates[0] as string, 'True')
    expect(await condition('Ready')).toMatchObject({ status: 'False', reason: 'ReadinessGatesNotReady' })
    await says(gates[1] as string, 'True')
    await eventually(async () => expect(await condition('Ready')).toMatchObject({ status: 'True' }))
    await says(gates[0] as string, 'False')
    await eventually(async () => expect(await condition('Ready')).toMatchObject({ status: 'False' }))
  })

  it('can be deleted when it always fails', async () => {
    await pods.create('always-fails', { command: ['/bin/false'] }, { restartPolicy: 'Always' })
    const { status } = await pods.until('always-fails', ({ status }) => {
      const { state, lastState } = status?.containerStatuses?.[0] ?? {}
      return state?.terminated ?? lastState?.terminated
    })
    expect(status?.containerStatuses).toHaveLength(1)
    const { state, lastState } = status?.containerStatuses?.[0] ?? {}
    expect(state?.terminated ?? lastState?.terminated).toMatchObject({ exitCode: 1, reason: 'Error' })
    await cluster.must(['delete', 'pod', 'always-fails', '--timeout=20s'])
  })
})

describe.concurrent('probes', () => {
  const server = 'mkdir -p /www; echo ok > /www/healthz; httpd -f -p 8080 -h /www & '
  const often = { periodSeconds: 1, failureThreshold: 1 }

  it('restart a container that answers no more, and leave alone one that does', async () => {
    const http = { httpGet: { path: '/healthz', port: 8080 }, ...often }
    const file = { exec: { command: ['cat', '/tmp/health'] }, ...often, initialDelaySeconds: 1 }
    const tcp = { tcpSocket: { port: 8080 }, ...often }
    const kinds: [string, string, object][] = [
      ['http-fails', `${server} sleep 2; rm /www/healthz; ${forever}`, http],
      ['exec-fails', `touch /tmp/health; sleep 2; rm /tmp/health; ${forever}`, file],
      ['http-holds', `${server} ${forever}`, http],
      ['exec-holds', `touch /tmp/health; ${forever}`, file],
      ['tcp-holds', `${server} sleep 2; rm /www/healthz; ${forever}`, tcp],
    ]
    const restartPolicy = 'Always'
    for (const [name, script, livenessProbe] of kinds) await pods.create(name, sh(script, { livenessProbe }), { restartPolicy })
    const restarts = (count: number) => (pod: V1Pod) => (pod.status?.containerStatuses?.[0]?.restartCount ?? 0) >= count
    for (const [name] of kinds.slice(0, 2)) await pods.until(name, restarts(1))
    for (const [name] of kinds.slice(2)) expect((await pods.ready(name)).status?.containerStatuses?.[0]?.restartCount).toBe(0)
  })

  it('of readiness hold a pod back without restarting it', async () => {
    const never = { exec: { command: ['/bin/false'] }, ...often }
    const late = { exec: { command: ['/bin/true'] }, ...often, initialDelaySeconds: 3 }
    await pods.create('never-ready', sh(forever, { readinessProbe: never }))
    await pods.create('ready-late', sh(forever, { readinessProbe: late }))
    const { status } = await pods.ready('ready-late')
    const startedAt = new Date(status?.containerStatuses?.[0]?.state?.running?.startedAt ?? 0).getTime()
    const readyAt = new Date(status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? 0).getTime()
    expect(readyAt - startedAt).toBeGreaterThanOrEqual(3_000)
    const held = await pods.until('never-ready', ({ status }) => status?.phase === 'Running')
    expect(held.status?.containerStatuses?.[0]).toMatchObject({ ready: false, restartCount: 0 })
    expect(held.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Ready', status: 'False', reason: 'ContainersNotReady' }),
    )
  })
})

describe.concurrent('hooks', () => {
  it('after the start and before the end, as commands and requests; a sidecar is there for both', async () => {
    await pods.create('listens', sh(`mkdir /www; cd /www; touch post-exec pre-exec post-http pre-http; exec httpd -f -vv -p 8080 -h /www`))
    const { status } = await pods.ready('listens')
    const relay = `mkdir -p /www/cgi-bin; printf '#!/bin/sh\\nwget -qO- http://${status?.podIP}:8080/$QUERY_STRING; printf "\\\\r\\\\n"\\n' > /www/cgi-bin/relay; chmod +x /www/cgi-bin/relay; httpd -p 8080 -h /www; ${forever}`
    const sidecar = {
      ...{ name: 'sidecar', image, restartPolicy: 'Always', command: ['sh', '-c', relay] },
      startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
    }
    const exec = (path: string) => ({ exec: { command: ['wget', '-qO-', `http://${status?.podIP}:8080/${path}`] } })
    const get = (path: string) => ({ httpGet: { path: `/cgi-bin/relay?${path}`, port: 8080 } })
    const spec = { initContainers: [sidecar], terminationGracePeriodSeconds: 15 }
    await pods.create('hooks-exec', sh(forever, { lifecycle: { postStart: exec('post-exec'), preStop: exec('pre-exec') } }), spec)
    await pods.create('hooks-http', sh(forever, { lifecycle: { postStart: get('post-http'), preStop: get('pre-http') } }), spec)
    await pods.ready('hooks-exec')
    await pods.ready('hooks-http')
    await Promise.all(['hooks-exec', 'hooks-http'].map((name) => cluster.must(['delete', 'pod', name, '--timeout=20s'])))
    const heard = await pods.core.readNamespacedPodLog({ namespace, name: 'listens' })
    const asked = [...heard.matchAll(/url:\/([a-z]+-[a-z]+)/g)].map(([, path]) => path)
    expect(asked.filter((path) => path?.startsWith('post')).sort()).toEqual(['post-exec', 'post-http'])
    expect(asked.filter((path) => path?.startsWith('pre')).sort()).toEqual(['pre-exec', 'pre-http'])
  })
})

describe.concurrent('WebSockets of the first kind', () => {
  async function received(path: string, protocols: string[]): Promise<{ protocol: string; messages: Buffer[]; texts: number }> {
    const { certificate, key, ca, server } = credentials()
    const socket = new WebSocket(`${server.replace('https', 'wss')}${path}`, protocols, { cert: certificate, key, ca })
    const messages: Buffer[] = []
    let texts = 0
    socket.on('message', (data: Buffer, isBinary) => {
      messages.push(data)
      if (!isBinary) texts++
    })
    await new Promise((resolve, reject) => {
      socket.on('close', resolve)
      socket.on('error', reject)
    })
    return { protocol: socket.protocol, messages, texts }
  }

  function credentials() {
    const config = new KubeConfig()
    config.loadFromFile(cluster.kubeconfig)
    const [user, at] = [config.getCurrentUser(), config.getCurrentCluster()]
    const bytes = (data: string | undefined, file: string | undefined) => (data ? Buffer.from(data, 'base64') : readFileSync(file ?? ''))
    return {
      ...{ certificate: bytes(user?.certData, user?.certFile), key: bytes(user?.keyData, user?.keyFile) },
      ...{ ca: bytes(at?.caData, at?.caFile), server: at?.server ?? '' },
    }
  }

  it('carry what a command says, and a log', async () => {
    await pods.create('talks', sh(`echo container is alive; ${forever}`))
    await pods.ready('talks')
    const path = `/api/v1/namespaces/${namespace}/pods/talks`
    const command = ['echo', 'remote execution test'].map((word) => `command=${encodeURIComponent(word)}`).join('&')
    const run = await received(`${path}/exec?stderr=1&stdout=1&container=main&${command}`, ['channel.k8s.io'])
    expect(run.protocol).toBe('channel.k8s.io')
    const said = run.messages.filter((message) => message.length > 1)
    expect(new Set(said.map((message) => message[0]))).toEqual(new Set([1]))
    expect(Buffer.concat(said.map((message) => message.subarray(1))).toString()).toBe('remote execution test\n')

    const log = await received(`${path}/log?container=main`, ['binary.k8s.io'])
    expect({ ...log, messages: Buffer.concat(log.messages).toString() }).toEqual({
      protocol: 'binary.k8s.io',
      messages: 'container is alive\n',
      texts: 0,
    })
    const coded = await received(`${path}/log?container=main`, ['base64.binary.k8s.io'])
    expect(coded.messages.map((message) => Buffer.from(message.toString(), 'base64').toString()).join('')).toBe('container is alive\n')
    expect(coded.texts).toBe(coded.messages.length)
    await expect(received(`${path}/log?container=nobody`, ['binary.k8s.io'])).rejects.toThrow('400')
  })
})
