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

/** Members of one etcd on loopback, in a folder of their own; resolves at once: clients wait until they are there. */
export async function startEtcd(size: number, options: { tls?: ServerTls; folder?: string } = {}): Promise<EtcdCluster> {
  const { tls } = options
  const folder = mkdtempSync(join(options.folder ?? tmpdir(), 'etcd-'))
  const ports = await freePorts(2 * size)
  const scheme = tls ? 'https' : 'http'
  const peerUrls = ports.slice(size).map((port) => `http://127.0.0.1:${port}`)
  const initial = peerUrls.map((url, i) => `m${i}=${url}`).join(',')
  const members = peerUrls.map((peerUrl, i) => {
    const clientUrl = `${scheme}://127.0.0.1:${ports[i]}`
    const args = [
      ...['--name', `m${i}`, '--data-dir', join(folder, `m${i}`), '--initial-cluster', initial, '--initial-cluster-state', 'new'],
      ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl, '--log-level', 'error', '--logger', 'zap'],
      ...(tls ? ['--cert-file', tls.cert, '--key-file', tls.key, '--trusted-ca-file', tls.ca, '--client-cert-auth'] : []),
    ]
    return new Member(`m${i}`, clientUrl, args)
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
  readonly #args: readonly string[]
  #process: ChildProcess | undefined

  constructor(name: string, clientUrl: string, args: readonly string[]) {
    this.name = name
    this.clientUrl = clientUrl
    this.#args = args
  }

  start(): void {
    this.#process = spawn(program, this.#args, { stdio: 'ignore', env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } })
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
