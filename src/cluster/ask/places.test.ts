import { describe, expect, it } from 'vitest'
import type { Node, Service } from '../../api/generated/types.ts'
import type { ListedPort } from '../../proxy/tracing/service-list.ts'
import { targetNamed } from './places.ts'
import { portsNamed } from './services.ts'

const ports = [
  { name: 'http', port: 80 },
  { name: 'dns', port: 53, protocol: 'UDP' },
]
const metadata = (name: string) => ({
  namespace: 'default',
  name,
  uid: name,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
})
const service = (name: string, spec: NonNullable<Service['spec']>): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: metadata(name),
  spec,
})
const services = [
  service('web', { clusterIP: '10.96.0.9', ports }),
  service('headless', { clusterIP: 'None', ports }),
  service('elsewhere', { type: 'ExternalName', externalName: 'example.com' }),
]
const node: Node = { apiVersion: 'v1', kind: 'Node', metadata: metadata('vm'), spec: {} }
const target = (text: string) => targetNamed(text, { protocol: undefined, six: false }, { pods: [], services, node })

describe('a target', () => {
  it.each(['web', 'default/web', 'svc/web', 'web:http', 'web:80', '10.96.0.9:80'])('may be named %s', (text) => {
    expect(target(text)).toMatchObject({ address: '10.96.0.9', port: 80, protocol: 'tcp' })
  })

  it.each([
    ['10.96.0.300:80', '10.96.0.300 is no IP address'],
    ['10.96.0.9:99999', '99999 is no port: ports are numbers from 1 to 65535'],
    ['10.96.0.9:0', '0 is no port: ports are numbers from 1 to 65535'],
    ['10.96.0.9', 'which port of 10.96.0.9? A target is address:port, of IPv6 [address]:port'],
    ['fd00::1', 'which port of fd00::1? A target is address:port, of IPv6 [address]:port'],
    ['ghost', 'there is no Service default/ghost; name one as namespace/name[:port], or as address:port'],
    ['web:81', 'Service default/web has no such port; it has http 80/TCP, dns 53/UDP'],
    ['elsewhere', 'Service default/elsewhere is an ExternalName: a DNS name for example.com, without an address'],
  ])('is not %s', (text, complaint) => {
    expect(() => target(text)).toThrow(complaint)
  })

  it('of a headless Service is one of its pods', () => {
    expect(() => target('headless')).toThrow(/is headless: .* ask about one of them, as address:port/)
  })
})

describe('a listed Service', () => {
  const listed = (name: string, frontend: string): ListedPort => ({
    name,
    type: 'ClusterIP',
    frontend,
    externalAddresses: [],
    nodePort: undefined,
    connections: 0,
    packets: 0,
    bySockets: undefined,
    dropsHere: [],
    endpoints: [],
  })
  const all = [
    listed('default/web:http', '10.96.0.9:80/tcp'),
    listed('default/web:dns', '10.96.0.9:53/udp'),
    listed('other/web:http', '10.96.0.8:80/tcp'),
    listed('default/headless', 'None'),
  ]
  const names = (text: string) => portsNamed(text, all, services).map(({ name }) => name)

  it('is named as the list names it, with all of its ports or one', () => {
    expect(names('web')).toEqual(['default/web:http', 'default/web:dns'])
    expect(names('default/web:dns')).toEqual(['default/web:dns'])
    expect(names('svc/web:53')).toEqual(['default/web:dns'])
  })

  it('must be there, though it needs no address', () => {
    expect(() => names('ghost')).toThrow('there is no Service default/ghost')
    expect(() => names('web:81')).toThrow('Service default/web has no such port; it has http 80/TCP, dns 53/UDP')
    expect(names('headless')).toEqual(['default/headless'])
  })
})
