import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { eventually } from './harness/command.ts'
import { deployment, nameServer, pod, service } from './harness/manifests.ts'

const image = 'test.local/primary:1'
const other = 'test.local/other:1'
const namespace = 'suite'
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('suite')
  await cluster.importBusybox(image)
  await cluster.importBusybox(other)
  await cluster.must(['create', 'namespace', namespace])
})
afterAll(() => cluster?.remove())

const kubectl = (args: readonly string[], input?: string): Promise<string> =>
  cluster.must(['-n', namespace, ...args], input === undefined ? {} : { input })

const replicas = (name: string, count: number): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { name, labels: { app: name, role: 'primary' } },
    spec: {
      replicas: count,
      selector: { app: name, role: 'primary' },
      template: {
        metadata: { labels: { app: name, role: 'primary' } },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name, ...nameServer(image, [6379]), ports: [{ name: 'server', containerPort: 6379 }] }],
        },
      },
    },
  })
const running = async (name: string, count: number): Promise<string[]> =>
  await eventually(async () => {
    const template = '{range .items[?(@.status.phase=="Running")]}{.metadata.name} {end}'
    const names = (await kubectl(['get', 'pods', '-l', `app=${name}`, '-o', `jsonpath=${template}`])).trim().split(' ').filter(Boolean)
    expect(names).toHaveLength(count)
    return names
  })

/** That these words stand in these lines, in this order. */
function tells(text: string, lines: readonly (readonly string[])[]): void {
  let rest = text.split('\n')
  for (const words of lines) {
    const at = rest.findIndex((line) => words.every((word) => line.includes(word)))
    expect(at, `a line with ${words.join(' and ')} in:\n${text}`).toBeGreaterThanOrEqual(0)
    rest = rest.slice(at)
  }
}

describe.concurrent('kubectl and a ReplicationController', () => {
  it('describes it, its pods, its Service, their node and namespace; exposes it and its Service; patches its pods', async () => {
    await kubectl(['create', '-f', '-'], replicas('agnhost', 1))
    await kubectl(['create', '-f', '-'], service('agnhost', { app: 'agnhost', role: 'primary' }, [{ port: 6379, targetPort: 'server' }]))
    const [name = ''] = await running('agnhost', 1)
    await kubectl(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'])
    tells(await kubectl(['describe', 'pod', name]), [
      ['Name:', 'agnhost-'],
      ['Namespace:', namespace],
      ['Node:'],
      ['Labels:', 'app=agnhost'],
      ['role=primary'],
      ['Annotations:'],
      ['Status:', 'Running'],
      ['IP:'],
      ['Controlled By:', 'ReplicationController/agnhost'],
      ['Image:', image],
      ['State:', 'Running'],
      ['QoS Class:', 'BestEffort'],
    ])
    await eventually(async () =>
      tells(await kubectl(['describe', 'rc', 'agnhost']), [
        ['Name:', 'agnhost'],
        ['Namespace:', namespace],
        ['Selector:', 'app=agnhost,role=primary'],
        ['Labels:', 'app=agnhost'],
        ['role=primary'],
        ['Annotations:'],
        ['Replicas:', '1 current', '1 desired'],
        ['Pods Status:', '1 Running', '0 Waiting', '0 Succeeded', '0 Failed'],
        ['Pod Template:'],
        ['Image:', image],
        ['Events:'],
        ['Normal', 'SuccessfulCreate', 'replication-controller', 'Created pod: agnhost-'],
      ]),
    )
    tells(await kubectl(['describe', 'service', 'agnhost']), [
      ['Name:', 'agnhost'],
      ['Namespace:', namespace],
      ['Labels:'],
      ['Annotations:'],
      ['Selector:', 'app=agnhost', 'role=primary'],
      ['Type:', 'ClusterIP'],
      ['IP:'],
      ['Port:', '<unset>', '6379/TCP'],
      ['Endpoints:', ':6379'],
      ['Session Affinity:', 'None'],
    ])
    const node = (await kubectl(['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}'])).trim()
    tells(await kubectl(['describe', 'node', node]), [
      ['Name:', node],
      ['Labels:'],
      ['Annotations:'],
      ['CreationTimestamp:'],
      ['Conditions:'],
      ['Type', 'Status', 'LastHeartbeatTime', 'LastTransitionTime', 'Reason', 'Message'],
      ['Addresses:'],
      ['Capacity:'],
      ['Kernel Version:'],
      ['OS Image:'],
      ['Container Runtime Version:'],
      ['Kubelet Version:'],
      ['Pods:'],
      ['agnhost-'],
    ])
    tells(await kubectl(['describe', 'namespace', namespace]), [['Name:', namespace], ['Labels:'], ['Annotations:'], ['Status:', 'Active']])

    await kubectl(['expose', 'rc', 'agnhost', '--name=rm2', '--port=1234', '--target-port=6379'])
    await kubectl(['expose', 'service', 'rm2', '--name=rm3', '--port=2345', '--target-port=6379'])
    for (const [exposed, port] of [
      ['rm2', 1234],
      ['rm3', 2345],
    ] as const) {
      expect(await kubectl(['get', 'service', exposed, '-o', 'jsonpath={.spec.ports[*].port} {.spec.ports[*].targetPort}'])).toBe(
        `${port} 6379`,
      )
      await eventually(async () =>
        expect(await kubectl(['get', 'endpoints', exposed, '-o', 'jsonpath={.subsets[*].ports[*].port}'])).toBe('6379'),
      )
    }
    await kubectl(['patch', 'pod', name, '-p', '{"metadata":{"annotations":{"x":"y"}}}'])
    expect(await kubectl(['get', 'pods', '-l', 'app=agnhost', '-o', 'jsonpath={.items[*].metadata.annotations.x}'])).toBe('y')
    // What a ReplicationController leads to answers: through the API server, by name and by Service.
    expect(await cluster.must(['get', '--raw', `/api/v1/namespaces/${namespace}/pods/${name}:6379/proxy/cgi-bin/index.cgi`])).toBe(
      `${name}\n`,
    )
  })

  it('scales it down and up, and takes its pods away with it', async () => {
    await kubectl(['create', '-f', '-'], replicas('demo', 2))
    await running('demo', 2)
    await kubectl(['scale', 'rc', 'demo', '--replicas=1', '--timeout=60s'])
    await running('demo', 1)
    await kubectl(['scale', 'rc', 'demo', '--current-replicas=1', '--replicas=2', '--timeout=60s'])
    await running('demo', 2)
    await kubectl(['delete', '--grace-period=0', '--force', '-f', '-'], replicas('demo', 2))
    await eventually(async () => expect(await kubectl(['get', 'rc,pods', '-l', 'app=demo', '-o', 'name'])).toBe(''))
  })
})

describe.concurrent('kubectl and single pods', () => {
  it('runs, labels, replaces and changes on trial', async () => {
    await kubectl(['run', 'once', '--restart=Never', `--image=${image}`])
    expect(await kubectl(['get', 'pod', 'once', '-o', 'jsonpath={.spec.containers[*].image} {.spec.restartPolicy}'])).toBe(`${image} Never`)
    const forever = ['--', 'sh', '-c', 'while :; do sleep 1; done']
    await kubectl([
      'run',
      'web',
      `--image=${image}`,
      '--labels=run=web',
      '--overrides={"spec":{"terminationGracePeriodSeconds":0}}',
      ...forever,
    ])
    await kubectl(['wait', '--for=condition=Ready', 'pod/web', '--timeout=60s'])
    await kubectl(['label', 'pods', 'web', 'testing-label=testing-label-value'])
    expect(await kubectl(['get', 'pod', 'web', '-L', 'testing-label'])).toContain('testing-label-value')
    await kubectl(['label', 'pods', 'web', 'testing-label-'])
    expect(await kubectl(['get', 'pod', 'web', '-L', 'testing-label'])).not.toContain('testing-label-value')

    const imageOf = () => kubectl(['get', 'pod', 'web', '-o', 'jsonpath={.spec.containers[*].image}'])
    const changed = (await kubectl(['get', 'pod', 'web', '-o', 'json'])).replace(`"image": "${image}"`, `"image": "${other}"`)
    await kubectl(['replace', '-f', '-', '--dry-run=server'], changed)
    const patch = JSON.stringify({ spec: { containers: [{ name: 'web', image: other }] } })
    await kubectl(['patch', 'pod', 'web', '-p', patch, '--dry-run=server'])
    expect(await imageOf()).toBe(image)
    await kubectl(
      ['replace', '-f', '-'],
      (await kubectl(['get', 'pod', 'web', '-o', 'json'])).replace(`"image": "${image}"`, `"image": "${other}"`),
    )
    expect(await imageOf()).toBe(other)
    await kubectl(['delete', 'pods', 'once', 'web'])
  })

  it('reads logs by number of lines, bytes and age', async () => {
    const talk = 'i=0; while :; do echo "line $((i++))"; sleep 0.2; done'
    await kubectl(['apply', '-f', '-'], pod('logs', [{ image, command: ['sh', '-c', talk] }]))
    await kubectl(['wait', '--for=condition=Ready', 'pod/logs', '--timeout=60s'])
    const logs = (...args: string[]) => kubectl(['logs', 'logs', 'main', ...args])
    await eventually(async () => expect((await logs()).split('\n').length).toBeGreaterThan(15))
    expect(await logs('--tail=1')).toMatch(/^line \d+\n$/)
    expect(await logs('--limit-bytes=1')).toBe('l')
    const [when = ''] = (await logs('--tail=1', '--timestamps')).split(' ')
    expect(Number.isNaN(Date.parse(when))).toBe(false)
    const recent = (await logs('--since=1s')).split('\n').length
    expect(recent).toBeLessThan((await logs('--since=24h')).split('\n').length)
  })
})

describe.concurrent('kubectl and manifests', () => {
  it('diff shows what would change, and nothing else', async () => {
    await kubectl(['create', '-f', '-'], deployment('httpd', 0, { image }))
    const { code, stdout } = await cluster.kubectl(['-n', namespace, 'diff', '-f', '-'], {
      input: deployment('httpd', 0, { image: other }),
    })
    expect(code).toBe(1)
    expect(stdout).toContain(`-      - image: ${image}`)
    expect(stdout).toContain(`+      - image: ${other}`)
    await kubectl(['delete', '-f', '-'], deployment('httpd', 0, { image }))
  })

  it('applies an application of several parts, which answer one another, and stops it', async () => {
    const parts = ['guest-primary', 'guest-replica', 'frontend'].flatMap((name) => [
      service(name, { app: name }, [{ port: 80, targetPort: 8080 }]),
      deployment(name, name === 'guest-replica' ? 2 : 1, nameServer(image, [8080])),
    ])
    const manifest = parts.join('\n---\n')
    await kubectl(['create', '-f', '-'], manifest)
    for (const name of ['guest-primary', 'guest-replica', 'frontend'])
      await kubectl(['rollout', 'status', `deployment/${name}`, '--timeout=90s'])
    const [frontend = ''] = await running('frontend', 1)
    const through = await kubectl(['get', '--raw', `/api/v1/namespaces/${namespace}/services/frontend:80/proxy/cgi-bin/index.cgi`])
    expect(through).toBe(`${frontend}\n`)
    await eventually(async () => {
      const address = await kubectl(['get', 'service', 'guest-primary', '-o', 'jsonpath={.spec.clusterIP}'])
      expect(await kubectl(['exec', frontend, '--', 'wget', '-qO-', `http://${address}/cgi-bin/index.cgi`])).toContain('guest-primary-')
    })
    await kubectl(['delete', '--grace-period=0', '--force', '-f', '-'], manifest)
    await eventually(async () => expect(await kubectl(['get', 'pods,services,deployments', '-l', 'app=frontend', '-o', 'name'])).toBe(''))
  })
})

describe.concurrent('kubectl proxy', () => {
  async function proxied(flag: string, ask: (said: string) => Promise<string>): Promise<void> {
    const child = spawn(cluster.programs.kubectl, ['--kubeconfig', cluster.kubeconfig, 'proxy', flag], {
      env: { ...process.env, HOME: cluster.folder },
    })
    const end = once(child, 'close')
    try {
      const said = String((await once(child.stdout, 'data'))[0])
      expect(JSON.parse(await ask(said))).toMatchObject({ kind: 'APIVersions', versions: ['v1'] })
    } finally {
      child.kill()
      await end
    }
  }

  it('on a port that is free, and on a socket', async () => {
    await proxied('--port=0', async (said) => {
      const port = /127\.0\.0\.1:(\d+)/.exec(said)?.[1]
      return await (await fetch(`http://localhost:${port}/api/`)).text()
    })
    const socketPath = join(cluster.folder, 'proxy.sock')
    await proxied(`--unix-socket=${socketPath}`, async () => {
      const sent = request({ socketPath, path: '/api' })
      sent.end()
      const [answer] = await once(sent, 'response')
      const chunks: Buffer[] = []
      for await (const chunk of answer) chunks.push(chunk)
      return Buffer.concat(chunks).toString()
    })
  })
})
