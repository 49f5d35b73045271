import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { mustRun, systemExec } from '../../src/host/exec.ts'

/** Answers `pod|client address` on TCP and UDP 8080, to clients of both families. */
const serverText = `
const [name] = process.argv.slice(2)
let waiting = 2
const up = () => { if (--waiting === 0) console.log('up') }
require('node:net').createServer((socket) => {
  socket.on('error', () => {})
  socket.write(name + '|' + socket.remoteAddress)
}).listen(8080, '::', up)
const udp = require('node:dgram').createSocket('udp6')
udp.on('message', (_, from) => udp.send(name + '|' + from.address, from.port, from.address))
udp.bind(8080, '::', up)
`

/** Does one thing a line, as JSON, and answers a line. Sockets of UDP are kept by name. */
const clientText = `
const dgram = require('node:dgram')
const sockets = new Map()
const within = (work) => new Promise((resolve) => {
  const timer = setTimeout(() => resolve('timeout'), 700)
  work((answer) => { clearTimeout(timer); resolve(answer) })
})
const plain = (address) => (address ?? '').replace('::ffff:', '')
const place = ({ address, port }) => plain(address) + ':' + port
const tcp = ({ address, port }) => within((done) => {
  const socket = require('node:net').connect({ host: address, port })
  let peer
  socket.on('connect', () => { peer = place({ address: socket.remoteAddress, port: socket.remotePort }) })
  socket.on('data', (data) => { socket.destroy(); done({ answer: plain(String(data).replace('|::ffff:', '|')), peer }) })
  socket.on('error', (error) => { socket.destroy(); done(error.code) })
})
const socketFor = ({ socket: name, type }) => {
  if (!sockets.has(name)) {
    const socket = dgram.createSocket(type)
    socket.on('error', () => {})
    sockets.set(name, socket)
  }
  return sockets.get(name)
}
const answered = (socket) => (done) => {
  const onMessage = (data, from) => { socket.off('error', onError); done({ answer: String(data).replace('|::ffff:', '|'), peer: place(from) }) }
  const onError = (error) => { socket.off('message', onMessage); done(error.code) }
  socket.once('message', onMessage)
  socket.once('error', onError)
}
const udp = (request) => within((done) => {
  const socket = socketFor(request)
  answered(socket)(done)
  socket.send('x', request.port, request.address, (error) => { if (error) done(error.code) })
})
const connected = (request) => within((done) => {
  const known = sockets.has(request.socket)
  const socket = socketFor(request)
  const send = () => {
    answered(socket)((answer) => done(typeof answer === 'string' ? answer : { ...answer, remote: place(socket.remoteAddress()) }))
    socket.send('x', (error) => { if (error) done(error.code) })
  }
  if (known) send()
  else socket.connect(request.port, request.address, (error) => (error ? done(error.code) : send()))
})
const close = async ({ socket }) => { sockets.get(socket)?.close(); sockets.delete(socket) }
const does = { tcp, udp, connected, close }
require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const request = JSON.parse(line)
  const answers = []
  for (let i = 0; i < (request.times ?? 1); i++) answers.push((await does[request.do](request)) ?? 'done')
  console.log(JSON.stringify(answers))
})
console.log('up')
`

/** What a client got: who answered and whose address it saw, and from where the answer seemed to come; or an error's code. */
export type Answer = { answer: string; peer: string; remote?: string } | string

export interface ClientRequest {
  do: 'tcp' | 'udp' | 'connected' | 'close'
  address?: string
  port?: number
  times?: number
  type?: 'udp4' | 'udp6'
  socket?: string
}

export const pods = { a: '11', b: '12', c: '13' } as const
export type PodName = keyof typeof pods
export const podAddress = (pod: PodName | 'client' | 'other', family: 4 | 6 = 4): string => {
  const host = pod === 'client' ? '10' : pod === 'other' ? '20' : pods[pod]
  return family === 4 ? `10.77.0.${host}` : `fd77::${host}`
}

export interface SocketWorld {
  /** A cgroup of version 2, in which the clients live. */
  readonly cgroupPath: string
  /** Three pods with servers, and two clients in network namespaces of their own; one client outside the cgroup. */
  ask(client: 'client' | 'other' | 'a' | 'stranger', request: ClientRequest): Promise<Answer[]>
  namespaceOf(name: string): string
  dismantle(): Promise<void>
}

/** The root of cgroup version 2: all of /sys/fs/cgroup, or `unified` in it beside version 1. */
export function unifiedRoot(): string {
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((line) => line.includes(' - cgroup2 '))
  if (mount === undefined) throw new Error('no cgroup of version 2 is mounted')
  return mount.split(' ')[4] as string
}

/** Pods on one bridge, with addresses of both families and no way to those of Services. */
export async function buildSocketWorld(): Promise<SocketWorld> {
  const id = process.pid.toString(36)
  const namespaceOf = (name: string): string => `oks${id}-${name}`
  const cgroupPath = join(unifiedRoot(), `ownkube-test-sockets-${id}`)
  const directory = await mkdtemp(join(tmpdir(), 'ownkube-sockets-'))
  const processes: ChildProcess[] = []
  const members = ['client', 'other', 'a', 'b', 'c'] as const
  const inside = (name: string, ...command: string[]): Promise<string> =>
    mustRun(systemExec, 'ip', ['netns', 'exec', namespaceOf(name), ...command])
  const dismantle = async (): Promise<void> => {
    await Promise.all(
      processes.map(
        (child) =>
          new Promise<void>((resolve) => {
            if (child.exitCode !== null || child.signalCode !== null) return resolve()
            child.once('exit', () => resolve())
            child.kill('SIGKILL')
          }),
      ),
    )
    for (const name of ['node', ...members]) await systemExec.run('ip', ['netns', 'del', namespaceOf(name)])
    await rm(directory, { recursive: true, force: true })
    rmdirSync(cgroupPath)
  }
  const start = async (name: string, script: string, inCgroup: boolean, ...args: string[]): Promise<ChildProcess> => {
    const join = inCgroup ? `echo $$ > ${cgroupPath}/cgroup.procs && ` : ''
    const child = spawn('nsenter', [
      `--net=/run/netns/${namespaceOf(name)}`,
      'sh',
      '-c',
      `${join}exec "$0" "$@"`,
      process.execPath,
      script,
      ...args,
    ])
    processes.push(child)
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve())
      child.once('exit', () => reject(new Error(`the program of ${name} did not start`)))
    })
    return child
  }
  mkdirSync(cgroupPath)
  const clients = new Map<string, { child: ChildProcess; answers: AsyncIterator<string> }>()
  try {
    await writeFile(join(directory, 'server.cjs'), serverText)
    await writeFile(join(directory, 'client.cjs'), clientText)
    await mustRun(systemExec, 'ip', ['netns', 'add', namespaceOf('node')])
    await inside('node', 'ip', 'link', 'add', 'br0', 'type', 'bridge')
    await inside('node', 'ip', 'link', 'set', 'br0', 'up')
    for (const name of members) {
      await mustRun(systemExec, 'ip', ['netns', 'add', namespaceOf(name)])
      await inside(name, 'ip', 'link', 'set', 'lo', 'up')
      await inside('node', 'ip', 'link', 'add', `v-${name}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespaceOf(name))
      await inside('node', 'ip', 'link', 'set', `v-${name}`, 'master', 'br0', 'up')
      await inside(name, 'ip', 'addr', 'add', `${podAddress(name)}/24`, 'dev', 'eth0')
      await inside(name, 'ip', 'addr', 'add', `${podAddress(name, 6)}/64`, 'dev', 'eth0', 'nodad')
      await inside(name, 'ip', 'link', 'set', 'eth0', 'up')
      // What is not translated is refused at once.
      await inside(name, 'ip', 'route', 'add', 'unreachable', '10.96.77.0/24')
      await inside(name, 'ip', '-6', 'route', 'add', 'unreachable', 'fd96::/64')
    }
    for (const name of ['a', 'b', 'c'] as const) await start(name, join(directory, 'server.cjs'), true, name)
    for (const name of ['client', 'other', 'a', 'stranger'] as const) {
      const child = await start(name === 'stranger' ? 'client' : name, join(directory, 'client.cjs'), name !== 'stranger')
      const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
      clients.set(name, { child, answers: lines[Symbol.asyncIterator]() })
    }
  } catch (error) {
    await dismantle()
    throw error
  }
  return {
    cgroupPath,
    namespaceOf,
    dismantle,
    async ask(name, request) {
      const client = clients.get(name) as { child: ChildProcess; answers: AsyncIterator<string> }
      client.child.stdin?.write(`${JSON.stringify(request)}\n`)
      const { value } = await client.answers.next()
      return JSON.parse(value as string) as Answer[]
    },
  }
}
