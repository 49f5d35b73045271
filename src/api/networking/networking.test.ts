import { describe, expect, test } from 'vitest'
import { type Case, changeFaults, created, faultsOf, statusFaults, warningsOf } from '../testing/kind-cases.ts'
import { ingresses } from './ingress.ts'
import { ingressClasses } from './ingress-class.ts'
import { ipAddresses } from './ip-address.ts'
import { networkPolicies } from './network-policy.ts'
import { serviceCidrs } from './service-cidr.ts'

const service = { service: { name: 'web', port: { number: 80 } } }
const path = (fields: object): Record<string, unknown> => ({
  spec: { rules: [{ host: 'a.example.com', http: { paths: [{ path: '/', pathType: 'Prefix', backend: service, ...fields }] } }] },
})
const at = 'spec.rules[0].http.paths[0]'

describe('an Ingress', () => {
  test.each<Case>([
    ['that is sound', path({}), []],
    ['to nowhere', { spec: {} }, ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified']],
    ['of a path of no type', path({ pathType: undefined }), [`${at}.pathType: Required value: pathType must be specified`]],
    ['of a path that is not absolute', path({ path: 'x' }), [`${at}.path: Invalid value: "x": must be an absolute path`]],
    ['of a path that goes up', path({ path: '/a/../b' }), [`${at}.path: Invalid value: "/a/../b": must not contain '/../'`]],
    [
      'to a port of no number or name',
      path({ backend: { service: { name: 'web' } } }),
      [`${at}.backend: Required value: port name or number is required`],
    ],
    [
      'to two places',
      path({ backend: { ...service, resource: { kind: 'Bucket', name: 'b' } } }),
      [`${at}.backend: Invalid value: "": cannot set both resource and service backends`],
    ],
    [
      'of an address',
      { spec: { defaultBackend: service, rules: [{ host: '10.0.0.1' }] } },
      ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
    ],
    ['of a backend that is none', path({ backend: {} }), [`${at}.backend: Invalid value: "": resource or service backend is required`]],
    [
      'of a resource without a name',
      path({ backend: { resource: { apiGroup: 'A', kind: 'a/b', name: '' } } }),
      [
        expect.stringMatching(/resource.apiGroup: Invalid value: "A": a lowercase RFC 1123 subdomain/),
        `${at}.backend.resource.kind: Invalid value: "a/b": may not contain '/'`,
        `${at}.backend.resource.name: Required value`,
      ],
    ],
    [
      'of two classes',
      {
        ...path({}),
        ...{ spec: { ...(path({}).spec as object), ingressClassName: 'a' } },
        metadata: { annotations: { 'kubernetes.io/ingress.class': 'b' } },
      },
      ['annotations.kubernetes.io/ingress.class: Invalid value: "b": must match `ingressClassName` when both are specified'],
    ],
    ['of any name below one', { spec: { defaultBackend: service, rules: [{ host: '*.example.com' }] } }, []],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(ingresses, fields)).toEqual(faults)
  })

  test('has a status of addresses and names, and is warned of its old annotation', () => {
    const status = { loadBalancer: { ingress: [{ ip: '10.0.0.256' }, { hostname: '10.0.0.1' }] } }
    expect(statusFaults(ingresses, path({}), status)).toEqual([
      'status.loadBalancer.ingress[0].ip: Invalid value: "10.0.0.256": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'status.loadBalancer.ingress[1].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
    ])
    expect(warningsOf(ingresses, { ...path({}), metadata: { annotations: { 'kubernetes.io/ingress.class': 'b' } } })).toEqual([
      'annotation "kubernetes.io/ingress.class" is deprecated, please use \'spec.ingressClassName\' instead',
    ])
  })

  test('shows its hosts and addresses', () => {
    const ingress = created(ingresses, {
      spec: { ingressClassName: 'fast', tls: [{}], rules: ['a', 'b', 'c', 'd', 'e'].map((host) => ({ host })) },
    })
    ingress.status = { loadBalancer: { ingress: [{ ip: '10.0.0.2' }, { hostname: 'lb' }] } }
    expect(ingresses.columns.slice(1, 5).map((column) => column.value(ingress, 0))).toEqual([
      'fast',
      'a,b,c + 2 more...',
      '10.0.0.2,lb',
      '80, 443',
    ])
  })
})

describe('an IngressClass', () => {
  const parameters = (fields: object): Record<string, unknown> => ({
    spec: { controller: 'example.com/ingress', parameters: { kind: 'Config', name: 'c', ...fields } },
  })
  test.each<Case>([
    ['that is sound', parameters({}), []],
    ['of nobody', { spec: {} }, ['spec.controller: Required value']],
    [
      'of somebody without a domain',
      { spec: { controller: 'ingress' } },
      ['spec.controller: Invalid value: "ingress": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [
      'whose settings lie in an unnamed namespace',
      parameters({ scope: 'Namespace' }),
      ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
    ],
    [
      'whose settings lie in none and one',
      parameters({ scope: 'Cluster', namespace: 'x' }),
      ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(ingressClasses, fields)).toEqual(faults)
  })
})

describe('a NetworkPolicy', () => {
  const from = (peer: object, port?: object): Record<string, unknown> => ({
    spec: { ingress: [{ from: [peer], ...(port ? { ports: [port] } : {}) }] },
  })
  const peer = 'spec.ingress[0].from[0]'
  const any = { podSelector: {} }
  test('is filled in', () => {
    expect(created(networkPolicies, { spec: { ingress: [{ ports: [{ port: 80 }] }] } }).spec).toEqual({
      podSelector: {},
      ingress: [{ ports: [{ port: 80, protocol: 'TCP' }] }],
      policyTypes: ['Ingress'],
    })
    expect(created(networkPolicies, { spec: { egress: [{}] } }).spec?.policyTypes).toEqual(['Ingress', 'Egress'])
  })

  test.each<Case>([
    ['that is sound', from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }, { port: 80, endPort: 90 }), []],
    ['from nobody', from({}), [`${peer}: Required value: must specify a peer`]],
    [
      'from two kinds of places',
      from({ ...any, ipBlock: { cidr: '10.0.0.0/8' } }),
      [`${peer}: Forbidden: may not specify both ipBlock and another peer`],
    ],
    [
      'from all but somewhere else',
      from({ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }),
      [`${peer}.ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of \`cidr\``],
    ],
    [
      'to ports that run backwards',
      from(any, { port: 80, endPort: 70 }),
      ['spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`'],
    ],
    [
      'to ports from a name on',
      from(any, { port: 'http', endPort: 70 }),
      ['spec.ingress[0].ports[0].endPort: Invalid value: 70: may not be specified when `port` is non-numeric'],
    ],
    [
      'of an unknown kind',
      { spec: { policyTypes: ['Sideways'] } },
      ['spec.policyTypes[0]: Unsupported value: "Sideways": supported values: "Ingress", "Egress"'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(networkPolicies, fields)).toEqual(faults)
  })
})

const address = (name: string, parentRef?: object): Record<string, unknown> => ({
  metadata: { name },
  spec: parentRef ? { parentRef } : {},
})
const parent = { resource: 'services', namespace: 'default', name: 'web' }

describe('an IPAddress', () => {
  test.each<Case>([
    ['that is sound', address('2001:db8::1', parent), []],
    ['that is none', address('web', parent), ['metadata.name: Invalid value: "web": must be a valid IP address in canonical form']],
    [
      'written the long way',
      address('2001:db8:0::1', parent),
      ['metadata.name: Invalid value: "2001:db8:0::1": must be a valid IP address in canonical form'],
    ],
    ['of nobody', address('10.0.0.1'), ['spec.parentRef: Required value']],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(ipAddresses, fields)).toEqual(faults)
  })

  test('says whose it is', () => {
    expect(ipAddresses.columns[1]?.value(created(ipAddresses, address('10.0.0.1', { ...parent, group: 'example.com' })), 0)).toBe(
      'services.example.com/default/web',
    )
  })
})

describe('a ServiceCIDR', () => {
  const cidrs = (...values: string[]): Record<string, unknown> => ({ spec: { cidrs: values } })
  test.each<Case>([
    ['that is sound', cidrs('10.0.0.0/16', '2001:db8::/108'), []],
    ['of nothing', cidrs(), ['spec.cidrs: Required value: at least one CIDR required']],
    [
      'of one family twice',
      cidrs('10.0.0.0/16', '10.1.0.0/16'),
      [expect.stringContaining('may specify no more than one IP for each IP family')],
    ],
    [
      'that is no network',
      cidrs('10.0.0.0'),
      ['spec.cidrs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
    ],
  ])('%s', (_, fields, faults) => {
    expect(faultsOf(serviceCidrs, fields)).toEqual(faults)
  })

  test('may get a second family and change no more', () => {
    expect(changeFaults(serviceCidrs, cidrs('10.0.0.0/16'), cidrs('10.0.0.0/16', '2001:db8::/108'))).toEqual([])
    expect(changeFaults(serviceCidrs, cidrs('10.0.0.0/16'), cidrs('10.1.0.0/16'))).toEqual([
      'spec.cidrs: Invalid value: ["10.1.0.0/16"]: field is immutable',
    ])
  })
})
