import { describe, expect, test } from 'vitest'
import type { Exec } from '../host/exec.ts'
import { renderCniConfig } from './cni-config.ts'
import { bridgeName, chainNames } from './names.ts'
import { chooseAddress, nodeAddress, nodeAddress6 } from './node-address.ts'
import { jumps, renderPodRules, renderPortmapRemoval } from './pod-rules.ts'

const options = { cluster: 'default', chainTag: '', podCidr: '10.244.0.0/16', nodePodCidr: '10.244.0.0/24' }

describe('names', () => {
  test('links fit the kernel, and long names of clusters stay apart', () => {
    const names = ['default', 'test', 'test2', 'a-very-long-name-of-a-cluster-1', 'a-very-long-name-of-a-cluster-2'].map(bridgeName)
    expect(new Set(names).size).toBe(5)
    for (const name of names) expect(name.length).toBeLessThanOrEqual(15)
  })

  test('chains fit iptables', () => {
    for (const name of Object.values(chainNames('abc'))) expect(name.length).toBeLessThanOrEqual(28)
  })
})

describe('rules', () => {
  test('the whole transaction', () => {
    expect(`\n${renderPodRules(options, 'IPv4', jumps(options))}`).toBe(`
*nat
:OWNKUBE-POD-MASQ - [0:0]
-A OWNKUBE-POD-MASQ -s 10.244.0.0/24 -d 10.244.0.0/16 -j RETURN
-A OWNKUBE-POD-MASQ -s 10.244.0.0/24 -d 224.0.0.0/4 -j RETURN
-A OWNKUBE-POD-MASQ -s 10.244.0.0/24 -j MASQUERADE --random-fully
-A POSTROUTING -m comment --comment "ownkube pod network default" -j OWNKUBE-POD-MASQ
COMMIT
*filter
:OWNKUBE-POD-FWD - [0:0]
-A OWNKUBE-POD-FWD -i okb-37a8eec1ce -j ACCEPT
-A OWNKUBE-POD-FWD -o okb-37a8eec1ce -j ACCEPT
-A FORWARD -m comment --comment "ownkube pod network default" -j OWNKUBE-POD-FWD
COMMIT
`)
  })

  test('the same for IPv6, with the other ranges', () => {
    const dual = { ...options, podCidr: '10.244.0.0/16,fd00:244::/56', nodePodCidr: '10.244.0.0/24,fd00:244::/64' }
    const lines = renderPodRules(dual, 'IPv6', []).split('\n')
    expect(lines.filter((line) => line.includes('-MASQ -s'))).toEqual([
      '-A OWNKUBE-POD-MASQ -s fd00:244::/64 -d fd00:244::/56 -j RETURN',
      '-A OWNKUBE-POD-MASQ -s fd00:244::/64 -d ff00::/8 -j RETURN',
      '-A OWNKUBE-POD-MASQ -s fd00:244::/64 -j MASQUERADE --random-fully',
    ])
    expect(renderPodRules(dual, 'IPv4', [])).toBe(renderPodRules(options, 'IPv4', []))
  })

  test('pods get an address of each range', () => {
    const text = renderCniConfig({ cluster: 'x', nodePodCidr: '10.244.0.0/24,fd00:244::/64', dataDir: '/d' })
    const { plugins } = JSON.parse(text) as { plugins: { ipam?: object }[] }
    expect(plugins[0]?.ipam).toMatchObject({
      ranges: [[{ subnet: '10.244.0.0/24' }], [{ subnet: 'fd00:244::/64' }]],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
    })
  })

  test('a second time no jump is added', () => expect(renderPodRules(options, 'IPv4', [])).not.toMatch(/POSTROUTING|FORWARD/))
})

const dnat = (network: string, chain: string) =>
  `-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"${network}\\" id: \\"ab\\"" -m multiport --dports 80 -j ${chain}`
const saved = (...lines: string[]) =>
  [
    ...['*nat', ':PREROUTING ACCEPT [0:0]', ':CNI-HOSTPORT-DNAT - [0:0]', ':CNI-HOSTPORT-SETMARK - [0:0]'],
    '-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT',
    ...[...lines, 'COMMIT', ''],
  ].join('\n')

describe('host ports of pods that died without a farewell', () => {
  test('the last one takes the shared chains along', () => {
    expect(
      renderPortmapRemoval(saved(dnat('ownkube-test', 'CNI-DN-1'), '-A CNI-DN-1 -p tcp -j CNI-HOSTPORT-SETMARK'), 'ownkube-test')?.split(
        '\n',
      ),
    ).toEqual([
      '*nat',
      dnat('ownkube-test', 'CNI-DN-1').replace('-A', '-D'),
      '-D PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT',
      ...['-F CNI-DN-1', '-F CNI-HOSTPORT-DNAT', '-F CNI-HOSTPORT-SETMARK'],
      ...['-X CNI-DN-1', '-X CNI-HOSTPORT-DNAT', '-X CNI-HOSTPORT-SETMARK'],
      ...['COMMIT', ''],
    ])
  })

  test('others’ stay, though their name begins like ours', () => {
    const text = renderPortmapRemoval(saved(dnat('ownkube-test', 'CNI-DN-1'), dnat('ownkube-test2', 'CNI-DN-2')), 'ownkube-test')
    expect(text?.split('\n').slice(1, -2)).toEqual([dnat('ownkube-test', 'CNI-DN-1').replace('-A', '-D'), '-F CNI-DN-1', '-X CNI-DN-1'])
    expect(renderPortmapRemoval(saved(dnat('ownkube-test2', 'CNI-DN-2')), 'ownkube-test')).toBeUndefined()
  })

  test('nothing there', () => expect(renderPortmapRemoval('*nat\nCOMMIT\n', 'ownkube-test')).toBeUndefined())
})

test('the CNI configuration', () => {
  expect(JSON.parse(renderCniConfig({ cluster: 'default', nodePodCidr: '10.244.0.0/24', dataDir: '/data' }))).toMatchObject({
    name: 'ownkube-default',
    plugins: [
      {
        type: 'bridge',
        bridge: 'okb-37a8eec1ce',
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ipam: { ranges: [[{ subnet: '10.244.0.0/24' }]] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  })
})

describe('the node’s address', () => {
  const link = (ifname: string, local: string, scope = 'global') => ({ ifname, addr_info: [{ family: 'inet', local, scope }] })
  const exec = (answers: Record<string, unknown>): Exec => ({
    async run(_, args) {
      const answer = answers[args.includes('route') ? 'route' : 'address']
      return { code: answer === undefined ? 2 : 0, stdout: answer === undefined ? '' : JSON.stringify(answer), stderr: '' }
    },
  })

  test('is what it would send with', async () => {
    expect(await nodeAddress(exec({ route: [{ dst: '192.0.2.1', dev: 'eth0', prefsrc: '172.16.0.2' }] }))).toBe('172.16.0.2')
  })

  test('without a route, a real interface’s', async () => {
    expect(
      await nodeAddress(exec({ address: [link('lo', '127.0.0.1', 'host'), link('docker0', '172.17.0.1'), link('eth1', '10.1.1.1')] })),
    ).toBe('10.1.1.1')
  })

  test('of IPv6: what it would send with, else a real interface’s, else none', async () => {
    const link6 = (ifname: string, local: string, scope = 'global') => ({ ifname, addr_info: [{ family: 'inet6', local, scope }] })
    expect(await nodeAddress6(exec({ route: [{ dst: '2001:db8::1', dev: 'eth0', prefsrc: 'fd00::2' }] }))).toBe('fd00::2')
    expect(await nodeAddress6(exec({ address: [link6('eth0', 'fe80::1', 'link'), link6('eth1', 'fd00::3')] }))).toBe('fd00::3')
    expect(await nodeAddress6(exec({ address: [link6('lo', '::1', 'host'), link6('okb-37a8eec1ce', 'fd77::1')] }))).toBeUndefined()
  })

  test('without any network, the machine itself', async () => expect(await nodeAddress(exec({}))).toBe('127.0.0.1'))

  test('never one of a pod network’s', () =>
    expect(chooseAddress([link('okb-37a8eec1ce', '10.244.0.1'), link('veth1', '10.0.0.1')])).toBeUndefined())
})
