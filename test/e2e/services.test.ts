import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OutsideHost } from '../../src/cluster/demo/outside-host.ts'
import { systemExec } from '../../src/host/exec.ts'
import { TestCluster } from './harness/cluster.ts'
import { eventually, run } from './harness/command.ts'
import { deployment, nameServer, pod, service } from './harness/manifests.ts'

/**
 * Services with real packets. Each fault of the system in the articles that this project grew from has its case here:
 * it is named in the test's title.
 */
const image = 'ownkube.test/busybox:1'
const nodeImage = 'ownkube.test/node:1'
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('services')
  await cluster.importBusybox(image)
  await cluster.apply(pod('client', [{ image, command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done'] }]))
  await cluster.apply(deployment('web', 3, nameServer(image, [8080, 9090])))
  await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
  await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=60s'])
})
afterAll(async () => {
  await cluster?.remove()
})

const clusterIp = (name: string, namespace = 'default'): Promise<string> =>
  cluster.must(['-n', namespace, 'get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}'])
const nodeIp = (): Promise<string> =>
  cluster.must(['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'])
const podNames = async (selector: string): Promise<string[]> =>
  (await cluster.must(['get', 'pods', '-l', selector, '-o', 'jsonpath={.items[*].metadata.name}'])).split(' ').filter(Boolean).sort()

/** Asks from inside the client pod, each time over a new connection; answers which pod spoke. */
async function askFromPod(target: string, times: number, podName = 'client'): Promise<string[]> {
  const { stdout } = await cluster.kubectl([
    'exec',
    podName,
    '--',
    'sh',
    '-c',
    `for i in $(seq ${times}); do timeout 2 wget -qO- http://${target}/ || echo failed; done`,
  ])
  return stdout.trim().split('\n')
}

async function askFromNode(target: string): Promise<string> {
  const { stdout, code } = await run('busybox', ['timeout', '2', 'busybox', 'wget', '-qO-', `http://${target}/`])
  return code === 0 ? stdout.trim() : 'failed'
}

/** The number of answers each pod gave must be what equal shares make likely: further off than this happens once in 10^6 runs. */
function expectEqualShares(answers: readonly string[], pods: readonly string[]): void {
  const share = 1 / pods.length
  const expected = answers.length * share
  const allowed = 5 * Math.sqrt(answers.length * share * (1 - share))
  for (const name of pods) {
    const count = answers.filter((answer) => answer === name).length
    expect(Math.abs(count - expected), `${name} answered ${count} of ${answers.length}`).toBeLessThan(allowed)
  }
}

describe('Services', () => {
  it('lead from pod and node to every ready pod, in equal shares, also after endpoints change', async () => {
    await cluster.apply(service('web', { app: 'web' }, [{ port: 3001, targetPort: 8080 }]))
    const target = `${await clusterIp('web')}:3001`
    await eventually(async () => expect(await podNames('app=web')).toContain(await askFromNode(target)))
    expectEqualShares(await askFromPod(target, 300), await podNames('app=web'))
    await cluster.must(['scale', 'deployment/web', '--replicas=4'])
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s'])
    await eventually(async () => expect(new Set(await askFromPod(target, 40)).size).toBe(4))
    expectEqualShares(await askFromPod(target, 400), await podNames('app=web'))
    await cluster.must(['scale', 'deployment/web', '--replicas=3'])
    await eventually(async () => expect(await podNames('app=web')).toHaveLength(3))
    expectEqualShares(await askFromPod(target, 300), await podNames('app=web'))
  })

  it('a recreated pod leaves no old address in the rules', async () => {
    const target = `${await clusterIp('web')}:3001`
    for (const name of await podNames('app=web')) await cluster.must(['delete', 'pod', name])
    await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s'])
    await eventually(async () => {
      const answers = await askFromPod(target, 60)
      expect(new Set(answers)).toEqual(new Set(await podNames('app=web')))
    })
    const addresses = (await cluster.must(['get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].status.podIP}'])).split(' ').sort()
    const slices = await cluster.must([
      'get',
      'endpointslices',
      '-l',
      'kubernetes.io/service-name=web',
      '-o',
      'jsonpath={.items[*].endpoints[*].addresses[*]}',
    ])
    expect(slices.split(' ').sort()).toEqual(addresses)
  })

  it('gives every Service an address of its own, and refuses one that is taken', async () => {
    const names = ['a1', 'a2', 'a3', 'a4', 'a5']
    await Promise.all(names.map((name) => cluster.apply(service(name, { app: 'web' }, [{ port: 80, targetPort: 8080 }]))))
    const addresses = await Promise.all(names.map((name) => clusterIp(name)))
    expect(new Set(addresses).size).toBe(names.length)
    const taken = await cluster.kubectl(['apply', '-f', '-'], {
      input: service('thief', { app: 'web' }, [{ port: 80 }], { clusterIP: addresses[0] }),
    })
    expect(taken.code).toBe(1)
    expect(taken.stderr).toMatch(/spec\.clusterIPs?: Invalid value: .*provided IP is already allocated/)
    await cluster.must(['delete', 'service', ...names])
  })

  it('honours the node port asked for, refuses one taken or out of range, and answers on it from outside', async () => {
    await cluster.apply(service('np', { app: 'web' }, [{ port: 80, targetPort: 8080, nodePort: 30777 }], { type: 'NodePort' }))
    expect(await cluster.must(['get', 'service', 'np', '-o', 'jsonpath={.spec.ports[0].nodePort}'])).toBe('30777')
    const taken = await cluster.kubectl(['apply', '-f', '-'], {
      input: service('np2', { app: 'web' }, [{ port: 80, nodePort: 30777 }], { type: 'NodePort' }),
    })
    expect(taken.stderr).toMatch(/spec\.ports\[0\]\.nodePort: Invalid value: 30777: provided port is already allocated/)
    const outOfRange = await cluster.kubectl(['apply', '-f', '-'], {
      input: service('np3', { app: 'web' }, [{ port: 80, nodePort: 80 }], { type: 'NodePort' }),
    })
    expect(outOfRange.stderr).toMatch(/provided port is not in the valid range\. The range of valid ports is 30000-32767/)
    const pods = await podNames('app=web')
    const outside = new OutsideHost(systemExec, 'svc')
    await outside.create()
    try {
      const address = await nodeIp()
      await eventually(async () => expect(pods).toContain((await outside.ask(address, 30777, 1))[0]))
      expectEqualShares(await outside.ask(address, 30777, 90), pods)
      expect(pods).toContain((await askFromPod(`${address}:30777`, 1))[0])
      expect(pods).toContain(await askFromNode(`${address}:30777`))
    } finally {
      await outside.remove()
    }
    await cluster.must(['delete', 'service', 'np'])
    await eventually(async () => expect(await askFromNode(`${await nodeIp()}:30777`)).toBe('failed'))
  })

  it('uses targetPort, by number and by name, and keeps many ports and Services with equal port names apart', async () => {
    await cluster.apply(
      pod(
        'named',
        [
          {
            ...nameServer(image, [8080, 9090]),
            ports: [
              { name: 'web', containerPort: 8080 },
              { name: 'admin', containerPort: 9090 },
            ],
          },
        ],
        {},
        { labels: { app: 'named' } },
      ),
    )
    await cluster.must(['wait', '--for=condition=Ready', 'pod/named', '--timeout=60s'])
    const ports = [
      { name: 'http', port: 80, targetPort: 'web' },
      { name: 'admin', port: 81, targetPort: 'admin' },
    ]
    await cluster.apply(service('named', { app: 'named' }, ports))
    await cluster.apply(service('second', { app: 'web' }, [{ name: 'http', port: 80, targetPort: 9090 }]))
    const [first, second] = await Promise.all([clusterIp('named'), clusterIp('second')])
    await eventually(async () => {
      expect(await askFromPod(`${first}:80`, 1)).toEqual(['named'])
      expect(await askFromPod(`${first}:81`, 1)).toEqual(['named'])
      expect(await podNames('app=web')).toContain((await askFromPod(`${second}:80`, 1))[0])
    })
    await cluster.must(['delete', 'service', 'named', 'second'])
    await cluster.must(['delete', 'pod', 'named'])
  })

  it('lets a pod reach itself through its Service', async () => {
    await cluster.apply(pod('self', [nameServer(image, [8080])], {}, { labels: { app: 'self' } }))
    await cluster.apply(service('self', { app: 'self' }, [{ port: 80, targetPort: 8080 }]))
    await cluster.must(['wait', '--for=condition=Ready', 'pod/self', '--timeout=60s'])
    const target = `${await clusterIp('self')}:80`
    await eventually(async () => expect(await askFromPod(target, 5, 'self')).toEqual(Array(5).fill('self')))
    await cluster.must(['delete', 'service/self', 'pod/self'])
  })

  it('refuses at once where a Service has no endpoints', async () => {
    await cluster.apply(service('empty', { app: 'nobody' }, [{ port: 80 }]))
    const address = await clusterIp('empty')
    await eventually(async () => {
      const started = performance.now()
      const { stderr, code } = await cluster.kubectl(['exec', 'client', '--', 'timeout', '20', 'wget', '-qO-', `http://${address}:80/`])
      expect(code).not.toBe(0)
      expect(stderr).toMatch(/refused/)
      expect(performance.now() - started).toBeLessThan(10_000)
    }, 20_000)
    await cluster.must(['delete', 'service', 'empty'])
  })

  it('carries UDP beside TCP on the same port, from the node and from a pod', async () => {
    await cluster.importNode(nodeImage)
    const serve = `
      require('net').createServer((socket) => socket.end('tcp')).listen(7000)
      const udp = require('dgram').createSocket('udp4').bind(7000)
      udp.on('message', (_, from) => udp.send('udp', from.port, from.address))
      process.on('SIGTERM', () => process.exit())`
    await cluster.apply(
      pod(
        'both',
        [{ image: nodeImage, command: ['node', '-e', serve], readinessProbe: { tcpSocket: { port: 7000 }, periodSeconds: 1 } }],
        {},
        { labels: { app: 'both' } },
      ),
    )
    await cluster.apply(
      pod('caller', [
        { image: nodeImage, command: ['node', '-e', "process.on('SIGTERM', () => process.exit()); setInterval(() => {}, 1000)"] },
      ]),
    )
    const ports = [
      { name: 't', port: 7, targetPort: 7000, protocol: 'TCP' },
      { name: 'u', port: 7, targetPort: 7000, protocol: 'UDP' },
    ]
    await cluster.apply(service('both', { app: 'both' }, ports))
    await cluster.must(['wait', '--for=condition=Ready', 'pod/both', 'pod/caller', '--timeout=90s'])
    const address = await clusterIp('both')
    const ask = `
      const udp = require('dgram').createSocket('udp4')
      const answers = [
        new Promise((resolve, reject) => require('net').connect(7, '${address}').on('data', (text) => resolve(String(text))).on('error', reject)),
        new Promise((resolve) => { udp.on('message', (text) => resolve(String(text))).send('hi', 7, '${address}') }),
      ]
      setTimeout(() => process.exit(1), 2000).unref()
      Promise.all(answers).then((texts) => { console.log(texts.join(' ')); process.exit(0) })`
    await eventually(async () => expect((await run(process.execPath, ['-e', ask])).stdout).toBe('tcp udp\n'))
    await eventually(async () => expect((await cluster.kubectl(['exec', 'caller', '--', 'node', '-e', ask])).stdout).toBe('tcp udp\n'))
    await cluster.must(['delete', 'service/both', 'pod/both', 'pod/caller'])
  })

  it('keeps namespaces apart whose names begin alike', async () => {
    for (const namespace of ['test', 'test2']) {
      await cluster.must(['create', 'namespace', namespace])
      await cluster.must(['-n', namespace, 'apply', '-f', '-'], {
        input: pod(`in-${namespace}`, [nameServer(image, [8080])], {}, { labels: { app: 'same' } }),
      })
      await cluster.must(['-n', namespace, 'apply', '-f', '-'], {
        input: service('same', { app: 'same' }, [{ port: 80, targetPort: 8080 }]),
      })
    }
    for (const namespace of ['test', 'test2']) {
      await cluster.must(['-n', namespace, 'wait', '--for=condition=Ready', `pod/in-${namespace}`, '--timeout=60s'])
      const target = `${await clusterIp('same', namespace)}:80`
      await eventually(async () => expect(await askFromPod(target, 10)).toEqual(Array(10).fill(`in-${namespace}`)))
    }
    expect(await cluster.must(['-n', 'test', 'get', 'pods', '-o', 'name'])).toBe('pod/in-test\n')
    await cluster.must(['delete', 'namespace', 'test'])
    expect(await cluster.must(['-n', 'test2', 'get', 'pods', '-o', 'name'])).toBe('pod/in-test2\n')
    await cluster.must(['delete', 'namespace', 'test2'])
  })

  it('rules go with their Service, come back when somebody flushes them, and are found again by a new agent', async () => {
    const address = await clusterIp('web')
    const table = ['ip', cluster.serviceTable]
    const rules = async (): Promise<string> => (await run('nft', ['list', 'table', ...table])).stdout
    expect(await rules()).toContain(address)
    await run('nft', ['flush', 'table', ...table])
    await eventually(async () => expect(await podNames('app=web')).toContain(await askFromNode(`${address}:3001`)), 60_000)
    await run('nft', ['delete', 'table', ...table])
    await eventually(async () => expect(await podNames('app=web')).toContain(await askFromNode(`${address}:3001`)), 60_000)
    process.kill(cluster.pid('agent'), 'SIGKILL')
    expect((await cluster.ownkube('up')).code).toBe(0)
    await eventually(async () => expect(await podNames('app=web')).toContain(await askFromNode(`${address}:3001`)))
    await cluster.must(['delete', 'service', 'web'])
    await eventually(async () => expect(await rules()).not.toContain(address))
  })
})
