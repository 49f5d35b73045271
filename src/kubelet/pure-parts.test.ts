import { appendFileSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Pod, Service } from '../api/generated/types.ts'
import { systemClock } from '../host/clock.ts'
import { goSeconds, nextBackOff, retryAt } from './back-off.ts'
import { parseResolvConf, podDns } from './dns.ts'
import { expand } from './env/expand.ts'
import { resourceText } from './env/field-ref.ts'
import { serviceEnv } from './env/service-env.ts'
import { parseLogLine } from './logs/log-line.ts'
import { type LogQuery, readLog } from './logs/read-log.ts'
import { setAside } from './logs/rotate-logs.ts'
import { count, freshTally } from './probes/probe-loop.ts'
import { isImageReference, pullPolicyOf } from './pull-image.ts'
import { linuxResources } from './resources.ts'
import { mayEnter } from './server/kubelet-server.ts'
import { routeOf } from './server/route.ts'
import { writeAtomically } from './volumes/atomic-writer.ts'
import { mountsUnder } from './volumes/mounts-under.ts'

const folder = mkdtempSync(join(tmpdir(), 'ownkube-parts-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const podOf = (spec: Partial<Pod['spec']>): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
  spec: { containers: [], ...spec },
})
const using = (requests: Record<string, string>, limits: Record<string, string> = {}) => ({ name: 'c', resources: { requests, limits } })

describe('$(VAR) expansion', () => {
  test.each([
    ['$(A)', 'x'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$x'],
    ['$(B)', '$(B)'],
    ['a$(A', 'a$(A'],
    ['$A $', '$A $'],
  ])('%s is %s', (text, result) => {
    expect(expand(text, (name) => (name === 'A' ? 'x' : undefined))).toBe(result)
  })
})

describe('resources', () => {
  test('as the kernel is told them', () => {
    const container = using({ cpu: '250m' }, { cpu: '500m', memory: '64Mi' })
    expect(linuxResources(podOf({ containers: [container] }), container, 2 ** 32)).toEqual({
      ...{ cpuPeriod: 100_000, cpuQuota: 50_000, cpuShares: 256, memoryLimitBytes: 2 ** 26, oomScoreAdj: 984 },
    })
  })

  test('a resourceFieldRef is rounded up by its divisor', () => {
    const facts = { nodeName: '', nodeAddresses: [], podIps: [], cpuCores: 4, memoryBytes: 2 ** 30 }
    expect(resourceText(using({}, { cpu: '1500m' }), { resource: 'limits.cpu' }, facts)).toBe('2')
    expect(resourceText(using({}, { cpu: '1500m' }), { resource: 'limits.cpu', divisor: '1m' }, facts)).toBe('1500')
    expect(resourceText(using({}), { resource: 'limits.memory', divisor: '1Mi' }, facts)).toBe('1024')
  })
})

test('Services are announced as variables, docker links included', () => {
  const spec = {
    clusterIP: '10.96.0.7',
    ports: [
      { name: 'http', port: 80 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ],
  }
  const service = { metadata: { name: 'my-web', namespace: 'ns' }, spec } as unknown as Service
  expect(Object.fromEntries(serviceEnv([service], 'ns', true))).toMatchObject({
    MY_WEB_SERVICE_HOST: '10.96.0.7',
    MY_WEB_SERVICE_PORT: '80',
    MY_WEB_SERVICE_PORT_DNS: '53',
    MY_WEB_PORT: 'tcp://10.96.0.7:80',
    MY_WEB_PORT_53_UDP: 'udp://10.96.0.7:53',
    MY_WEB_PORT_80_TCP_ADDR: '10.96.0.7',
  })
  expect(serviceEnv([service], 'ns', false).size).toBe(0)
  expect(serviceEnv([service], 'other', true).size).toBe(0)
})

describe('DNS of a pod', () => {
  const host = parseResolvConf('nameserver 9.9.9.9\nsearch lan.\noptions edns0\n')
  const sources = { host, clusterDns: ['10.96.0.10'], clusterDomain: 'cluster.local' }
  test('the cluster first, then the host names', () => {
    expect(podDns(podOf({}), sources)).toEqual({
      servers: ['10.96.0.10'],
      searches: ['ns.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'lan'],
      options: ['ndots:5'],
    })
  })
  test('the host where the cluster has none, or the pod is on its network', () => {
    expect(podDns(podOf({}), { ...sources, clusterDns: [] })).toEqual(host)
    expect(podDns(podOf({ hostNetwork: true }), sources)).toEqual(host)
  })
  test('None: what dnsConfig says', () => {
    const dnsConfig = { nameservers: ['1.1.1.1'], options: [{ name: 'ndots', value: '2' }] }
    expect(podDns(podOf({ dnsPolicy: 'None', dnsConfig }), sources)).toEqual({ servers: ['1.1.1.1'], searches: [], options: ['ndots:2'] })
  })
})

describe('back-off', () => {
  test('doubles from 10 s to 300 s, and starts anew after ten good minutes', () => {
    let entry = nextBackOff(undefined, 0)
    const delays = [entry.delayMs]
    for (let i = 0; i < 6; i++) {
      entry = nextBackOff(entry, 0)
      delays.push(entry.delayMs)
    }
    expect(delays).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000])
    expect(nextBackOff(entry, 600_001).delayMs).toBe(10_000)
    expect(retryAt(entry, 5)).toBe(300_005)
    expect(retryAt(undefined, 5)).toBe(5)
    expect([10_000, 80_000, 300_000].map(goSeconds)).toEqual(['10s', '1m20s', '5m0s'])
  })
})

test('probe thresholds count results in a row', () => {
  const probe = { failureThreshold: 2, successThreshold: 1 }
  let tally = freshTally
  const verdicts = (['failure', 'success', 'failure', 'failure'] as const).map((result) => {
    const counted = count(tally, result, probe)
    tally = counted.tally
    return counted.verdict
  })
  expect(verdicts).toEqual([undefined, 'success', undefined, 'failure'])
})

test('image references and their pull policies', () => {
  expect(['web', 'web:1', 'localhost:5000/a/b@sha256:'.concat('0'.repeat(64)), 'ghcr.io/x/y:v1'].every(isImageReference)).toBe(true)
  expect(['', 'Web', 'a b', 'a:', 'http://x/y'].some(isImageReference)).toBe(false)
  expect(['web', 'web:latest', 'web:1', 'h:5000/web'].map((image) => pullPolicyOf({ name: 'c', image }))).toEqual([
    ...['Always', 'Always', 'IfNotPresent', 'Always'],
  ])
})

describe('logs', () => {
  const entries = [
    '2026-01-01T00:00:00.1Z stdout F one',
    '2026-01-01T00:00:01Z stderr F two',
    '2026-01-01T00:00:02Z stdout P thr',
    '2026-01-01T00:00:03Z stdout F ee',
  ]
  const path = join(folder, '0.log')
  writeFileSync(path, `${entries.join('\n')}\n`)
  const read = async (query: Partial<LogQuery>, signal = new AbortController().signal): Promise<string> => {
    let text = ''
    const deps = { clock: systemClock, signal, isRunning: async () => false }
    for await (const part of readLog(path, { follow: false, timestamps: false, ...query }, deps)) text += part
    return text
  }
  test.each<[string, Partial<LogQuery>, string]>([
    ['all, partial entries joined', {}, 'one\ntwo\nthree\n'],
    ['with times', { timestamps: true }, '2026-01-01T00:00:00.1Z one\n2026-01-01T00:00:01Z two\n2026-01-01T00:00:02Z three\n'],
    ['the tail', { tailLines: 3 }, 'two\nthree\n'],
    ['no tail', { tailLines: 0 }, ''],
    ['since', { sinceMs: Date.UTC(2026, 0, 1, 0, 0, 1) }, 'two\nthree\n'],
    ['so many bytes', { limitBytes: 6 }, 'one\ntw'],
    ['one stream', { stream: 'stderr' }, 'two\n'],
  ])('%s', async (_, query, text) => {
    expect(await read(query)).toBe(text)
  })

  test('a follower goes on over a rotation and ends with the container', async () => {
    const file = join(folder, 'f.log')
    writeFileSync(file, '2026-01-01T00:00:00Z stdout F a\n')
    let running = true
    const deps = { clock: systemClock, signal: new AbortController().signal, isRunning: async () => running }
    const parts = readLog(file, { follow: true, timestamps: false }, deps)
    expect((await parts.next()).value).toBe('a\n')
    const second = parts.next()
    await setAside(file, Date.UTC(2026, 0, 1))
    appendFileSync(file, '2026-01-01T00:00:01Z stdout F b\n')
    expect((await second).value).toBe('b\n')
    running = false
    appendFileSync(file, '2026-01-01T00:00:02Z stdout F c\n')
    expect((await parts.next()).value).toBe('c\n')
    expect((await parts.next()).done).toBe(true)
  })

  test('what is no entry is skipped', () => {
    expect(parseLogLine('nonsense')).toBeUndefined()
    expect(parseLogLine('t stdout F ')).toMatchObject({ text: '\n' })
  })
})

test('the files of a volume change all at once', async () => {
  const place = join(folder, 'volume')
  const payload = (files: Record<string, string>) =>
    new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode: 0o644 }]))
  expect(await writeAtomically(place, payload({ a: '1', 'dir/b': '2' }), { stamp: 's1' })).toBe(true)
  expect(await writeAtomically(place, payload({ a: '1', 'dir/b': '2' }), { stamp: 's2' })).toBe(false)
  expect(readlinkSync(join(place, '..data'))).toBe('..s1')
  expect(readFileSync(join(place, 'dir/b'), 'utf8')).toBe('2')
  await writeAtomically(place, payload({ c: '3' }), { stamp: 's3' })
  expect(readFileSync(join(place, 'c'), 'utf8')).toBe('3')
  expect(() => readFileSync(join(place, 'a'))).toThrow()
})

test('mounts below a folder, the deepest first', () => {
  const info = [
    '1 0 0:1 / / rw',
    '2 1 0:2 / /data/pods/u/v rw',
    '3 2 0:3 / /data/pods/u/v/deep\\040er rw',
    '4 1 0:4 / /data/pods/uu rw',
  ].join('\n')
  expect(mountsUnder('/data/pods/u', info)).toEqual(['/data/pods/u/v/deep er', '/data/pods/u/v'])
})

describe('the server', () => {
  test('knows upstream paths', () => {
    expect(routeOf('/exec/ns/a/uid/c')).toEqual({ to: 'exec', namespace: 'ns', pod: 'a', uid: 'uid', container: 'c' })
    expect(routeOf('/exec/ns/a/c')).toEqual({ to: 'exec', namespace: 'ns', pod: 'a', uid: undefined, container: 'c' })
    expect(routeOf('/containerLogs/ns/a')).toBeUndefined()
    expect(routeOf('/nowhere')).toBeUndefined()
  })
  test('lets in the API server and administrators', () => {
    expect(mayEnter({ O: ['x', 'system:masters'], CN: 'admin' })).toBe(true)
    expect(mayEnter({ CN: 'kube-apiserver-kubelet-client' })).toBe(true)
    expect(mayEnter({ CN: 'system:node:n1', O: 'system:nodes' })).toBe(false)
    expect(mayEnter(undefined)).toBe(false)
  })
})
