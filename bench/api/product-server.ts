import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeValue } from '../../src/apiserver/cached-object.ts'
import { type ClusterCertificates, ensureCertificates } from '../../src/cluster/certificates.ts'
import type { ClusterConfig } from '../../src/cluster/config.ts'
import { pathsOf } from '../../src/cluster/paths.ts'
import { systemClock } from '../../src/host/clock.ts'
import { silentLog } from '../../src/host/log.ts'
import type { KubeObject } from '../../src/machinery/object.ts'
import { openFileStore } from '../../src/storage/file-store.ts'
import { MeasuredProcess } from './measured-process.ts'
import { podsPath } from './operations.ts'
import { copyOf, loneNamespace, namespace, podAsked, podName, statusOf } from './pods.ts'
import { type Endpoint, openRequesters } from './requester.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Kept for documentation: the endpoint of the `kubernetes` Service may not be a loopback address. */
const nodeAddress = '192.0.2.1'
const program = path.join(root, 'dist/ownkube.mjs')

/** The product as users run it: one bundle. */
export function buildProduct(): void {
  const { status, stderr } = spawnSync(process.execPath, [path.join(root, 'tools/build.ts')], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the build failed: ${stderr}`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

/** The control plane of a cluster without nodes, `ownkube server`, on a folder of its own. */
export class ProductServer {
  readonly process: MeasuredProcess
  readonly endpoint: Endpoint
  readonly certificates: ClusterCertificates

  private constructor(process: MeasuredProcess, endpoint: Endpoint, certificates: ClusterCertificates) {
    this.process = process
    this.endpoint = endpoint
    this.certificates = certificates
  }

  static async start(folder: string, nodeFlags: readonly string[] = []): Promise<ProductServer> {
    const config = configOf(folder, await freePort())
    const paths = pathsOf(config)
    const names = { nodeName: 'bench', nodeAddress, serviceAddress: '10.96.0.1' }
    const certificates = await ensureCertificates(paths.pki, names, Date.now())
    writeFileSync(paths.config, JSON.stringify(config))
    const process = new MeasuredProcess([...nodeFlags, program, 'server', folder])
    await process.hearWith('serving').catch(async (error) => {
      await process.end()
      throw error
    })
    const { ca, admin } = certificates
    return new ProductServer(process, { port: config.apiPort, ca, ...admin }, certificates)
  }

  /** One request and what it was answered; throws what was refused. */
  async ask(method: string, at: string, body?: object): Promise<KubeObject> {
    const { requesters, close } = await openRequesters('HTTP/1.1', this.endpoint, 1)
    try {
      const request = { method, path: at, contentType: 'application/json', body: body && JSON.stringify(body) }
      const answer = await requesters[0]?.ask(request)
      if (!answer || answer.code >= 300) throw new Error(`${method} ${at}: ${answer?.body}`)
      return JSON.parse(answer.body.toString()) as KubeObject
    } finally {
      close()
    }
  }

  end(): Promise<void> {
    return this.process.end()
  }
}

function configOf(folder: string, apiPort: number): ClusterConfig {
  return {
    ...{ name: 'bench', dataDir: folder, runDir: path.join(folder, 'run'), nodeName: 'bench', nodeAddress, apiPort },
    ...{ kubeletPort: 0, proxyHealthPort: 0, proxyMetricsPort: 0, podCidr: '10.244.0.0/16', nodePodCidr: '10.244.0.0/24' },
    ...{ serviceCidr: '10.96.0.0/16', nodePortRange: { from: 30000, to: 32767 }, eventTtlSeconds: 3600, chainTag: '' },
    ...{ proxyMode: 'none', socketLb: false, createdAt: '2026-01-01T00:00:00Z', serverOnly: true },
  }
}

/** Makes the namespaces and one pod in the way everybody does: gives the pod back as the server stores it. */
export async function makeFirstPod(server: ProductServer): Promise<KubeObject> {
  for (const name of [namespace, loneNamespace]) {
    await server.ask('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    await untilThere(server, `/api/v1/namespaces/${name}/serviceaccounts/default`)
  }
  const name = podName(0)
  await server.ask('POST', podsPath, podAsked(name, 'registry.example/web:1.0'))
  return server.ask('PUT', `${podsPath}/${name}/status`, { apiVersion: 'v1', kind: 'Pod', metadata: { name }, status: statusOf('') })
}

async function untilThere(server: ProductServer, at: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await server.ask('GET', at)
      return
    } catch (error) {
      if (tries === 100) throw error
      await systemClock.sleep(50)
    }
  }
}

/** Puts pods beside the first into the store of a server that does not run, `from` of them being there. */
export async function fillStore(folder: string, pod: KubeObject, from: number, to: number): Promise<void> {
  const directory = path.join(folder, 'store')
  mkdirSync(directory, { recursive: true })
  const store = await openFileStore(directory, { clock: systemClock, log: silentLog })
  const put = (place: { namespace: string; name: string }, index: number) => ({
    key: `/registry/core/pods/${place.namespace}/${place.name}`,
    value: encodeValue(copyOf(pod, place, index)),
    expect: undefined,
  })
  try {
    await store.commit([put({ namespace: loneNamespace, name: 'lone' }, 999_999)])
    for (let i = from; i < to; i += 500) {
      const some = Array.from({ length: Math.min(500, to - i) }, (_, j) => put({ namespace, name: podName(i + j) }, i + j))
      await store.commit(some)
    }
  } finally {
    await store.close()
  }
}
