import { describe, expect, test } from 'vitest'
import type { FieldError } from '../../machinery/field-error.ts'
import type { Service, ServiceSpec } from '../generated/types.ts'
import { services } from './service.ts'

function serviceOf(spec: ServiceSpec): Service {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: structuredClone(spec),
  } as Service
  services.setDefaults(service)
  return service
}

function created(spec: ServiceSpec): Service {
  const service = serviceOf(spec)
  services.prepareForCreate(service)
  return service
}

const texts = (faults: readonly FieldError[]): string[] => faults.map((fault) => `${fault.field}: ${fault.message}`)
const check = (spec: ServiceSpec): string[] => texts(services.validate(created(spec)))

describe('a Service is filled in', () => {
  test('with type, affinity, policy, protocol and target port', () => {
    expect(serviceOf({ ports: [{ port: 80 }] }).spec).toEqual({
      type: 'ClusterIP',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    })
  })

  test('with an external policy where clients come from outside', () => {
    expect(serviceOf({ type: 'NodePort', ports: [{ port: 80 }] }).spec.externalTrafficPolicy).toBe('Cluster')
    expect(serviceOf({ externalIPs: ['1.2.3.4'], ports: [{ port: 80 }] }).spec.externalTrafficPolicy).toBe('Cluster')
  })

  test('with three hours of stickiness', () => {
    expect(serviceOf({ sessionAffinity: 'ClientIP' }).spec.sessionAffinityConfig).toEqual({ clientIP: { timeoutSeconds: 10800 } })
  })
})

describe('a Service', () => {
  test.each<[string, ServiceSpec, string[]]>([
    ['that is sound', { ports: [{ port: 80, targetPort: 'http' }] }, []],
    ['without ports', {}, ['spec.ports: Required value']],
    ['without ports but headless', { clusterIP: 'None' }, []],
    [
      'with a port out of range',
      { ports: [{ port: 70000, targetPort: 80 }] },
      ['spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive'],
    ],
    [
      'with a target of no possible name',
      { ports: [{ port: 80, targetPort: 'a_b' }] },
      ['spec.ports[0].targetPort: Invalid value: "a_b": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)'],
    ],
    ['with unnamed ports among many', { ports: [{ port: 80, name: 'a' }, { port: 81 }] }, ['spec.ports[1].name: Required value']],
    [
      'with two ports of one name',
      {
        ports: [
          { port: 80, name: 'a' },
          { port: 81, name: 'a' },
        ],
      },
      ['spec.ports[1].name: Duplicate value: "a"'],
    ],
    [
      'with one port twice',
      {
        ports: [
          { port: 80, name: 'a' },
          { port: 80, name: 'b' },
        ],
      },
      ['spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}'],
    ],
    [
      'with one port for TCP and UDP',
      {
        ports: [
          { port: 53, name: 'a' },
          { port: 53, name: 'b', protocol: 'UDP' },
        ],
      },
      [],
    ],
    [
      'with a node port but inside only',
      { ports: [{ port: 80, nodePort: 30001 }] },
      ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ],
    [
      'of an unknown type',
      { type: 'Magic', ports: [{ port: 80 }] },
      ['spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'],
    ],
    [
      'that is headless and open to the outside',
      { type: 'NodePort', clusterIP: 'None', ports: [{ port: 80 }] },
      ['spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services'],
    ],
    [
      'with an address that is none',
      { clusterIP: '10.96.0', ports: [{ port: 80 }] },
      ['spec.clusterIPs[0]: Invalid value: "10.96.0": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ],
    ['that is an alias of nothing', { type: 'ExternalName' }, ['spec.externalName: Required value']],
    ['that is an alias', { type: 'ExternalName', externalName: 'example.com.' }, []],
    [
      'that sticks too long',
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } }, ports: [{ port: 80 }] },
      ['spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400'],
    ],
    [
      'with an external policy but inside only',
      { externalTrafficPolicy: 'Local', ports: [{ port: 80 }] },
      ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
    ],
    [
      'with a first address beside its list',
      { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.2'], ports: [{ port: 80 }] },
      ['spec.clusterIPs: Invalid value: ["10.96.0.2"]: first value must match `clusterIP`'],
    ],
    [
      'with two addresses of a family',
      { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1', '10.96.0.2'], ports: [{ port: 80 }] },
      ['spec.clusterIPs: Invalid value: ["10.96.0.1","10.96.0.2"]: may specify no more than one IP for each IP family'],
    ],
    [
      'with an address of another family',
      { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ipFamilies: ['IPv6'], ports: [{ port: 80 }] },
      ['spec.clusterIPs[0]: Invalid value: "10.96.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`'],
    ],
    [
      'of a family twice',
      { ipFamilies: ['IPv4', 'IPv4'], ipFamilyPolicy: 'Single', ports: [{ port: 80 }] },
      [
        'spec.ipFamilies[1]: Duplicate value: "IPv4"',
        'spec.ipFamilyPolicy: Unsupported value: "Single": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
      ],
    ],
    [
      'with ranges but no balancer',
      { loadBalancerSourceRanges: [' 10.0.0.0/8'], loadBalancerClass: 'a/b', ports: [{ port: 80 }] },
      [
        "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
      ],
    ],
    [
      'balanced from ranges that are none',
      { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.1/8'], ports: [{ port: 80 }] },
      ['spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length'],
    ],
    [
      'that prefers something else',
      { trafficDistribution: 'PreferFar', ports: [{ port: 80 }] },
      ['spec.trafficDistribution: Unsupported value: "PreferFar": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"'],
    ],
    [
      'at a loopback address',
      { externalIPs: ['127.0.0.1'], ports: [{ port: 80 }] },
      ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    ],
  ])('%s', (_, spec, faults) => expect(check(spec)).toEqual(faults))
})

describe('an update of a Service', () => {
  const stored = created({
    type: 'NodePort',
    clusterIP: '10.96.0.7',
    ports: [
      { name: 'http', port: 80, nodePort: 30001 },
      { name: 'admin', port: 81, nodePort: 30002 },
    ],
  })

  function update(spec: ServiceSpec, previous = stored): Service {
    const service = serviceOf(spec)
    services.prepareForUpdate(service, previous)
    return service
  }
  const faults = (service: Service, previous = stored) =>
    texts([...services.validateUpdate(service, previous), ...services.validate(service)])

  test('that leaves out what the server chose keeps it, ports by their names', () => {
    const { spec } = update({
      type: 'NodePort',
      ports: [
        { name: 'admin', port: 8081 },
        { name: 'http', port: 80 },
        { name: 'new', port: 90 },
      ],
    })
    expect(spec.clusterIP).toBe('10.96.0.7')
    expect(spec.clusterIPs).toEqual(['10.96.0.7'])
    expect(spec.ports?.map((port) => port.nodePort)).toEqual([30002, 30001, undefined])
  })

  test('does not keep a node port that another port now asks for', () => {
    const { spec } = update({
      type: 'NodePort',
      ports: [
        { name: 'http', port: 80 },
        { name: 'other', port: 82, nodePort: 30001 },
      ],
    })
    expect(spec.ports?.map((port) => port.nodePort)).toEqual([undefined, 30001])
  })

  test('to ClusterIP gives node ports and the external policy up', () => {
    const service = update({ ...stored.spec, type: 'ClusterIP' })
    expect(service.spec.ports?.map((port) => port.nodePort)).toEqual([undefined, undefined])
    expect(service.spec).not.toHaveProperty('externalTrafficPolicy')
    expect(faults(service)).toEqual([])
  })

  test('to an alias gives the address up', () => {
    const service = update({ ...stored.spec, type: 'ExternalName', externalName: 'example.com' })
    expect(service.spec.clusterIP).toBeUndefined()
    expect(faults(service)).toEqual([])
  })

  test('cannot change the address', () => {
    const service = update({ ...stored.spec, clusterIP: '10.96.0.8' })
    expect(faults(service)).toEqual(['spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set'])
  })
})

describe('a Service of two families', () => {
  const of = (fields: ServiceSpec): Service => serviceOf({ type: 'ClusterIP', clusterIP: '10.96.0.7', ports: [{ port: 80 }], ...fields })
  const dual = { clusterIPs: ['10.96.0.7', 'fd00::7'], ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'PreferDualStack' }
  const one = { clusterIPs: ['10.96.0.7'], ipFamilies: ['IPv4'] }

  test.each<[string, ServiceSpec, ServiceSpec, string[]]>([
    ['gives one back', dual, { ...one, ipFamilyPolicy: 'SingleStack' }, []],
    [
      'gives one back only when it wants one',
      dual,
      { ...one, ipFamilyPolicy: 'PreferDualStack' },
      [
        'spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be set to \'SingleStack\' when releasing the secondary clusterIP',
        'spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be set to \'SingleStack\' when releasing the secondary ipFamily',
      ],
    ],
    ['gets a second', one, dual, []],
    [
      'keeps its second',
      dual,
      { ...dual, clusterIPs: ['10.96.0.7', 'fd00::8'] },
      ['spec.clusterIPs[1]: Invalid value: ["10.96.0.7","fd00::8"]: may not change once set'],
    ],
    ['has one again when it was headless', { clusterIP: 'None', clusterIPs: ['None'] }, { clusterIP: 'None', clusterIPs: ['None'] }, []],
  ])('%s', (_, before, after, faults) => expect(texts(services.validateUpdate(of(after), of(before)))).toEqual(faults))
})

describe('the status of a Service', () => {
  const at = (ingress: object[], spec: ServiceSpec = { type: 'LoadBalancer', ports: [{ port: 80 }] }): string[] => {
    const service = { ...serviceOf(spec), status: { loadBalancer: { ingress } } }
    services.setDefaults(service)
    return texts(services.validateStatusUpdate(service, serviceOf(spec), 'status'))
  }
  const path = 'status.loadBalancer.ingress'

  test.each<[string, object[], string[]]>([
    ['is an address', [{ ip: '1.2.3.4' }, { hostname: 'a.example' }], []],
    [
      'is not a place to go in some way',
      [{ ip: '1.2.3.4', ipMode: 'Walk' }],
      [`${path}[0].ipMode: Unsupported value: "Walk": supported values: "Proxy", "VIP"`],
    ],
    [
      'names a way only of an address',
      [{ hostname: 'a.example', ipMode: 'VIP' }],
      [`${path}[0].ipMode: Forbidden: may not be specified when \`ip\` is not set`],
    ],
    [
      'has no address for a name',
      [{ hostname: '1.2.3.4' }],
      [`${path}[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address`],
    ],
  ])('%s', (_, ingress, faults) => expect(at(ingress)).toEqual(faults))

  test('is a balancer’s alone', () => {
    expect(at([{ ip: '1.2.3.4' }], { ports: [{ port: 80 }] })).toEqual([
      `${path}: Forbidden: may only be used when \`spec.type\` is LoadBalancer`,
    ])
  })
})

describe('a Service is warned of', () => {
  test.each<[string, ServiceSpec, string[]]>([
    ['nothing', { ports: [{ port: 80 }] }, []],
    [
      'what headless ones have not',
      { clusterIP: 'None', sessionAffinity: 'ClientIP', externalIPs: ['fd00:0::1'] },
      [
        'spec.externalIPs is ignored for headless services',
        'spec.SessionAffinity is ignored for headless services',
        'spec.externalIPs[0]: IPv6 address "fd00:0::1" should be in RFC 5952 canonical format ("fd00::1")',
      ],
    ],
    ['an alias that it is not', { externalName: 'a.example' }, ['spec.externalName is ignored when spec.type is not "ExternalName"']],
    [
      'an old word',
      { trafficDistribution: 'PreferClose' },
      ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'],
    ],
  ])('%s', (_, spec, warnings) => expect(services.warnings(created(spec), undefined)).toEqual(warnings))
})

describe('a row of kubectl get services', () => {
  test.each<[string, ServiceSpec, Service['status'], string[]]>([
    ['inside', { clusterIP: '10.96.0.7', ports: [{ port: 80 }] }, {}, ['ClusterIP', '10.96.0.7', '<none>', '80/TCP']],
    [
      'node ports',
      {
        type: 'NodePort',
        clusterIP: '10.96.0.8',
        ports: [
          { port: 80, nodePort: 30001 },
          { port: 53, protocol: 'UDP' },
        ],
      },
      {},
      ['NodePort', '10.96.0.8', '<none>', '80:30001/TCP,53/UDP'],
    ],
    ['headless', { clusterIP: 'None' }, {}, ['ClusterIP', 'None', '<none>', '<none>']],
    ['alias', { type: 'ExternalName', externalName: 'example.com' }, {}, ['ExternalName', '<none>', 'example.com', '<none>']],
    ['waiting balancer', { type: 'LoadBalancer', clusterIP: '10.96.0.9' }, {}, ['LoadBalancer', '10.96.0.9', '<pending>', '<none>']],
    [
      'balancer',
      { type: 'LoadBalancer', clusterIP: '10.96.0.9' },
      { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } },
      ['LoadBalancer', '10.96.0.9', '1.2.3.4', '<none>'],
    ],
  ])('%s', (_, spec, status, row) => {
    const service = { ...created(spec), status }
    expect(services.columns.slice(1, 5).map((column) => column.value(service, 0))).toEqual(row)
  })
})
