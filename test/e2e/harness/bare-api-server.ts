import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createApiServer } from '../../../src/apiserver/apiserver.ts'
import { directClient } from '../../../src/client/direct-client.ts'
import { ensureCertificates } from '../../../src/cluster/certificates.ts'
import { startControllers } from '../../../src/controllers/start.ts'
import { systemClock } from '../../../src/host/clock.ts'
import { silentLog } from '../../../src/host/log.ts'
import { systemRandom } from '../../../src/host/random.ts'
import { MemoryStore } from '../../../src/storage/memory-store.ts'
import { clientPrograms } from './clients.ts'

/** The API server alone, without nodes, and without controllers unless asked for: for what of kubectl needs nothing else. */
export interface BareApiServer {
  /** A folder of the test's own; kubectl's home. */
  readonly directory: string
  /** What it says, faults too. Never rejects. */
  kubectl(...args: string[]): Promise<string>
  /** kubectl create of one object, which must go well. */
  create(object: object): Promise<void>
  close(): Promise<void>
}

const run = promisify(execFile)

interface Options {
  readonly serviceCidr?: string
  readonly controllers?: boolean
}

export async function startBareApiServer(env: Record<string, string> = {}, options: Options = {}): Promise<BareApiServer> {
  const directory = await mkdtemp(join(tmpdir(), 'ownkube-bare-apiserver-'))
  const { ca, apiserver, admin } = await ensureCertificates(
    join(directory, 'pki'),
    { nodeName: 'n1', nodeAddress: '127.0.0.1', serviceAddress: '10.96.0.1' },
    Date.now(),
  )
  const store = new MemoryStore()
  const server = await createApiServer({
    store,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    serviceCidr: options.serviceCidr ?? '10.96.0.0/16',
    nodePortRange: { from: 30000, to: 32767 },
  })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0, ca, ...apiserver })
  const stop = new AbortController()
  if (options.controllers) {
    const user = { name: 'system:kube-controller-manager', uid: '', groups: ['system:masters'], extra: {} }
    const client = directClient(server.handle, user, 'kube-controller-manager')
    await startControllers({
      client,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      signal: stop.signal,
      clusterCa: ca,
      signCertificate: undefined,
      signAccountToken: undefined,
    })
  }
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: 'u', user: { 'client-certificate-data': base64(admin.cert), 'client-key-data': base64(admin.key) } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  }
  await writeFile(join(directory, 'kubeconfig'), JSON.stringify(kubeconfig), { mode: 0o600 })
  const environment = { ...process.env, ...env, KUBECONFIG: join(directory, 'kubeconfig'), HOME: directory }
  return {
    directory,
    async create(object) {
      const file = join(directory, 'object.json')
      await writeFile(file, JSON.stringify(object))
      await run(clientPrograms().kubectl, ['create', '-f', file], { env: environment, timeout: 60_000 })
    },
    async kubectl(...args) {
      try {
        const { stdout, stderr } = await run(clientPrograms().kubectl, args, { env: environment, timeout: 60_000 })
        return stdout + stderr
      } catch (error) {
        const { stdout, stderr } = error as { stdout: string; stderr: string }
        return stdout + stderr
      }
    },
    async close() {
      stop.abort(new Error('the test is over'))
      await server.close()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
