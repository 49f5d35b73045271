import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { Attach, Exec, KubeConfig, type V1Status } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from './harness/cluster.ts'
import { run } from './harness/command.ts'
import { pod } from './harness/manifests.ts'

const image = 'ownkube.test/busybox:1'
const server = [
  'sh',
  '-c',
  'mkdir /w; echo one > /w/page; httpd -p 8080 -h /w; httpd -p 8081 -h /w; trap "exit 0" TERM; while :; do sleep 0.2; done',
]
let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('streams')
  await cluster.importBusybox(image)
  await cluster.apply(pod('app', [{ name: 'app', image, command: server }]))
  await cluster.must(['wait', '--for=condition=Ready', 'pod/app', '--timeout=60s'])
})
afterAll(async () => {
  await cluster?.remove()
})

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** kubectl that has no second way: should the server refuse a WebSocket, it fails. */
const verbose = (args: readonly string[], input: string | undefined = undefined) =>
  cluster.kubectl(['-v=6', ...args], { ...(input === undefined ? {} : { input }), timeoutMs: 60_000 })

describe('exec over WebSocket', () => {
  it('is what kubectl speaks, without falling back', async () => {
    const { code, stdout, stderr } = await verbose(['exec', 'app', '--', 'echo', 'hello'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'hello\n' })
    expect(stderr).toContain('101 Switching Protocols')
    expect(stderr).not.toMatch(/fallback|SPDY/i)
  })

  it('tells exit codes, keeps stderr apart, and says why where nothing runs', async () => {
    expect(await cluster.kubectl(['exec', 'app', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'])).toMatchObject({
      code: 7,
      stdout: 'out\n',
      stderr: 'err\ncommand terminated with exit code 7\n',
    })
    expect((await cluster.kubectl(['exec', 'app', '--', 'nope'])).stderr).toContain('executable file not found')
  })

  it('20 MB of anything go in and come back, byte for byte', async () => {
    const bytes = randomBytes(20_000_000)
    const file = join(cluster.folder, 'big')
    writeFileSync(file, bytes)
    const kubectl = `${cluster.programs.kubectl} --kubeconfig ${cluster.kubeconfig}`
    const { code, stdout, stderr } = await run('sh', ['-c', `${kubectl} exec -i app -- cat < ${file} > ${file}.back; echo $?`], {
      timeoutMs: 100_000,
    })
    expect({ code, stdout, stderr }).toMatchObject({ code: 0, stdout: '0\n' })
    expect(sha(readFileSync(`${file}.back`))).toBe(sha(bytes))
  })

  it('the JavaScript client: the end of its stdin is the end of the command', async () => {
    const config = new KubeConfig()
    config.loadFromFile(cluster.kubeconfig)
    const stdin = new PassThrough()
    const stdout = new PassThrough()
    const parts: Buffer[] = []
    stdout.on('data', (part: Buffer) => parts.push(part))
    const bytes = randomBytes(300_000)
    const status = new Promise<V1Status>((resolve, reject) => {
      new Exec(config).exec('default', 'app', 'app', ['sha256sum'], stdout, null, stdin, false, resolve).catch(reject)
    })
    stdin.end(bytes)
    expect((await status).status).toBe('Success')
    expect(Buffer.concat(parts).toString()).toBe(`${sha(bytes)}  -\n`)
  })

  it('passes kubectl proxy, where that lets it', async () => {
    const args = ['--kubeconfig', cluster.kubeconfig, 'proxy', '--port=0', '--reject-paths=^/none$']
    const proxy = spawn(cluster.programs.kubectl, args)
    try {
      const address = await new Promise<string>((resolve, reject) => {
        proxy.stdout.on('data', (part: Buffer) => resolve(/127\.0\.0\.1:\d+/.exec(part.toString())?.[0] ?? ''))
        proxy.once('exit', () => reject(new Error('kubectl proxy has ended')))
      })
      const through = ['--kubeconfig=/dev/null', `--server=http://${address}`, 'exec', '-i', 'app', '--', 'cat']
      expect(await run(cluster.programs.kubectl, through, { input: 'piped\n', timeoutMs: 30_000 })).toMatchObject({
        code: 0,
        stdout: 'piped\n',
      })
    } finally {
      proxy.kill()
    }
  })

  it('a big tree is copied in and out', async () => {
    const tree = join(cluster.folder, 'tree')
    for (let folder = 0; folder < 20; folder++) {
      mkdirSync(join(tree, `d${folder}`), { recursive: true })
      for (let file = 0; file < 50; file++) writeFileSync(join(tree, `d${folder}`, `f${file}`), randomBytes(2000 + file * folder))
    }
    await cluster.must(['cp', tree, 'app:/tree'], { timeoutMs: 60_000 })
    await cluster.must(['cp', 'app:/tree', `${tree}-back`], { timeoutMs: 60_000 })
    expect(await run('diff', ['-r', tree, `${tree}-back`])).toMatchObject({ code: 0, stdout: '' })
  })
})

describe('port-forward', () => {
  it('several ports, many connections at once, over a tunnel in a WebSocket', async () => {
    const child = spawn(cluster.programs.kubectl, ['--kubeconfig', cluster.kubeconfig, '-v=6', 'port-forward', 'pod/app', ':8080', ':8081'])
    let said = ''
    child.stdout.on('data', (part: Buffer) => {
      said += part
    })
    child.stderr.on('data', (part: Buffer) => {
      said += part
    })
    try {
      const ports = await new Promise<number[]>((resolve, reject) => {
        const look = (): void => {
          const found = [...said.matchAll(/127\.0\.0\.1:(\d+) -> /g)].map((match) => Number(match[1]))
          if (found.length === 2) resolve(found)
        }
        child.stdout.on('data', look)
        child.once('exit', () => reject(new Error(said)))
      })
      const asked = ports.flatMap((port) => Array.from({ length: 10 }, () => page(port)))
      for (const answer of await Promise.all(asked)) expect(answer).toMatch(/^HTTP\/1\.\d 200[\s\S]*\r\n\r\none\n$/)
      expect(said).toContain('101 Switching Protocols')
      expect(said).not.toMatch(/fallback/i)
    } finally {
      child.kill()
    }
  })
})

function page(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /page HTTP/1.0\r\n\r\n'))
    socket.on('data', (part) => {
      text += part
    })
    socket.once('end', () => resolve(text)).once('error', reject)
  })
}

describe('attach and run', () => {
  it('run -i --rm: what is typed is run, and the pod is gone after', async () => {
    const args = ['run', 'once', '-i', '--rm', '-q', '--restart=Never', `--image=${image}`, '--image-pull-policy=Never', '--', 'sh']
    const said = await cluster.must(args, { input: 'sleep 1\necho typed $((1 + 2))\n', timeoutMs: 60_000 })
    expect(said).toContain('typed 3')
    expect((await cluster.kubectl(['get', 'pod', 'once'])).stderr).toContain('NotFound')
  })

  it('the JavaScript client attaches', async () => {
    await cluster.must([
      'run',
      'echoes',
      '-i',
      `--image=${image}`,
      '--image-pull-policy=Never',
      '--attach=false',
      '--stdin',
      '--command',
      '--',
      'cat',
    ])
    await cluster.must(['wait', '--for=condition=Ready', 'pod/echoes', '--timeout=60s'])
    const config = new KubeConfig()
    config.loadFromFile(cluster.kubeconfig)
    const stdin = new PassThrough()
    const stdout = new PassThrough()
    const first = new Promise<string>((resolve) => stdout.once('data', (part: Buffer) => resolve(part.toString())))
    const socket = await new Attach(config).attach('default', 'echoes', 'echoes', stdout, null, stdin, false)
    stdin.write('there and back\n')
    expect(await first).toBe('there and back\n')
    socket.close()
  })
})
