import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const program = '/usr/bin/etcd'

/** False: Debian's etcd-server is not installed. */
export const hasEtcd = existsSync(program)

/** PEM files. */
export interface ServerTls {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface EtcdMember {
  readonly name: string
  readonly clientUrl: string
  /** Kills and starts anew, or stops and lets go on. */
  kill(): Promise<void>
  start(): void
  pause(): void
  resume(): void
}

export interface EtcdCluster {
  readonly members: readonly EtcdMember[]
  readonly endpoints: readonly string[]
  /** All are gone after that, and their data. */
  remove(): Promise<void>
}

/** Where a member runs. */
export interface EtcdPlace {
  /** A network namespace; undefined: this one. */
  readonly namespace?: string
  readonly peer: string
  /** The addresses at which clients may ask; the first is its own name for itself. */
  readonly clients: readonly string[]
}

async function onLoopback(size: number): Promise<EtcdPlace[]> {
  const ports = await freePorts(2 * size)
  return Array.from({ length: size }, (_, i) => ({ peer: `127.0.0.1:${ports[size + i]}`, clients: [`127.0.0.1:${ports[i]}`] }))
}

/** Members of one etcd, on loopback or at places, in a folder of their own; resolves at once: clients wait until they are there. */
export async function startEtcd(
  size: number,
  options: { tls?: ServerTls; folder?: string; places?: readonly EtcdPlace[] } = {},
): Promise<EtcdCluster> {
  const { tls } = options
  const folder = mkdtempSync(join(options.folder ?? tmpdir(), 'etcd-'))
  const places = options.places ?? (await onLoopback(size))
  const scheme = tls ? 'https' : 'http'
  const initial = places.map(({ peer }, i) => `m${i}=http://${peer}`).join(',')
  const members = places.map(({ namespace, peer, clients }, i) => {
    const peerUrl = `http://${peer}`
    const clientUrls = clients.map((address) => `${scheme}://${address}`)
    const command = [
      ...(namespace ? ['ip', 'netns', 'exec', namespace] : []),
      ...[program, '--name', `m${i}`, '--data-dir', join(folder, `m${i}`), '--initial-cluster', initial, '--initial-cluster-state', 'new'],
      ...['--listen-client-urls', clientUrls.join(','), '--advertise-client-urls', clientUrls.join(',')],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl, '--log-level', 'error', '--logger', 'zap'],
      ...(tls ? ['--cert-file', tls.cert, '--key-file', tls.key, '--trusted-ca-file', tls.ca, '--client-cert-auth'] : []),
    ]
    return new Member(`m${i}`, clientUrls[0] as string, command)
  })
  for (const member of members) member.start()
  return {
    members,
    endpoints: members.map(({ clientUrl }) => clientUrl),
    async remove() {
      await Promise.all(members.map((member) => member.kill()))
      rmSync(folder, { recursive: true })
    },
  }
}

class Member implements EtcdMember {
  readonly name: string
  readonly clientUrl: string
  readonly #command: readonly string[]
  #process: ChildProcess | undefined

  constructor(name: string, clientUrl: string, command: readonly string[]) {
    this.name = name
    this.clientUrl = clientUrl
    this.#command = command
  }

  start(): void {
    const [name = '', ...args] = this.#command
    this.#process = spawn(name, args, { stdio: 'ignore', env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } })
  }

  async kill(): Promise<void> {
    const running = this.#process
    this.#process = undefined
    if (!running || running.exitCode !== null || running.signalCode !== null) return
    const gone = new Promise((resolve) => running.once('exit', resolve))
    running.kill('SIGKILL')
    await gone
  }

  pause(): void {
    this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    this.#process?.kill('SIGCONT')
  }
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer()
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
