import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Exec, mustRun, systemExec } from '../../src/host/exec.ts'
import { addressInIpv6, world6 } from '../../src/proxy/testing/ipv6-scenes.ts'
import { type PodName, type Sender, world } from '../../src/proxy/testing/scenes.ts'

/** Answers `pod|client address` on TCP 8080 and 8081 and UDP 8080. */
const serverText = `
const [name] = process.argv.slice(2)
const plain = (address) => address.replace('::ffff:', '')
let waiting = 3
const up = () => { if (--waiting === 0) console.log('up') }
for (const port of [8080, 8081])
  require('node:net').createServer((socket) => {
    socket.on('error', () => {})
    socket.write(name + '|' + plain(socket.remoteAddress) + '\\n')
    socket.on('data', (data) => socket.write(data))
  }).listen(port, '::', up)
const udp = require('node:dgram').createSocket('udp6')
udp.on('message', (_, from) => udp.send(name + '|' + plain(from.address) + '\\n', from.port, from.address))
udp.bind(8080, '::', up)
`

/** `protocol address port times [local port]`: prints each answer, or the error's code, as a JSON list. */
const clientText = `
const [protocol, address, port, times, localPort] = process.argv.slice(2)
const tcp = () => new Promise((resolve) => {
  const socket = require('node:net').connect({ host: address, port: Number(port) })
  const timer = setTimeout(() => end('timeout'), 700)
  const end = (text) => { clearTimeout(timer); socket.destroy(); resolve(text) }
  socket.on('data', (data) => end(String(data).trim()))
  socket.on('error', (error) => end(error.code))
})
const udp = () => new Promise((resolve) => {
  const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4')
  const timer = setTimeout(() => end('timeout'), 700)
  const end = (text) => { clearTimeout(timer); socket.close(); resolve(text) }
  socket.on('message', (data) => end(String(data).trim()))
  socket.on('error', (error) => end(error.code))
  socket.bind(Number(localPort ?? 0), () => socket.connect(Number(port), address, () => socket.send('x')))
})
const all = async () => {
  const answers = []
  for (let i = 0; i < Number(times); i++) answers.push(await (protocol === 'tcp' ? tcp() : udp()))
  console.log(JSON.stringify(answers))
}
all()
`

/** The node's address on every pod's link. */
export const podGateway = '169.254.1.1'
const podGateway6 = 'fe80::1'

export interface PacketWorld {
  /** Runs programs in the node's namespace. */
  readonly nodeExec: Exec
  /** What each of some connections answered: `pod|client address`, or an error's code. `cgroup`: a folder of one that the client joins. */
  ask(from: Sender, protocol: string, to: string, times: number, localPort?: number, cgroup?: string): Promise<string[]>
  namespaceOf(name: Sender): string
  dismantle(): Promise<void>
}

/** The world of the scenes with real packets: a namespace for the node, one for each pod, one for outside. */
export async function buildWorld(): Promise<PacketWorld> {
  const id = process.pid.toString(36)
  const namespaceOf = (name: Sender): string => `okp${id}-${name}`
  const node = namespaceOf('host')
  const pods = Object.keys(world.pods) as PodName[]
  const members: { name: Sender; address: string; gateway: string }[] = [
    ...pods.map((name) => ({ name, address: world.pods[name], gateway: podGateway })),
    { name: 'outside', address: world.outside, gateway: world.nodeAddress },
  ]
  const directory = await mkdtemp(join(tmpdir(), 'ownkube-proxy-'))
  await writeFile(join(directory, 'server.cjs'), serverText)
  await writeFile(join(directory, 'client.cjs'), clientText)
  const servers: ChildProcess[] = []
  const dismantle = async (): Promise<void> => {
    for (const server of servers) server.kill('SIGKILL')
    for (const name of ['host' as const, ...members.map((member) => member.name)])
      await systemExec.run('ip', ['netns', 'del', namespaceOf(name)])
    await rm(directory, { recursive: true, force: true })
  }
  const inside = (namespace: string, ...command: string[]): Promise<string> =>
    mustRun(systemExec, 'ip', ['netns', 'exec', namespace, ...command])
  /** The same again in IPv6. A pod's way out is the link's own address there, as in most networks. */
  const addIpv6 = async (name: Sender, address: string): Promise<void> => {
    const own = namespaceOf(name)
    const six = addressInIpv6(address)
    const gateway = name === 'outside' ? world6.nodeAddress : podGateway6
    await inside(node, 'ip', '-6', 'addr', 'add', `${gateway}/${name === 'outside' ? 128 : 64}`, 'dev', `v-${name}`, 'nodad')
    await inside(node, 'ip', '-6', 'route', 'add', `${six}/128`, 'dev', `v-${name}`)
    await inside(own, 'ip', '-6', 'addr', 'add', `${six}/128`, 'dev', 'eth0', 'nodad')
    if (name === 'outside') await inside(own, 'ip', '-6', 'route', 'add', `${gateway}/128`, 'dev', 'eth0')
    await inside(own, 'ip', '-6', 'route', 'add', 'default', 'via', gateway, 'dev', 'eth0')
  }
  try {
    await mustRun(systemExec, 'ip', ['netns', 'add', node])
    await inside(node, 'ip', 'link', 'set', 'lo', 'up')
    // A new namespace starts with the host's own settings, which may be anything.
    await inside(node, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/all/route_localnet')
    await inside(node, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding')
    // A hairpin goes out where it came in. Redirects for that share a rate limit with the refusals that we want to see.
    await inside(node, 'sh', '-c', 'for each in all default; do echo 0 > /proc/sys/net/ipv4/conf/$each/send_redirects; done')
    // In IPv6 they cannot be turned off, so the limit goes: a pod that was redirected a moment ago would hear of no refusal.
    await inside(node, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv6/icmp/ratelimit')
    for (const { name, address, gateway } of members) {
      const own = namespaceOf(name)
      await mustRun(systemExec, 'ip', ['netns', 'add', own])
      await inside(own, 'ip', 'link', 'set', 'lo', 'up')
      await inside(node, 'ip', 'link', 'add', `v-${name}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', own)
      await inside(node, 'ip', 'addr', 'add', `${gateway}/32`, 'dev', `v-${name}`)
      await inside(node, 'ip', 'link', 'set', `v-${name}`, 'up')
      await inside(node, 'ip', 'route', 'add', `${address}/32`, 'dev', `v-${name}`, 'src', world.nodeAddress).catch(async () => {
        // The node's own address comes with the last link; until then the route goes without.
        await inside(node, 'ip', 'route', 'add', `${address}/32`, 'dev', `v-${name}`)
      })
      await inside(own, 'ip', 'addr', 'add', `${address}/32`, 'dev', 'eth0')
      await inside(own, 'ip', 'link', 'set', 'eth0', 'up')
      await inside(own, 'ip', 'route', 'add', gateway, 'dev', 'eth0')
      await inside(own, 'ip', 'route', 'add', 'default', 'via', gateway)
      await addIpv6(name, address)
    }
    await inside(node, 'ip', '-6', 'route', 'add', 'default', 'via', world6.outside, 'dev', 'v-outside')
    // What no Service takes would leave by here.
    await inside(node, 'ip', 'route', 'add', 'default', 'via', world.outside, 'dev', 'v-outside', 'onlink', 'src', world.nodeAddress)
    await Promise.all(
      pods.map(async (name) => {
        const server = spawn('nsenter', [`--net=/run/netns/${namespaceOf(name)}`, process.execPath, join(directory, 'server.cjs'), name])
        servers.push(server)
        await new Promise<void>((resolve, reject) => {
          server.stdout.once('data', () => resolve())
          server.once('exit', () => reject(new Error(`the server of pod ${name} did not start`)))
        })
      }),
    )
  } catch (error) {
    await dismantle()
    throw error
  }
  return {
    nodeExec: { run: (program, args, options) => systemExec.run('nsenter', [`--net=/run/netns/${node}`, program, ...args], options) },
    namespaceOf,
    dismantle,
    async ask(from, protocol, to, times, localPort, cgroup) {
      const [, address, port] = /^\[?(.*?)\]?:(\d+)$/.exec(to) as unknown as [string, string, string]
      const args = [protocol, address, port, String(times), ...(localPort === undefined ? [] : [String(localPort)])]
      const client = [`--net=/run/netns/${namespaceOf(from)}`, process.execPath, join(directory, 'client.cjs'), ...args]
      const joined = ['-c', 'echo $$ > "$0/cgroup.procs" && exec nsenter "$@"', cgroup ?? '', ...client]
      const text = cgroup === undefined ? await mustRun(systemExec, 'nsenter', client) : await mustRun(systemExec, 'sh', joined)
      return JSON.parse(text) as string[]
    },
  }
}
