import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { tableName } from '../../../src/proxy/nftables/set-names.ts'
import { type ClientPrograms, clientPrograms } from './clients.ts'
import { type Outcome, ownkube, run } from './command.ts'

/** A cluster of the tests' own: its name, data folder, ports and addresses are nobody else's. */
export class TestCluster {
  readonly name: string
  readonly folder: string
  readonly programs: ClientPrograms
  readonly kubeconfig: string

  private constructor(name: string, folder: string) {
    this.name = name
    this.folder = folder
    this.programs = clientPrograms()
    this.kubeconfig = join(folder, 'data', 'admin.kubeconfig')
  }

  /** Boots it. Its user's kubeconfig is a file of the test's own, so that nobody's is touched. */
  static async start(purpose: string, flags: readonly string[] = [], prepare?: (cluster: TestCluster) => void): Promise<TestCluster> {
    const name = `t-${purpose}-${process.pid}`
    const cluster = new TestCluster(name, mkdtempSync(join(tmpdir(), `ownkube-${purpose}-`)))
    prepare?.(cluster)
    const { code, stderr, stdout } = await cluster.ownkube('up', ...flags)
    if (code !== 0) {
      const logs = cluster.logs()
      await cluster.remove()
      throw new Error(`ownkube up ended with ${code}:\n${stdout}${stderr}\n${logs}`)
    }
    return cluster
  }

  get env(): Record<string, string> {
    return { KUBECONFIG: join(this.folder, 'user.kubeconfig'), HOME: this.folder, KUBECACHEDIR: join(this.folder, 'cache') }
  }

  get dataDir(): string {
    return join(this.folder, 'data')
  }

  /** The table of its Services in nftables, of the family `ip`. */
  get serviceTable(): string {
    const { chainTag } = JSON.parse(readFileSync(join(this.dataDir, 'cluster.json'), 'utf8')) as { chainTag: string }
    return tableName(chainTag)
  }

  get runDir(): string {
    return `/run/ownkube/${this.name}`
  }

  /** A command of ours on this cluster. */
  ownkube(command: string, ...args: readonly string[]): Promise<Outcome> {
    const words = command.split(' ')
    return ownkube([...words, '--name', this.name, '--data-dir', this.dataDir, ...args], { env: this.env, timeoutMs: 150_000 })
  }

  /** The unchanged kubectl binary, as the administrator. */
  kubectl(args: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<Outcome> {
    return run(this.programs.kubectl, ['--kubeconfig', this.kubeconfig, ...args], { ...options, env: { HOME: this.folder } })
  }

  /** kubectl that must succeed; answers what it printed. */
  async must(args: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.kubectl(args, options)
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`)
    return stdout
  }

  async json<T = Record<string, unknown>>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.must([...args, '-o', 'json'])) as T
  }

  apply(manifest: string): Promise<string> {
    return this.must(['apply', '-f', '-'], { input: manifest })
  }

  pid(component: 'server' | 'agent'): number {
    return Number(readFileSync(join(this.runDir, `${component}.pid`), 'utf8').split(' ')[0])
  }

  /** The ends of all logs, for a failure's message. */
  logs(): string {
    const folder = join(this.dataDir, 'logs')
    if (!existsSync(folder)) return ''
    return readdirSync(folder)
      .map((file) => `--- ${file}\n${readFileSync(join(folder, file), 'utf8').split('\n').slice(-25).join('\n')}`)
      .join('\n')
  }

  /** A static busybox with a name of the test's own, imported into the cluster. */
  async importBusybox(tag: string): Promise<void> {
    const root = join(this.folder, `image-${tag.replaceAll(/[^a-z0-9]/g, '-')}`)
    mkdirSync(root, { recursive: true })
    writeFileSync(join(root, 'image.json'), JSON.stringify({ base: 'busybox', cmd: ['sh'] }))
    const { code, stderr } = await this.ownkube('image build', root, '--tag', tag)
    if (code !== 0) throw new Error(`image build: ${stderr}`)
  }

  /** This test's own Node, with the libraries it needs, on busybox: for servers that busybox has no program for. */
  async importNode(tag: string): Promise<void> {
    const root = join(this.folder, 'image-node')
    const { stdout } = await run('ldd', [process.execPath])
    const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((found) => found[1] as string)
    for (const [from, to] of [[process.execPath, '/bin/node'] as const, ...libraries.map((path) => [path, path] as const)]) {
      mkdirSync(dirname(join(root, to)), { recursive: true })
      copyFileSync(from, join(root, to))
    }
    writeFileSync(join(root, 'image.json'), JSON.stringify({ base: 'busybox', cmd: ['node'] }))
    const built = await this.ownkube('image build', root, '--tag', tag)
    if (built.code !== 0) throw new Error(`image build: ${built.stderr}`)
  }

  async down(): Promise<Outcome> {
    return await this.ownkube('down')
  }

  /** Stops it and takes its data away, whatever state it is in. */
  async remove(): Promise<void> {
    const { code, stderr } = await this.ownkube('down', '--delete')
    rmSync(this.folder, { recursive: true, force: true })
    if (code !== 0 && code !== 3) throw new Error(`ownkube down --delete ended with ${code}: ${stderr}`)
  }
}
