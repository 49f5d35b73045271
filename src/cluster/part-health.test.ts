import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ComponentStatus, Lease } from '../api/generated/types.ts'
import { leases } from '../api/registry.ts'
import { microTimestamp } from '../host/clock.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import { PartHealth } from './part-health.ts'
import { type InProcessCluster, startCluster } from './start-cluster.ts'

const clock = new VirtualClock()
let cluster: InProcessCluster
beforeAll(async () => {
  cluster = await startCluster({ clock })
})
afterAll(() => cluster.close())

const said = (part: PartHealth, elects: boolean): Promise<string> =>
  part.probe({ client: cluster.client, clock, elects }).then(
    () => 'ok',
    (error: Error) => error.message,
  )

test('a control plane that runs says so', async () => {
  const { items } = JSON.parse(await cluster.client.raw('/api/v1/componentstatuses')) as { items: ComponentStatus[] }
  expect(items.map(({ metadata, conditions }) => `${metadata?.name} ${conditions?.[0]?.message}`)).toEqual([
    'scheduler ok',
    'controller-manager ok',
    'etcd-0 ok',
  ])
})

test('a part is well while it runs and nothing of it has stopped', async () => {
  const part = new PartHealth('kube-scheduler')
  expect(await said(part, false)).toBe('it does not run')
  const stop = new AbortController()
  let fail: (error: unknown) => void = () => {}
  const { promise: ready, resolve } = Promise.withResolvers<void>()
  const started = part.started(stop.signal, (failed) => {
    fail = failed
    return ready
  })
  expect(await said(part, false)).toBe('it is starting')
  resolve()
  await started
  expect(await said(part, false)).toBe('ok')
  fail(new Error('out of memory'))
  expect(await said(part, false)).toBe('a part of it has stopped: out of memory')
})

test('one that another server runs is well while that server renews its Lease', async () => {
  const part = new PartHealth('other')
  const of = cluster.client.resource<Lease>(leases, 'kube-system')
  expect(await said(part, true)).toBe('no server leads it')
  const spec = { holderIdentity: 'there', leaseDurationSeconds: 15, renewTime: microTimestamp(clock.now()) }
  await of.create({ metadata: { name: 'other' }, spec })
  expect(await said(part, true)).toBe('ok')
  await clock.advance(20_000)
  expect(await said(part, true)).toBe('there leads it, and has not been heard of for 20s')
})
