import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { ConfigMap, Event, Node, Pod, PodSpec, Secret, ServiceAccount } from '../../src/api/generated/types.ts'
import { configMaps, events, nodes, pods, secrets, serviceAccounts } from '../../src/api/registry.ts'
import { createApiServer } from '../../src/apiserver/apiserver.ts'
import type { Client } from '../../src/client/client.ts'
import { directClient } from '../../src/client/direct-client.ts'
import { issueCertificate, makeAuthority } from '../../src/cluster/issue-certificate.ts'
import { connectContainerd } from '../../src/cri/containerd.ts'
import { removeRuntimeLeftovers, startContainerd, stopContainerd } from '../../src/cri/containerd-process.ts'
import { busyboxImage } from '../../src/cri/image/busybox-image.ts'
import { withImageStore } from '../../src/cri/image/image-store.ts'
import { ensurePauseImage, pauseImageName } from '../../src/cri/image/pause-image.ts'
import type { ContainerRuntime } from '../../src/cri/runtime.ts'
import { systemClock } from '../../src/host/clock.ts'
import { systemExec } from '../../src/host/exec.ts'
import { lineLog } from '../../src/host/log.ts'
import { systemRandom } from '../../src/host/random.ts'
import { type Kubelet, startKubelet } from '../../src/kubelet/kubelet.ts'
import { removeWithMounts } from '../../src/kubelet/volumes/mounts-under.ts'
import { isNotFound } from '../../src/machinery/status.ts'
import { ensurePodNetwork, removePodNetwork } from '../../src/podnet/pod-network.ts'
import { MemoryStore } from '../../src/storage/memory-store.ts'

const directory = mkdtempSync(join(tmpdir(), 'ok-kubelet-'))
const cluster = directory.slice(-6).toLowerCase()
const lines: string[] = []
const log = lineLog((line) => lines.push(line), { level: 'info', now: Date.now })
const deps = { clock: systemClock, exec: systemExec, log }
const containerd = {
  dataDir: join(directory, 'data'),
  runDir: join(directory, 'run'),
  sandboxImage: pauseImageName,
  cniBinDirs: ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'],
  cniConfDir: join(directory, 'cni'),
  logFile: join(directory, 'containerd.log'),
}
const network = {
  ...{ cluster, chainTag: cluster.slice(0, 3), podCidr: '10.212.0.0/16', nodePodCidr: '10.212.7.0/24' },
  ...{ cniConfDir: containerd.cniConfDir, dataDir: join(directory, 'podnet') },
}
const cgroupRoot = `/ownkube-test-${cluster}`
let runtime: ContainerRuntime & { close(): void }
let client: Client
let containerdPid = 0
let kubelet: Kubelet
let stop = new AbortController()
let tls: {
  ca: string
  server: { cert: string; key: string }
  client: { cert: string; key: string }
  stranger: { cert: string; key: string }
}

async function boot(): Promise<void> {
  stop = new AbortController()
  kubelet = await startKubelet({
    ...{ client, runtime, clock: systemClock, random: systemRandom, log, exec: systemExec, signal: stop.signal },
    ...{ nodeName: 'n1', nodeAddress: '192.0.2.1', podCidr: network.nodePodCidr },
    ...{ rootDir: join(directory, 'kubelet'), logDir: join(directory, 'pod-logs'), cgroupRoot },
    server: { host: '127.0.0.1', port: 0, ca: tls.ca, ...tls.server },
    ...{ clusterDns: ['10.96.0.10'], clusterDomain: 'cluster.local', versions: { kubelet: 'v1.37.0-ownkube' } },
  })
}

beforeAll(async () => {
  const span = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3600_000 }
  const authority = await makeAuthority({ commonName: 'test', ...span })
  const issue = (commonName: string, usage: 'client' | 'server') =>
    issueCertificate(authority, { commonName, organizations: [], usage, dnsNames: ['localhost'], addresses: ['127.0.0.1'], ...span })
  tls = {
    ca: authority.cert,
    server: await issue('system:node:n1', 'server'),
    client: await issue('kube-apiserver-kubelet-client', 'client'),
    stranger: await issue('eve', 'client'),
  }
  await ensurePodNetwork(network, deps)
  const { socket, pid } = await startContainerd(containerd, deps)
  containerdPid = pid
  await ensurePauseImage({ ...deps, socket })
  const busybox = await busyboxImage(deps)
  await withImageStore({ ...deps, socket }, (store) => store.put(busybox))
  runtime = connectContainerd({ ...deps, socket })
  const api = await createApiServer({
    ...{ store: new MemoryStore(), clock: systemClock, random: systemRandom, log },
    ...{ serviceCidr: '10.96.0.0/16', nodePortRange: { from: 30_000, to: 32_767 } },
  })
  client = directClient(api.handle, { name: 'admin', uid: '', groups: ['system:masters'], extra: {} }, 'test')
  // What pods need for their access to the API, which controllers make in a cluster.
  await client.resource<ServiceAccount>(serviceAccounts, 'default').create({ metadata: { name: 'default' } })
  await client
    .resource<ConfigMap>(configMaps, 'default')
    .create({ metadata: { name: 'kube-root-ca.crt' }, data: { 'ca.crt': authority.cert } })
  await boot()
})

afterAll(async () => {
  stop.abort()
  await kubelet?.stopped
  runtime?.close()
  await stopContainerd(containerd, deps)
  await removeRuntimeLeftovers({ ...containerd, cgroupRoot }, deps)
  await removePodNetwork(network, deps)
  await removeWithMounts(directory, systemExec)
})

async function pod(name: string): Promise<Pod | undefined> {
  try {
    return await client.resource<Pod>(pods, 'default').get(name)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

async function until(name: string, wanted: (pod: Pod | undefined) => unknown, limitMs = 20_000): Promise<Pod> {
  for (const end = Date.now() + limitMs; ; ) {
    const found = await pod(name)
    if (wanted(found)) return found as Pod
    if (Date.now() > end) throw new Error(`${name}: ${JSON.stringify(found?.status, null, 1)}\n${lines.slice(-30).join('')}`)
    await systemClock.sleep(20)
  }
}

const run = (name: string, spec: Partial<PodSpec> & Pick<PodSpec, 'containers'>): Promise<Pod> =>
  client.resource<Pod>(pods, 'default').create({ metadata: { name }, spec: { nodeName: 'n1', terminationGracePeriodSeconds: 2, ...spec } })

const sh = (script: string, more: object = {}) => ({
  ...{ name: 'c', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', script] },
  ...more,
})
const running = (pod: Pod | undefined): boolean => pod?.status?.phase === 'Running'
const forever = "trap 'exit 0' TERM; while :; do sleep 0.1; done"

async function get(path: string, as: { cert: string; key: string } = tls.client): Promise<{ code: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(`https://127.0.0.1:${kubelet.port}${path}`, { ca: tls.ca, ...as }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      answer.on('end', () => resolve({ code: answer.statusCode ?? 0, text }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** What comes over an upgraded connection, by channel, until it closes or the first line is echoed. */
async function stream(path: string, protocol: string, onOpen?: (socket: WebSocket) => void): Promise<[channel: number, text: string][]> {
  const socket = new WebSocket(`wss://127.0.0.1:${kubelet.port}${path}`, protocol, { ca: tls.ca, ...tls.client })
  const parts: [number, string][] = []
  return new Promise((resolve, reject) => {
    socket.on('open', () => onOpen?.(socket))
    socket.on('message', (data: Buffer) => {
      if (data.length > 1) parts.push([data[0]!, data.subarray(1).toString()])
      if (onOpen && data.length > 1) socket.close()
    })
    socket.on('close', () => resolve(parts))
    socket.on('error', reject)
  })
}

function cgroupsOf(uid: string): string[] {
  const roots = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name))]
  const parents = roots.flatMap((root) => ['', '/burstable', '/besteffort'].map((part) => root + cgroupRoot + part)).filter(existsSync)
  return parents.flatMap((path) => readdirSync(path)).filter((name) => name.includes(uid))
}

async function gone(name: string): Promise<void> {
  await client.resource(pods, 'default').delete(name)
  await until(name, (pod) => pod === undefined)
}

describe('a kubelet over a real containerd', () => {
  test('its node becomes Ready', async () => {
    for (;;) {
      const node = await client.resource<Node>(nodes).get('n1')
      if (node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) break
      await systemClock.sleep(20)
    }
  })

  test('environment, volumes, hosts file and resolv.conf reach the container; logs come back', async () => {
    await client.resource<ConfigMap>(configMaps, 'default').create({ metadata: { name: 'settings' }, data: { a: 'x' } })
    await client
      .resource<Secret>(secrets, 'default')
      .create({ metadata: { name: 'key' }, data: { k: Buffer.from('s3cret').toString('base64') } })
    const script = `echo "$A $IP $K"; cat /etc/v/a; echo; cat /etc/s/k; echo; grep nameserver /etc/resolv.conf; grep -c "$IP" /etc/hosts; hostname; echo out >&2; df /mem | tail -1 | cut -c1-5; ${forever}`
    const env = [
      { name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'K', value: '$(A)!' },
    ]
    const volumes = [
      { name: 'v', configMap: { name: 'settings' } },
      { name: 's', secret: { secretName: 'key' } },
      { name: 'm', emptyDir: { medium: 'Memory' } },
    ]
    const volumeMounts = [
      { name: 'v', mountPath: '/etc/v' },
      { name: 's', mountPath: '/etc/s' },
      { name: 'm', mountPath: '/mem' },
    ]
    const resources = { limits: { cpu: '500m', memory: '64Mi' } }
    await run('full', { volumes, containers: [sh(script, { env, volumeMounts, resources })] })
    const full = await until('full', running)
    const ip = full.status?.podIP
    await systemClock.sleep(400)
    const { text } = await get('/containerLogs/default/full/c')
    expect(text.split('\n')).toEqual(
      expect.arrayContaining([`x ${ip} x!`, 'x', 's3cret', 'nameserver 10.96.0.10', '1', 'full', 'out', 'tmpfs']),
    )
    expect((await get('/containerLogs/default/full/c?stream=Stderr')).text).toBe('out\n')
    expect((await get('/containerLogs/default/full/c?tailLines=1&timestamps=true')).text).toMatch(/^2\S+Z (tmpfs|out)\n$/)
    expect(await get('/containerLogs/default/full/c?previous=true')).toEqual({
      ...{ code: 400, text: 'previous terminated container "c" in pod "full" not found' },
    })
    expect((await get('/containerLogs/default/full/c', tls.stranger)).code).toBe(403)
    const folder = join(directory, 'kubelet', 'pods', full.metadata.uid)
    expect(existsSync(folder)).toBe(true)
    await gone('full')
    for (let tries = 0; tries < 100 && existsSync(folder); tries++) await systemClock.sleep(20)
    expect(existsSync(folder)).toBe(false)
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(full.metadata.uid)
    for (let tries = 0; tries < 100 && cgroupsOf(full.metadata.uid).length > 0; tries++) await systemClock.sleep(20)
    expect(cgroupsOf(full.metadata.uid)).toEqual([])
  })

  test('following a log ends with the container; its last words are in the status', async () => {
    await run('short', {
      restartPolicy: 'Never',
      containers: [sh('for i in 1 2 3; do echo $i; sleep 0.2; done; echo bye > /dev/termination-log; exit 4')],
    })
    await until('short', running)
    expect((await get('/containerLogs/default/short/c?follow=true')).text).toBe('1\n2\n3\n')
    const pod = await until('short', (pod) => pod?.status?.phase === 'Failed')
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 4, reason: 'Error', message: 'bye\n' })
    await gone('short')
  })

  test('probes over HTTP, TCP and exec; a pod of two containers', async () => {
    const server = 'mkdir -p /www; echo hi > /www/index.html; httpd -f -p 8080 -h /www'
    await run('probed', {
      containers: [
        sh(server, {
          ports: [{ name: 'http', containerPort: 8080 }],
          readinessProbe: { httpGet: { path: '/index.html', port: 'http' }, periodSeconds: 1 },
          livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        }),
        sh(`touch /tmp/up; ${forever}`, {
          name: 'other',
          startupProbe: { exec: { command: ['test', '-e', '/tmp/up'] }, periodSeconds: 1 },
        }),
      ],
    })
    await until('probed', (pod) => pod?.status?.containerStatuses?.every(({ ready, started }) => ready && started))
    await gone('probed')
  })

  test('exec passes through to the runtime, and what the runtime refuses comes back', async () => {
    await run('shell', { containers: [sh(forever)] })
    await until('shell', running)
    const echoed = await stream('/exec/default/shell/c?command=cat&input=1&output=1&error=1', 'v4.channel.k8s.io', (socket) => {
      socket.send(Buffer.from([0, ...Buffer.from('through\n')]))
    })
    expect(echoed).toContainEqual([1, 'through\n'])
    const failed = await stream('/exec/default/shell/c?command=sh&command=-c&command=exit+7&output=1&error=1', 'v4.channel.k8s.io')
    expect(JSON.parse(failed.find(([channel]) => channel === 3)?.[1] ?? '{}')).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
    })
    await expect(stream('/exec/default/shell/nope?command=true&output=1', 'v4.channel.k8s.io')).rejects.toThrow('404')
    await expect(stream('/exec/default/shell/c?command=true&output=1', 'v9.channel.k8s.io')).rejects.toThrow(/4\d\d|Unexpected|subprotocol/)
    await gone('shell')
  })

  test('a command that is not there', async () => {
    await run('nope', { containers: [{ ...sh(''), command: ['/no/such'] }] })
    const pod = await until('nope', (pod) => pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff')
    expect(pod.status?.containerStatuses?.[0]?.lastState?.terminated).toMatchObject({ reason: 'StartError', exitCode: 128 })
    await gone('nope')
  })

  test('pods outlive a containerd that is killed, and are looked after by its successor', async () => {
    await run('tough', { containers: [sh(forever)] })
    const before = await until('tough', running)
    process.kill(containerdPid, 'SIGKILL')
    await systemClock.sleep(200)
    await startContainerd(containerd, deps)
    await systemClock.sleep(1500)
    expect((await pod('tough'))?.status?.containerStatuses).toEqual(before.status?.containerStatuses)
    await runtime.stopContainer((await runtime.listContainers({ podUid: before.metadata.uid }))[0]!.id, 1)
    await until('tough', (pod) => pod?.status?.containerStatuses?.[0]?.restartCount === 1 && running(pod))
    await gone('tough')
  })

  test('a restarted kubelet finds its pods running', async () => {
    await run('kept', { containers: [sh(forever)] })
    const before = await until('kept', running)
    stop.abort()
    await kubelet.stopped
    await boot()
    await systemClock.sleep(500)
    expect((await pod('kept'))?.status?.containerStatuses).toEqual(before.status?.containerStatuses)
    await gone('kept')
    for (let tries = 0; tries < 100 && (await runtime.listPodSandboxes()).length > 0; tries++) await systemClock.sleep(20)
    expect(await runtime.listPodSandboxes()).toEqual([])
    const { items } = await client.resource<Event>(events, 'default').list()
    expect(items.filter(({ involvedObject }) => involvedObject.name === 'kept').map(({ reason }) => reason)).toEqual([
      'Pulled',
      'Created',
      'Started',
      'Killing',
    ])
  })
})
