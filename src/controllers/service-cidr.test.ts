import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { IPAddress, Service, ServiceCIDR } from '../api/generated/types.ts'
import { serviceCidrs, services } from '../api/registry.ts'
import { nextStep, serviceCidrFinalizer } from './service-cidr-plan.ts'
import { ControlPlane } from './testing/control-plane.ts'

const nowMs = Date.parse('2026-01-01T00:01:00Z')
const cidr = (name: string, cidrs: string[], more: object = {}): ServiceCIDR =>
  ({ metadata: { name, finalizers: [serviceCidrFinalizer], ...more }, spec: { cidrs } }) as unknown as ServiceCIDR
const address = (name: string): IPAddress =>
  ({ metadata: { name, labels: { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } } }) as unknown as IPAddress
const going = { deletionTimestamp: '2026-01-01T00:00:00Z' }

describe('a ServiceCIDR', () => {
  test.each<[string, ServiceCIDR, ServiceCIDR[], string[], object]>([
    ['is protected first', cidr('a', ['10.0.0.0/24'], { finalizers: [] }), [], [], { do: 'protect' }],
    ['is ready then', cidr('a', ['10.0.0.0/24']), [], [], { do: 'tell', ready: { status: 'True' } }],
    ['goes when no address is of it', cidr('a', ['10.0.0.0/24'], going), [], ['10.1.0.1'], { do: 'let go' }],
    [
      'stays while one is',
      cidr('a', ['10.0.0.0/24'], going),
      [],
      ['10.0.0.9'],
      { do: 'tell', ready: { status: 'False', reason: 'Terminating' } },
    ],
    ['goes where a larger one covers it', cidr('a', ['10.0.0.0/24'], going), [cidr('b', ['10.0.0.0/16'])], ['10.0.0.9'], { do: 'let go' }],
    ['goes where another is the same', cidr('a', ['10.0.0.0/24'], going), [cidr('b', ['10.0.0.0/24'])], ['10.0.0.9'], { do: 'let go' }],
    [
      'goes where a smaller one has all its addresses',
      cidr('a', ['10.0.0.0/24'], going),
      [cidr('b', ['10.0.0.0/28'])],
      ['10.0.0.9'],
      { do: 'let go' },
    ],
    [
      'stays where only one of its families is covered',
      cidr('a', ['10.0.0.0/24', 'fd00::/112'], going),
      [cidr('b', ['10.0.0.0/16'])],
      ['10.0.0.9', 'fd00::9'],
      { do: 'tell' },
    ],
    [
      'goes when servers have had the time to hear of it',
      cidr('a', ['10.0.0.0/24'], { deletionTimestamp: '2026-01-01T00:00:57Z' }),
      [],
      [],
      { do: 'wait', delayMs: 7000 },
    ],
    [
      'that nobody protects is left alone',
      cidr('a', ['10.0.0.0/24'], { ...going, finalizers: ['x'] }),
      [],
      ['10.0.0.9'],
      { do: 'nothing' },
    ],
  ])('%s', (_, one, others, addresses, step) => {
    expect(nextStep(one, { cidrs: [one, ...others], addresses: addresses.map(address), nowMs })).toMatchObject(step)
  })
})

describe('over the API', () => {
  let plane: ControlPlane
  beforeAll(async () => {
    plane = await ControlPlane.start()
    await plane.rest()
  })
  afterAll(() => plane.close())

  test('one with addresses in use waits until they are given back', async () => {
    const cidrs = plane.client.resource<ServiceCIDR>(serviceCidrs)
    const inDefault = plane.client.resource<Service>(services, 'default')
    await cidrs.create({ metadata: { name: 'second' }, spec: { cidrs: ['10.200.0.0/24'] } })
    await plane.rest()
    const made = await cidrs.get('second')
    expect(made.metadata.finalizers).toEqual([serviceCidrFinalizer])
    expect(made.status?.conditions).toMatchObject([{ type: 'Ready', status: 'True', message: 'Kubernetes Service CIDR is ready' }])
    await inDefault.create({ metadata: { name: 'web' }, spec: { clusterIP: '10.200.0.5', ports: [{ port: 80 }] } })
    await cidrs.delete('second')
    await plane.clock.advance(20_000)
    expect((await cidrs.get('second')).status?.conditions).toMatchObject([{ type: 'Ready', status: 'False', reason: 'Terminating' }])
    await inDefault.delete('web')
    await plane.clock.advance(20_000)
    expect((await cidrs.list()).items.map(({ metadata }) => metadata.name)).toEqual(['kubernetes'])
    expect(plane.errors).toEqual([])
  })
})
