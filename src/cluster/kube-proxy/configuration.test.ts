import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { configurationOf, idleSettings } from './configuration.ts'
import { configurationValues, defaultConfigurationText } from './configuration-file.ts'
import { wantedSettings } from './conntrack-settings.ts'
import { durationText, parseDuration, type SettingValue } from './settings.ts'

const head = { apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration' }
const fromFile = (fields: object) => configurationOf(configurationValues({ ...head, ...fields }, 'f'), 'Host')
const configured = (values: Record<string, SettingValue>) => configurationOf(new Map(Object.entries(values)), 'Host')

/** What kubeadm writes: zeros stand for defaults. */
const kubeadm = `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection: { acceptContentTypes: "", burst: 0, contentType: "", kubeconfig: /var/lib/kube-proxy/kubeconfig.conf, qps: 0 }
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack: { maxPerCore: null, min: null, tcpBeLiberal: false, tcpCloseWaitTimeout: null, tcpEstablishedTimeout: null, udpStreamTimeout: 0s, udpTimeout: 0s }
detectLocal: { bridgeInterface: "", interfaceNamePrefix: "" }
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables: { localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s }
ipvs: { excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "", strictARP: false, syncPeriod: 0s, tcpFinTimeout: 0s, tcpTimeout: 0s, udpTimeout: 0s }
logging: { flushFrequency: 0, options: { json: { infoBufferSize: "0" }, text: { infoBufferSize: "0" } }, verbosity: 0 }
metricsBindAddress: ""
mode: ""
nftables: { masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s }
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel: { enableDSR: false, forwardHealthCheckVip: false, networkName: "", rootHnsEndpointName: "", sourceVip: "" }
`

describe('a configuration file', () => {
  test('as kubeadm writes it is the default configuration with a kubeconfig and a range', () => {
    const values = configurationValues(parse(kubeadm), 'f')
    expect(configurationOf(values, 'Host')).toEqual({
      ...configured({}),
      kubeconfig: '/var/lib/kube-proxy/kubeconfig.conf',
      podTraffic: { IPv4: { by: 'source', cidr: '10.244.0.0/16' }, IPv6: undefined },
    })
    expect(idleSettings(values).map(({ setting }) => setting.path)).toEqual(['logging.options'])
  })

  test('that is written on demand says what holds without one', async () => {
    expect(configurationOf(configurationValues(parse(await defaultConfigurationText()), 'f'), 'Host')).toEqual(configured({}))
  })

  test.each<[object, RegExp]>([
    [{ clusterCidr: 'x' }, /unknown field "clusterCidr"/],
    [{ iptables: { masquerade: 1 } }, /unknown field "iptables.masquerade"/],
    [{ oomScoreAdj: 'x' }, /oomScoreAdj: "x" is not a number/],
    [{ iptables: { syncPeriod: 'soon' } }, /iptables.syncPeriod: "soon" is not a time/],
    [{ nodePortAddresses: 'primary' }, /is not a list/],
  ])('with something wrong is refused: %j', (fields, message) => expect(() => fromFile(fields)).toThrow(message))

  test('of another kind is refused', () => {
    expect(() => configurationValues({ ...head, kind: 'KubeletConfiguration' }, 'f')).toThrow(/not a KubeProxyConfiguration/)
  })

  test('may set to zero what zero means something for', () => {
    const { conntrack, masqueradeBit, oomScoreAdj } = fromFile({
      conntrack: { maxPerCore: 0, tcpEstablishedTimeout: '0s' },
      iptables: { masqueradeBit: 0 },
      oomScoreAdj: 0,
    })
    expect([conntrack.maxPerCore, conntrack.tcpEstablishedSeconds, masqueradeBit.iptables, oomScoreAdj]).toEqual([0, undefined, 0, 0])
  })
})

describe('what settings mean', () => {
  test('without any: the host is the node, everything at its usual place', () => {
    expect(configured({})).toMatchObject({
      nodeName: 'host',
      mode: undefined,
      healthAddress: { host: '0.0.0.0', port: 10256 },
      metricsAddress: { host: '127.0.0.1', port: 10249 },
      mustListen: false,
      masqueradeBit: { iptables: 14 },
      localhostNodePorts: true,
    })
  })

  test.each<[string, Record<string, SettingValue>, object]>([
    [
      'both families',
      { clusterCIDR: '10.1.2.3/8,FD00::/48' },
      { IPv4: { by: 'source', cidr: '10.0.0.0/8' }, IPv6: { by: 'source', cidr: 'fd00::/48' } },
    ],
    ['the node’s range', { detectLocalMode: 'NodeCIDR', clusterCIDR: '10.0.0.0/8' }, { IPv4: 'node', IPv6: 'node' }],
    ['a bridge', { detectLocalMode: 'BridgeInterface', 'detectLocal.bridgeInterface': 'br0' }, { IPv4: { by: 'interface', name: 'br0' } }],
    [
      'interfaces',
      { detectLocalMode: 'InterfaceNamePrefix', 'detectLocal.interfaceNamePrefix': 'cali' },
      { IPv6: { by: 'interface', name: 'cali*' } },
    ],
  ])('pods’ traffic by %s', (_name, values, traffic) => expect(configured(values).podTraffic).toMatchObject(traffic))

  test.each<[readonly string[], object]>([
    [[], { IPv4: undefined, IPv6: undefined }],
    [['primary'], { IPv4: ['primary'], IPv6: ['primary'] }],
    [['10.1.0.0/16', 'localhost'], { IPv4: ['10.1.0.0/16', '127.0.0.0/8'], IPv6: ['::1/128'] }],
    [['10.1.0.0/16'], { IPv4: ['10.1.0.0/16'], IPv6: [] }],
    [['all', '10.1.0.0/16'], { IPv4: [], IPv6: [] }],
  ])('node ports at %j', (nodePortAddresses, expected) => expect(configured({ nodePortAddresses }).nodePortAddresses).toEqual(expected))

  test.each<[string, object | undefined]>([
    ['', undefined],
    ['0.0.0.0:0', undefined],
    ['10.0.0.1', { host: '10.0.0.1', port: 10249 }],
    ['[::]:9999', { host: '::', port: 9999 }],
    ['[fd00::1]', { host: 'fd00::1', port: 10249 }],
  ])('metrics at "%s"', (metricsBindAddress, expected) => expect(configured({ metricsBindAddress }).metricsAddress).toEqual(expected))

  test('an IPv6 node serves there', () => {
    expect(configured({ bindAddress: 'fd00::1' })).toMatchObject({
      nodeAddress: 'fd00::1',
      healthAddress: { host: '::' },
      metricsAddress: { host: '::1' },
    })
  })

  test.each<[Record<string, SettingValue>, RegExp]>([
    [{ mode: 'ipvs' }, /no ipvs mode here: leave --proxy-mode out/],
    [{ mode: 'userspace' }, /must be iptables,nftables or blank/],
    [{ bindAddress: 'here' }, /bindAddress: Invalid value: "here": not a valid textual representation of an IP address/],
    [{ clusterCIDR: '10.0.0.0' }, /must be a valid CIDR block/],
    [{ clusterCIDR: '10.0.0.0/8,11.0.0.0/8' }, /must be a valid DualStack CIDR/],
    [{ clusterCIDR: '10.0.0.0/8,fd00::/8,fd01::/16' }, /only one CIDR allowed/],
    [{ detectLocalMode: 'Guess' }, /must be ClusterCIDR,NodeCIDR/],
    [{ detectLocalMode: 'BridgeInterface' }, /must be the name of an interface/],
    [{ nodePortAddresses: ['eth0'] }, /must be a valid CIDR block, 'primary'/],
    [{ metricsBindAddress: 'localhost:1' }, /must be IP:port/],
    [{ metricsBindAddress: '1.2.3.4:99999' }, /must be a valid port/],
    [{ 'iptables.masqueradeBit': 32 }, /within the range \[0, 31\]/],
    [{ 'iptables.syncPeriod': 1000, 'iptables.minSyncPeriod': 2000 }, /greater than or equal to iptables.minSyncPeriod/],
    [{ 'linux.oomScoreAdj': 2000 }, /within the range \[-1000, 1000\]/],
    [{ 'linux.conntrack.min': -1 }, /greater than or equal to 0/],
  ])('%j is refused', (values, message) => expect(() => configured(values)).toThrow(message))

  test('all faults are told at once', () => {
    expect(() => configured({ mode: 'x', bindAddress: 'y' })).toThrow(/mode.*\n.*bindAddress|bindAddress.*\n.*mode/s)
  })
})

test('connection tracking: a core’s share or the least, and never less than somebody set', () => {
  const { conntrack } = configured({})
  const max = (cores: number, now: number) =>
    wantedSettings(conntrack, cores, { max: now }).find(([file]) => file === 'nf_conntrack_max')?.[1]
  expect([max(2, 1000), max(8, 1000), max(8, 1_000_000)]).toEqual([131072, 262144, undefined])
  expect(wantedSettings(conntrack, 1, { max: 0 })).toContainEqual(['nf_conntrack_tcp_timeout_established', 86400])
  expect(wantedSettings(configured({ 'linux.conntrack.maxPerCore': 0 }).conntrack, 1, { max: 0 }).map(([file]) => file)).not.toContain(
    'nf_conntrack_max',
  )
})

test.each<[string, number | undefined]>([
  ['0', 0],
  ['30s', 30_000],
  ['1h30m', 5_400_000],
  ['250ms', 250],
  ['1.5s', 1500],
  ['-1s', -1000],
  ['5', undefined],
  ['s', undefined],
  ['1d', undefined],
])('the time %s is %s ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
  if (ms !== undefined && ms >= 0) expect(parseDuration(durationText(ms))).toBe(ms)
})
