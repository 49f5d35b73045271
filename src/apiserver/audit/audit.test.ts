import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLog } from '../../host/log.ts'
import { VirtualClock } from '../../host/virtual-clock.ts'
import { pod, TestServer } from '../testing/test-server.ts'
import { AuditLog } from './audit-log.ts'
import { type AuditPolicy, readAuditPolicy } from './audit-policy.ts'
import { type LineSink, RotatingFile } from './rotating-file.ts'

interface Event {
  stage: string
  level: string
  auditID: string
  verb: string
  requestURI: string
  user: { username: string; groups?: string[] }
  objectRef?: Record<string, string>
  responseStatus?: Record<string, unknown>
  requestObject?: { metadata?: Record<string, unknown>; spec?: Record<string, unknown> }
  responseObject?: { metadata?: Record<string, unknown>; kind?: string; items?: { metadata: Record<string, unknown> }[] }
  annotations?: Record<string, string>
  requestReceivedTimestamp: string
  stageTimestamp: string
  sourceIPs?: string[]
  userAgent?: string
}

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ownkube-audit-'))
  path = join(folder, 'deep/audit.log')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const limits = { maxBytes: 1 << 20, maxAgeDays: 0, maxBackups: 0 }
const policyOf = async (rules: string): Promise<AuditPolicy> =>
  (await readAuditPolicy(`{apiVersion: audit.k8s.io/v1, kind: Policy, ${rules}}`)).policy

/** What is told of `run`, complete because the server was closed. */
async function toldOf(rules: string, run: (server: TestServer) => Promise<unknown>): Promise<Event[]> {
  const server = await TestServer.start({ audit: { policy: await policyOf(rules), path, limits } })
  try {
    await run(server)
  } finally {
    await server.close()
  }
  return eventsIn(await readFile(path, 'utf8'))
}

const eventsIn = (text: string): Event[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event)
const pods = '/api/v1/namespaces/default/pods'
const onlyPods = (level: string): string => `rules: [{level: ${level}, resources: [{group: "", resources: [pods, pods/*]}]}]`

describe('what is told of a request', () => {
  test('metadata: who, what, where, whether and why', async () => {
    const events = await toldOf(onlyPods('Metadata'), (server) => server.ask('POST', `${pods}?dryRun=All`, { body: pod('web') }))
    expect(events.map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseComplete'])
    const [received, complete] = events as [Event, Event]
    expect(received).toEqual({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: 'Metadata',
      auditID: complete.auditID,
      stage: 'RequestReceived',
      requestURI: `${pods}?dryRun=All`,
      verb: 'create',
      user: { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] },
      sourceIPs: ['::1'],
      userAgent: 'test/1',
      objectRef: { resource: 'pods', namespace: 'default', apiVersion: 'v1' },
      requestReceivedTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      stageTimestamp: received.requestReceivedTimestamp,
    })
    expect(complete.objectRef).toEqual({ resource: 'pods', namespace: 'default', name: 'web', apiVersion: 'v1' })
    expect(complete.responseStatus).toEqual({ metadata: {}, code: 201 })
    expect(complete.annotations).toEqual({
      'authorization.k8s.io/decision': 'allow',
      'authorization.k8s.io/reason': '',
      'pod-security.kubernetes.io/enforce-policy': 'privileged:latest',
    })
    expect(Object.keys(complete)).not.toContain('requestObject')
  })

  test('request: the body as it was sent, before defaults; RequestResponse: the answer too', async () => {
    const events = await toldOf(onlyPods('RequestResponse'), (server) => server.ask('POST', pods, { body: pod('web') }))
    const complete = events[1] as Event
    expect(complete.requestObject).toEqual(pod('web'))
    expect(complete.responseObject).toMatchObject({ kind: 'Pod', spec: { dnsPolicy: 'ClusterFirst' } })
    expect(complete.responseObject?.metadata?.managedFields).toBeDefined()
    const [only] = (
      await toldOf(`omitStages: [RequestReceived], ${onlyPods('Request')}`, (server) => server.ask('POST', pods, { body: pod('web') }))
    ).slice(-1)
    expect(only?.requestObject).toEqual(pod('web'))
    expect(only?.responseObject).toBeUndefined()
  })

  test('managedFields can be left out, of objects and of lists', async () => {
    const events = await toldOf(
      `omitManagedFields: true, omitStages: [RequestReceived], ${onlyPods('RequestResponse')}`,
      async (server) => {
        await server.ask('POST', pods, { body: pod('web') })
        await server.ask('GET', pods)
      },
    )
    expect(events[0]?.responseObject?.metadata).not.toHaveProperty('managedFields')
    expect(events[1]?.responseObject?.items?.[0]?.metadata).toMatchObject({ name: 'web' })
    expect(events[1]?.responseObject?.items?.[0]?.metadata).not.toHaveProperty('managedFields')
  })

  test('a patch as it was sent', async () => {
    const events = await toldOf(`omitStages: [RequestReceived], ${onlyPods('Request')}`, async (server) => {
      await server.ask('POST', pods, { body: pod('web') })
      const body = { metadata: { labels: { a: 'b' } } }
      await server.ask('PATCH', `${pods}/web`, { body, contentType: 'application/merge-patch+json' })
    })
    expect(events[1]).toMatchObject({ verb: 'patch', requestObject: { metadata: { labels: { a: 'b' } } } })
    expect(events[1]?.objectRef).toMatchObject({ name: 'web' })
  })

  test('a refusal, with its reason; what roles allow, by which binding', async () => {
    const user = { name: 'eve', uid: 'u1', groups: ['system:authenticated'], extra: { from: ['x'] } }
    const events = await toldOf('omitStages: [RequestReceived], rules: [{level: Metadata, users: [eve]}]', async (server) => {
      await server.ask('GET', `${pods}/web`, { user })
      await server.ask('GET', '/version', { user })
    })
    expect(events[0]).toMatchObject({
      user: { username: 'eve', uid: 'u1', groups: ['system:authenticated'], extra: { from: ['x'] } },
      responseStatus: {
        status: 'Failure',
        reason: 'Forbidden',
        code: 403,
        message: 'pods "web" is forbidden: User "eve" cannot get resource "pods" in API group "" in the namespace "default"',
        details: { name: 'web', kind: 'pods' },
      },
      annotations: { 'authorization.k8s.io/decision': 'forbid', 'authorization.k8s.io/reason': '' },
    })
    expect(events[1]).toMatchObject({ verb: 'get', requestURI: '/version', responseStatus: { code: 200 } })
    expect(events[1]?.objectRef).toBeUndefined()
    expect(events[1]?.annotations?.['authorization.k8s.io/reason']).toBe(
      'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"',
    )
  })

  test('a watch: when it begins, and when it ends', async () => {
    const events = await toldOf(onlyPods('RequestResponse'), async (server) => {
      const watch = await server.watch(`${pods}?watch=1&resourceVersion=0`)
      watch.stop()
    })
    expect(events.map(({ stage, responseStatus }) => [stage, responseStatus?.code])).toEqual([
      ['RequestReceived', undefined],
      ['ResponseStarted', 200],
      ['ResponseComplete', 200],
    ])
  })

  test('a watch that is open when the server closes is told to its end', async () => {
    const events = await toldOf(onlyPods('Metadata'), (server) => server.watch(`${pods}?watch=1&resourceVersion=0`))
    expect(events.at(-1)).toMatchObject({ verb: 'watch', stage: 'ResponseComplete' })
  })

  test('what a namespace audits of its pods, without refusing them', async () => {
    const events = await toldOf(`omitStages: [RequestReceived], ${onlyPods('Metadata')}`, async (server) => {
      await server.ask('PATCH', '/api/v1/namespaces/default', {
        body: { metadata: { labels: { 'pod-security.kubernetes.io/audit': 'baseline' } } },
        contentType: 'application/merge-patch+json',
      })
      await server.ask('POST', pods, { body: pod('web', { hostNetwork: true }) })
    })
    expect(events[0]?.annotations).toMatchObject({
      'pod-security.kubernetes.io/enforce-policy': 'privileged:latest',
      'pod-security.kubernetes.io/audit-violations': 'would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
    })
  })

  test('level None and paths that nothing matches leave no trace', async () => {
    const events = await toldOf('rules: [{level: None, users: [kubernetes-admin]}, {level: Metadata}]', (server) => server.ask('GET', pods))
    expect(events).toEqual([])
  })
})

describe('the log', () => {
  const clock = (): VirtualClock => new VirtualClock(Date.parse('2026-01-02T03:04:05.678Z'))

  test('gives way to a new file when it is full, and keeps so many of the old', async () => {
    const file = await RotatingFile.open(path, { maxBytes: 10, maxAgeDays: 0, maxBackups: 2 }, clock())
    for (const line of ['one 45678\n', 'two 45678\n', 'three\n', 'four\n', 'five\n']) await file.write(line)
    await file.close()
    expect((await readdir(join(folder, 'deep'))).sort()).toEqual([
      'audit-2026-01-02T03-04-05.679.log',
      'audit-2026-01-02T03-04-05.680.log',
      'audit.log',
    ])
    expect(await readFile(join(folder, 'deep/audit-2026-01-02T03-04-05.680.log'), 'utf8')).toBe('three\n')
    expect(await readFile(path, 'utf8')).toBe('four\nfive\n')
  })

  test('drops files that are too old, and nothing else, when it is opened; goes on in the one there is', async () => {
    const first = await RotatingFile.open(path, limits, clock())
    await first.write('before\n')
    await first.close()
    const [old, young, other] = ['audit-2025-12-01T00-00-00.000.log', 'audit-2026-01-01T00-00-00.000.log', 'audit-notes.log']
    for (const name of [old, young, other]) await writeFile(join(folder, 'deep', name), '')
    const file = await RotatingFile.open(path, { ...limits, maxAgeDays: 7 }, clock())
    await file.write('after\n')
    await file.close()
    expect((await readdir(join(folder, 'deep'))).sort()).toEqual([young, other, 'audit.log'].sort())
    expect(await readFile(path, 'utf8')).toBe('before\nafter\n')
  })

  test('events come out in order, in few writes, all of them by the time it is closed', async () => {
    const writes: string[] = []
    const sink: LineSink = { write: async (lines) => void writes.push(lines), close: async () => {} }
    const log = new AuditLog(sink, silentLog)
    for (let i = 0; i < 5000; i++) log.add(() => `${i}\n`)
    expect(writes).toEqual([])
    await log.close()
    expect(writes).toHaveLength(1)
    expect(writes[0]?.split('\n').slice(0, -1)).toEqual(Array.from({ length: 5000 }, (_, i) => String(i)))
  })

  test('what a disk does not take is counted and said once; what comes later is written', async () => {
    let full = true
    const written: string[] = []
    const said: string[] = []
    const sink: LineSink = {
      write: async (lines) => {
        if (full) throw new Error('ENOSPC')
        written.push(lines)
      },
      close: async () => {},
    }
    const log = new AuditLog(sink, { ...silentLog, error: (message) => void said.push(message) })
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    log.add(() => 'a\n')
    await turn()
    log.add(() => 'b\n')
    await turn()
    full = false
    log.add(() => 'c\n')
    await log.close()
    expect({ events: log.events, lost: log.lost, written, said: said.length }).toEqual({ events: 3, lost: 2, written: ['c\n'], said: 1 })
  })
})
