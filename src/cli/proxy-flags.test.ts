import { expect, test } from 'vitest'
import { settings } from '../cluster/kube-proxy/settings.ts'
import { parseProxyFlags, proxyHelp } from './proxy-flags.ts'

test('flags as kube-proxy takes them', () => {
  const flags = parseProxyFlags([
    '--kubeconfig=/k',
    '--cluster-cidr',
    '10.0.0.0/8',
    '--masquerade-all',
    '--iptables-localhost-nodeports=false',
    '--iptables-sync-period',
    '1m',
    '--nodeport-addresses=10.0.0.0/8,primary',
    '--feature-gates=A=true,B=false',
    '-v=4',
    '--master=https://x',
  ])
  expect(Object.fromEntries(flags.values)).toEqual({
    'clientConnection.kubeconfig': '/k',
    clusterCIDR: '10.0.0.0/8',
    'iptables.masqueradeAll': true,
    'nftables.masqueradeAll': true,
    'iptables.localhostNodePorts': false,
    'iptables.syncPeriod': 60_000,
    'nftables.syncPeriod': 60_000,
    nodePortAddresses: ['10.0.0.0/8', 'primary'],
    featureGates: { A: true, B: false },
    'logging.verbosity': 4,
  })
  expect([flags.action, flags.master, flags.config]).toEqual(['run', 'https://x', undefined])
})

test.each<[string[], object | string]>([
  [['cleanup'], 'cleanup'],
  [['--cleanup'], 'cleanup'],
  [['--cleanup=false'], 'run'],
  [['--init-only'], 'init'],
  [['-h'], 'help'],
  [['--version'], 'version'],
  [['--write-config-to', '/f'], { writeConfigTo: '/f' }],
])('%j asks for %j', (args, action) => expect(parseProxyFlags(args).action).toEqual(action))

test.each<[string, number]>([
  ['-v 2', 2],
  ['-v2', 2],
  ['--v=2', 2],
])('%s is how much is logged', (text, level) => expect(parseProxyFlags(text.split(' ')).values.get('logging.verbosity')).toBe(level))

test('the old port flags', () => {
  expect(parseProxyFlags(['--healthz-port=0', '--metrics-port=1']).values).toEqual(
    new Map([
      ['healthzBindAddress', ''],
      ['metricsBindAddress', '127.0.0.1:1'],
    ]),
  )
})

test.each([
  [['--kubeconf', 'x'], 'unknown flag: --kubeconf'],
  [['serve'], 'unknown argument "serve"'],
  [['--master'], 'flag needs an argument: --master'],
  [['--oom-score-adj=x'], '--oom-score-adj: "x" is not a number'],
  [['--masquerade-all=maybe'], 'is not true or false'],
  [['--config-sync-period=5'], 'is not a time'],
  [['--feature-gates=A'], 'is not name=true|false'],
  [['--metrics-port=x'], 'is not a port'],
])('%j is refused', (args, message) => expect(() => parseProxyFlags(args)).toThrow(message))

test('the help names every flag', () => {
  for (const { flag } of settings) if (flag) expect(proxyHelp()).toContain(`--${flag} `)
})

test.each([
  [[], undefined],
  [['--socket-lb'], { cgroup: undefined }],
  [['--socket-lb=false'], undefined],
  [['--socket-lb-cgroup', '/sys/fs/cgroup/pods'], { cgroup: '/sys/fs/cgroup/pods' }],
])('%j: which sockets are balanced', (args, expected) => expect(parseProxyFlags(args).socketLb).toEqual(expected))

test('the help is one table: all explanations begin in one column', () => {
  const rows = proxyHelp()
    .split('\n')
    .filter((line) => line.startsWith('  -'))
  expect(rows).toContainEqual(expect.stringMatching(/^ {2}-v, --v {2,}how much is logged/))
  expect(new Set(rows.map((row) => /^ {2}(?:-v, )?--\S+ +/.exec(row)?.[0].length))).toEqual(new Set([41]))
})
