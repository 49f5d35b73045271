import type { Endpoint, EndpointSlice, Service, ServicePort, ServiceSpec } from '../../api/generated/types.ts'
import type { TransportProtocol } from '../../netfilter/rules.ts'

/** The world in which the cases below are told: the fake kernel and the namespaces of the end-to-end test both build it. */
export const world = {
  node: 'here',
  nodeAddress: '192.168.77.1',
  outside: '192.168.77.2',
  podCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/16',
  pods: { a: '10.244.1.11', b: '10.244.1.12', c: '10.244.1.13', far: '10.244.2.14' },
} as const

export type PodName = keyof typeof world.pods
export type Sender = PodName | 'outside' | 'host'

export interface Case {
  readonly name: string
  readonly from: Sender
  /** `address:port` */
  readonly to: string
  readonly protocol?: TransportProtocol
  /** Each pod's share, or what else becomes of the connection. */
  readonly arrives: Partial<Record<PodName, number>> | 'rejected' | 'dropped' | 'nowhere'
  readonly source?: 'own' | 'masqueraded'
}

export function service(name: string, clusterIP: string, ports: readonly Partial<ServicePort>[], spec: Partial<ServiceSpec> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'test', uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { type: 'ClusterIP', clusterIP, ports: ports.map((port) => ({ port: 80, protocol: 'TCP', ...port })), ...spec },
  }
}

export function endpoint(pod: PodName, conditions: { ready?: boolean; serving?: boolean; terminating?: boolean } = {}): Endpoint {
  return {
    addresses: [world.pods[pod]],
    conditions: { ready: true, serving: true, terminating: false, ...conditions },
    nodeName: pod === 'far' ? 'there' : world.node,
  }
}

export function slice(
  serviceName: string,
  endpoints: readonly (PodName | Endpoint)[],
  ports: readonly { name?: string; port?: number; protocol?: string }[] = [{}],
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    addressType: 'IPv4',
    metadata: {
      name: `${serviceName}-x1`,
      namespace: 'test',
      uid: `${serviceName}-x1`,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { 'kubernetes.io/service-name': serviceName },
    },
    endpoints: endpoints.map((each) => (typeof each === 'string' ? endpoint(each) : each)),
    ports: ports.map((port) => ({ name: '', port: 8080, protocol: 'TCP', ...port })),
  }
}

const thirds = { a: 1 / 3, b: 1 / 3, c: 1 / 3 }
const ending = { ready: false, serving: true, terminating: true }

/** A Service that asks for another proxy. */
function anothers(): Service {
  const one = service('anothers', '10.96.0.33', [{ nodePort: 30009 }], { type: 'NodePort', externalIPs: ['198.51.100.9'] })
  return { ...one, metadata: { ...one.metadata, labels: { 'service.kubernetes.io/service-proxy-name': 'theirs' } } }
}

/** Everything that the cases send to, side by side as in a real cluster. */
export const services: readonly Service[] = [
  service('web', '10.96.0.10', [{ nodePort: 30001 }], { type: 'NodePort' }),
  service('dns', '10.96.0.11', [
    { name: 'udp', port: 53, protocol: 'UDP' },
    { name: 'tcp', port: 53 },
  ]),
  service('none', '10.96.0.12', [{ nodePort: 30002 }], { type: 'NodePort', externalIPs: ['198.51.100.2'] }),
  service('local', '10.96.0.13', [{ nodePort: 30003 }], { type: 'NodePort', externalTrafficPolicy: 'Local' }),
  service('local-elsewhere', '10.96.0.14', [{ nodePort: 30004 }], { type: 'NodePort', externalTrafficPolicy: 'Local' }),
  service('inner', '10.96.0.15', [{}], { internalTrafficPolicy: 'Local' }),
  service('inner-elsewhere', '10.96.0.16', [{}], { internalTrafficPolicy: 'Local' }),
  service('sticky', '10.96.0.17', [{}], { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 100 } } }),
  service('ending', '10.96.0.18', [{}]),
  service('some-ending', '10.96.0.19', [{}]),
  service('external', '10.96.0.20', [{}], { externalIPs: ['198.51.100.1'] }),
  {
    ...service('balanced', '10.96.0.21', [{}], { type: 'LoadBalancer', loadBalancerSourceRanges: ['192.168.77.0/24'] }),
    status: { loadBalancer: { ingress: [{ ip: '198.51.100.3' }] } },
  },
  {
    ...service('guarded', '10.96.0.22', [{ nodePort: 30005 }], { type: 'LoadBalancer', loadBalancerSourceRanges: ['203.0.113.0/24'] }),
    status: { loadBalancer: { ingress: [{ ip: '198.51.100.4' }] } },
  },
  service('two', '10.96.0.23', [
    { name: 'http', port: 80 },
    { name: 'admin', port: 81 },
  ]),
  service('elsewhere', '10.96.0.25', [{ nodePort: 30006 }], { type: 'NodePort' }),
  service('external-local', '10.96.0.26', [{}], { externalIPs: ['198.51.100.5'], externalTrafficPolicy: 'Local' }),
  {
    ...service('by-another', '10.96.0.27', [{}], { type: 'LoadBalancer' }),
    status: { loadBalancer: { ingress: [{ ip: '198.51.100.6', ipMode: 'Proxy' }] } },
  },
  {
    ...service('ranged', '10.96.0.28', [{}], { type: 'LoadBalancer', loadBalancerSourceRanges: ['203.0.113.0/24', '192.168.77.2/32'] }),
    status: { loadBalancer: { ingress: [{ ip: '198.51.100.7' }] } },
  },
  service('self', '10.96.0.29', [{}], { externalIPs: ['198.51.100.8'], externalTrafficPolicy: 'Local' }),
  service('silent', '10.96.0.30', [{ port: 53, protocol: 'UDP' }]),
  service('answers', '10.96.0.31', [{ port: 53, protocol: 'UDP', nodePort: 30007 }], { type: 'NodePort' }),
  service('answers-local', '10.96.0.32', [{ port: 53, protocol: 'UDP', nodePort: 30008 }], {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
  }),
  anothers(),
  service('headless', 'None', [{}]),
  { ...service('named', '10.96.0.24', [{}], { type: 'ExternalName', externalName: 'example.com' }) },
]

export const slices: readonly EndpointSlice[] = [
  slice('web', ['a', 'b', 'c']),
  slice(
    'dns',
    ['a', 'b'],
    [
      { name: 'udp', protocol: 'UDP' },
      { name: 'tcp', port: 8081 },
    ],
  ),
  slice('local', ['a', 'far']),
  slice('local-elsewhere', ['far']),
  slice('inner', ['b', 'far']),
  slice('inner-elsewhere', ['far']),
  slice('sticky', ['a', 'b']),
  slice('ending', [endpoint('a', ending), endpoint('b', ending), endpoint('c', { ready: false, serving: false, terminating: true })]),
  slice('some-ending', ['c', endpoint('b', ending)]),
  slice('external', ['a']),
  slice('balanced', ['a']),
  slice('guarded', ['a']),
  slice('two', ['c'], [{ name: 'http' }, { name: 'admin', port: 8081 }]),
  slice('elsewhere', ['far']),
  slice('external-local', ['a', 'far']),
  slice('by-another', ['a']),
  slice('ranged', ['a']),
  slice('self', ['a']),
  slice('answers', ['a', 'b'], [{ protocol: 'UDP' }]),
  slice('answers-local', ['a', 'far'], [{ protocol: 'UDP' }]),
  slice('anothers', ['a']),
  slice('headless', ['a']),
]

const node = world.nodeAddress

export const cases: readonly Case[] = [
  { name: 'pod to cluster IP: equal shares, own source', from: 'far', to: '10.96.0.10:80', arrives: thirds, source: 'own' },
  { name: 'host to cluster IP', from: 'host', to: '10.96.0.10:80', arrives: thirds, source: 'masqueraded' },
  { name: 'outside to cluster IP', from: 'outside', to: '10.96.0.10:80', arrives: thirds, source: 'masqueraded' },
  { name: 'hairpin', from: 'a', to: '10.96.0.20:80', arrives: { a: 1 }, source: 'masqueraded' },
  { name: 'outside to node port', from: 'outside', to: `${node}:30001`, arrives: thirds, source: 'masqueraded' },
  { name: 'host to its own node port', from: 'host', to: `${node}:30001`, arrives: thirds, source: 'masqueraded' },
  { name: 'localhost node port', from: 'host', to: '127.0.0.1:30001', arrives: thirds, source: 'masqueraded' },
  { name: 'pod to node port', from: 'far', to: `${node}:30001`, arrives: thirds, source: 'masqueraded' },
  { name: 'the cluster port is not on the node', from: 'outside', to: `${node}:80`, arrives: 'nowhere' },
  { name: 'UDP', from: 'far', to: '10.96.0.11:53', protocol: 'udp', arrives: { a: 1 / 2, b: 1 / 2 }, source: 'own' },
  {
    name: 'same address and port, other protocol, other target',
    from: 'far',
    to: '10.96.0.11:53',
    arrives: { a: 1 / 2, b: 1 / 2 },
    source: 'own',
  },
  { name: 'no endpoints, from a pod', from: 'a', to: '10.96.0.12:80', arrives: 'rejected' },
  { name: 'no endpoints, from the host', from: 'host', to: '10.96.0.12:80', arrives: 'rejected' },
  { name: 'no endpoints, node port from outside', from: 'outside', to: `${node}:30002`, arrives: 'rejected' },
  { name: 'no endpoints, node port from the host', from: 'host', to: `${node}:30002`, arrives: 'rejected' },
  { name: 'no endpoints, external IP', from: 'outside', to: '198.51.100.2:80', arrives: 'rejected' },
  { name: 'Local keeps the client and the node', from: 'outside', to: `${node}:30003`, arrives: { a: 1 }, source: 'own' },
  { name: 'Local, from a pod: everywhere', from: 'b', to: `${node}:30003`, arrives: { a: 1 / 2, far: 1 / 2 }, source: 'own' },
  { name: 'Local, from the host: everywhere', from: 'host', to: `${node}:30003`, arrives: { a: 1 / 2, far: 1 / 2 }, source: 'masqueraded' },
  { name: 'Local, nobody here', from: 'outside', to: `${node}:30004`, arrives: 'dropped' },
  { name: 'Local, nobody here, from a pod', from: 'a', to: `${node}:30004`, arrives: { far: 1 }, source: 'own' },
  { name: 'Local, nobody here, cluster IP', from: 'a', to: '10.96.0.14:80', arrives: { far: 1 }, source: 'own' },
  { name: 'internal Local', from: 'a', to: '10.96.0.15:80', arrives: { b: 1 }, source: 'own' },
  { name: 'internal Local, nobody here', from: 'a', to: '10.96.0.16:80', arrives: 'dropped' },
  {
    name: 'only terminating endpoints: those that serve',
    from: 'far',
    to: '10.96.0.18:80',
    arrives: { a: 1 / 2, b: 1 / 2 },
    source: 'own',
  },
  { name: 'terminating beside ready: not used', from: 'far', to: '10.96.0.19:80', arrives: { c: 1 }, source: 'own' },
  { name: 'external IP', from: 'outside', to: '198.51.100.1:80', arrives: { a: 1 }, source: 'masqueraded' },
  { name: 'load balancer, in range', from: 'outside', to: '198.51.100.3:80', arrives: { a: 1 }, source: 'masqueraded' },
  { name: 'load balancer, out of range', from: 'outside', to: '198.51.100.4:80', arrives: 'dropped' },
  { name: 'source ranges do not guard the node port', from: 'outside', to: `${node}:30005`, arrives: { a: 1 }, source: 'masqueraded' },
  { name: 'load balancer, in the second range', from: 'outside', to: '198.51.100.7:80', arrives: { a: 1 }, source: 'masqueraded' },
  { name: 'load balancer, out of range, from a pod', from: 'b', to: '198.51.100.7:80', arrives: 'dropped' },
  { name: 'load balancer whose address another serves', from: 'outside', to: '198.51.100.6:80', arrives: 'nowhere' },
  { name: 'node port, all endpoints elsewhere', from: 'outside', to: `${node}:30006`, arrives: { far: 1 }, source: 'masqueraded' },
  { name: 'external IP, Local', from: 'outside', to: '198.51.100.5:80', arrives: { a: 1 }, source: 'own' },
  { name: 'external IP, Local, from a pod', from: 'b', to: '198.51.100.5:80', arrives: { a: 1 / 2, far: 1 / 2 }, source: 'own' },
  {
    name: 'external IP, Local, from the host',
    from: 'host',
    to: '198.51.100.5:80',
    arrives: { a: 1 / 2, far: 1 / 2 },
    source: 'masqueraded',
  },
  { name: 'hairpin by an external IP, Local', from: 'a', to: '198.51.100.8:80', arrives: { a: 1 }, source: 'masqueraded' },
  { name: 'no endpoints, UDP', from: 'a', to: '10.96.0.30:53', protocol: 'udp', arrives: 'rejected' },
  { name: 'UDP, node port', from: 'outside', to: `${node}:30007`, protocol: 'udp', arrives: { a: 1 / 2, b: 1 / 2 }, source: 'masqueraded' },
  { name: 'UDP, node port, Local', from: 'outside', to: `${node}:30008`, protocol: 'udp', arrives: { a: 1 }, source: 'own' },
  { name: 'TCP to a node port of UDP', from: 'outside', to: `${node}:30007`, arrives: 'nowhere' },
  { name: 'node port of a Service that another proxy serves', from: 'outside', to: `${node}:30009`, arrives: 'nowhere' },
  { name: 'external IP of a Service that another proxy serves', from: 'outside', to: '198.51.100.9:80', arrives: 'nowhere' },
  { name: 'first of two ports', from: 'a', to: '10.96.0.23:80', arrives: { c: 1 }, source: 'own' },
  { name: 'second of two ports', from: 'a', to: '10.96.0.23:81', arrives: { c: 1 }, source: 'own' },
  { name: 'a port that the Service lacks', from: 'a', to: '10.96.0.10:9999', arrives: 'rejected' },
  { name: 'an address that no Service has', from: 'a', to: '10.96.200.200:80', arrives: 'rejected' },
]
