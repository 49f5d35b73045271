import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MemoryStore } from '../storage/memory-store.ts'
import { pod, TestServer } from './testing/test-server.ts'

class SickStore extends MemoryStore {
  fault: string | undefined
  override async healthy(): Promise<void> {
    if (this.fault) throw new Error(this.fault)
  }
}

let server: TestServer
const store = new SickStore()
beforeAll(async () => {
  server = await TestServer.start({ store })
})
afterAll(() => server.close())

async function page(url: string): Promise<{ code: number; text: string }> {
  const answer = await server.raw('GET', url)
  if (answer.type !== 'text') throw new Error(`${url} answered with ${answer.type}`)
  return { code: answer.code, text: answer.text }
}

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Reads the page as Prometheus does; what is no line of it is a fault. */
async function scraped(): Promise<{ samples: Sample[]; types: Map<string, string> }> {
  const samples: Sample[] = []
  const types = new Map<string, string>()
  for (const line of (await page('/metrics')).text.trimEnd().split('\n')) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line)
    if (type) {
      expect(types.has(type[1] as string), `${type[1]} twice`).toBe(false)
      types.set(type[1] as string, type[2] as string)
    } else if (!line.startsWith('# HELP ')) {
      const found = /^([a-z_]+)(?:\{(.*)\})? (-?[\d.e+-]+)$/.exec(line)
      expect(found, line).not.toBeNull()
      const [, name = '', labels = '', value] = found as RegExpExecArray
      samples.push({
        name,
        labels: Object.fromEntries([...labels.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, k, v]) => [k, v])),
        value: Number(value),
      })
    }
  }
  return { samples, types }
}

const family = (name: string): string => name.replace(/_(bucket|sum|count)$/, '')

describe('metrics', () => {
  test('families are whole, and have the labels that upstream gives them', async () => {
    await server.ask('GET', '/api/v1/nodes')
    const { samples, types } = await scraped()
    const untyped = samples.filter(({ name }) => !types.has(name) && !types.has(family(name)))
    expect(untyped.map(({ name }) => name)).toEqual([])
    const labelsOf = (name: string): string[] => Object.keys(samples.find((sample) => sample.name === name)?.labels ?? { none: '' })
    const request = ['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component']
    expect({
      request: labelsOf('apiserver_request_total'),
      duration: labelsOf('apiserver_request_duration_seconds_count'),
      inFlight: labelsOf('apiserver_current_inflight_requests'),
      admission: labelsOf('apiserver_admission_controller_admission_duration_seconds_count'),
      step: labelsOf('apiserver_admission_step_admission_duration_seconds_count'),
      objects: labelsOf('apiserver_resource_objects'),
      older: labelsOf('apiserver_storage_objects'),
      size: labelsOf('apiserver_storage_size_bytes'),
      build: labelsOf('kubernetes_build_info'),
    }).toEqual({
      request: [...request, 'code'],
      duration: request,
      inFlight: ['request_kind'],
      admission: ['name', 'type', 'operation', 'rejected'],
      step: ['type', 'operation', 'rejected'],
      objects: ['group', 'resource'],
      older: ['resource'],
      size: ['storage_cluster_id'],
      build: ['major', 'minor', 'git_version', 'git_commit', 'platform'],
    })
  })

  const counted = async (labels: Record<string, string>): Promise<number> => {
    const { samples } = await scraped()
    const fits = (one: Sample): boolean => Object.entries(labels).every(([name, value]) => one.labels[name] === value)
    return samples.filter((one) => one.name === 'apiserver_request_total' && fits(one)).reduce((sum, { value }) => sum + value, 0)
  }

  test.each<[string, () => Promise<unknown>, Record<string, string>]>([
    [
      'a creation',
      () => server.ask('POST', '/api/v1/namespaces/default/pods', { body: pod('a') }),
      { verb: 'POST', version: 'v1', resource: 'pods', scope: 'resource', code: '201', dry_run: '' },
    ],
    [
      'a dry run',
      () => server.ask('POST', '/api/v1/namespaces/default/pods?dryRun=All', { body: pod('b') }),
      { verb: 'POST', resource: 'pods', dry_run: 'All' },
    ],
    [
      'a list of a namespace',
      () => server.ask('GET', '/api/v1/namespaces/default/pods'),
      { verb: 'LIST', resource: 'pods', scope: 'namespace' },
    ],
    ['a list of all', () => server.ask('GET', '/api/v1/pods'), { verb: 'LIST', resource: 'pods', scope: 'cluster' }],
    [
      'an apply',
      () =>
        server.ask('PATCH', '/api/v1/namespaces/default/configmaps/c?fieldManager=m', {
          body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' } },
          contentType: 'application/apply-patch+yaml',
        }),
      { verb: 'APPLY', resource: 'configmaps', code: '201' },
    ],
    [
      'a log',
      () => server.raw('GET', '/api/v1/namespaces/default/pods/a/log'),
      { verb: 'CONNECT', resource: 'pods', subresource: 'log', scope: 'resource' },
    ],
    ['a path', () => server.raw('GET', '/healthz'), { verb: 'GET', subresource: '/healthz', resource: '', code: '200' }],
    ['what there is not', () => server.ask('GET', '/apis/x.io/v1/things'), { verb: 'OTHER', resource: '', group: '', code: '404' }],
  ])('%s is counted', async (_, run, labels) => {
    const before = await counted(labels)
    await run()
    expect(await counted(labels)).toBe(before + 1)
  })

  test('open watches, for as long as they are', async () => {
    const open = async (): Promise<number | undefined> =>
      (await scraped()).samples.find(({ name, labels }) => name === 'apiserver_longrunning_requests' && labels.resource === 'secrets')
        ?.value
    const watch = await server.watch('/api/v1/secrets?watch=1')
    expect(await open()).toBe(1)
    watch.stop()
    expect(await open()).toBe(0)
  })

  test('names that clients make up leave no trace', async () => {
    const sizes: number[] = []
    for (const round of [1, 2]) {
      for (let i = 0; i < 50; i++) await server.ask('GET', `/api/v1/namespaces/default/pods/a/made-up-${round}-${i}`)
      sizes.push((await scraped()).samples.length)
    }
    expect(sizes[1]).toBe(sizes[0])
  })
})

describe('health', () => {
  test('ok, in full, or one check alone', async () => {
    expect(await page('/readyz')).toEqual({ code: 200, text: 'ok' })
    expect((await page('/readyz?verbose')).text).toBe(
      '[+]ping ok\n[+]etcd ok\n[+]etcd-readiness ok\n[+]informer-sync ok\n[+]shutdown ok\nreadyz check passed\n',
    )
    expect((await page('/livez?verbose=1')).text).toBe('[+]ping ok\n[+]etcd ok\nlivez check passed\n')
    expect(await page('/healthz/ping')).toEqual({ code: 200, text: 'ok' })
    expect(await server.refusal('GET', '/livez/shutdown')).toMatch(/^404 /)
  })

  test('some are left out; what can not be is said', async () => {
    expect((await page('/livez?verbose&exclude=etcd&exclude=b&exclude=a')).text).toBe(
      '[+]ping ok\n[+]etcd excluded: ok\nwarn: some health checks cannot be excluded: no matches for "a","b"\nlivez check passed\n',
    )
  })

  test('a failure is told, its reason only where it is asked for by name', async () => {
    store.fault = 'no space left'
    expect(await page('/livez')).toEqual({ code: 500, text: '[+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed\n' })
    expect(await page('/livez?exclude=etcd')).toEqual({ code: 200, text: 'ok' })
    expect(await page('/readyz/etcd')).toEqual({ code: 500, text: 'internal server error: no space left\n' })
    store.fault = undefined
  })
})
