import { existsSync, readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { kinds } from '../../../api/registry.ts'
import type { ClusterCertificates } from '../../../cluster/certificates.ts'
import { type Clock, systemClock } from '../../../host/clock.ts'
import { type Log, silentLog } from '../../../host/log.ts'
import type { ApiHandler } from '../../../machinery/api-request.ts'
import { apiVersionOf, resourcePath } from '../../../machinery/group-version.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import { StatusError } from '../../../machinery/status.ts'
import { TestServer } from '../test-server.ts'
import type { HostileRequest, Sample, Sender } from './hostile-requests.ts'
import { faultOf } from './judge.ts'
import { RawConnection } from './raw-connection.ts'

const smallObjects = new URL('../../../../test/e2e/every-kind.yaml', import.meta.url)
/** Upstream's filled objects; beside the repository if they are there. */
const fixtures = new URL('../../../../../shared/k8s-data/fixtures/', import.meta.url)

/** An object of every kind that is stored. */
export function readSamples(): Sample[] {
  const documents = parseAllDocuments(readFileSync(smallObjects, 'utf8')).map((document) => document.toJS() as KubeObject)
  return documents.flatMap((object) => {
    const kind = kinds.find((each) => apiVersionOf(each) === object.apiVersion && each.kind === object.kind)
    if (!kind) return []
    const file = (form: string): URL => new URL(`${kind.group || 'core'}.${kind.version}.${kind.kind}.${form}`, fixtures)
    const isFilled = existsSync(file('json'))
    const filled = isFilled ? (JSON.parse(readFileSync(file('json'), 'utf8')) as object) : undefined
    return [{ kind, object, filled, protobuf: isFilled ? readFileSync(file('pb')) : undefined }]
  })
}

/** Nobody waits long: not for a revision that is yet to come, nor for the end of a watch. */
const hurriedClock: Clock = { ...systemClock, after: (delayMs, run) => systemClock.after(Math.min(delayMs, 50), run) }

export interface Limits {
  readonly cpuMs: number
  readonly memoryBytes: number
}

/** Whoever else works through the server's API, until the signal: controllers, a scheduler. */
export type StartOthers = (deps: { handle: ApiHandler; log: Log; signal: AbortSignal }) => Promise<void>

/** A server with an object of every kind, over TLS, and those who mean it ill. */
export class FuzzWorld {
  readonly #stop = new AbortController()
  readonly #server: TestServer
  readonly #samples: readonly Sample[]
  readonly #connections: Readonly<Record<Sender, RawConnection>>
  /** What the server logged as an error. */
  readonly #errors: string[]

  static async open(
    samples: readonly Sample[],
    { ca, apiserver, admin, kubeletClient }: ClusterCertificates,
    startOthers?: StartOthers,
  ): Promise<FuzzWorld> {
    const errors: string[] = []
    const log: Log = {
      ...silentLog,
      // What the API refuses somebody may be tried again; that somebody cannot deal with what is there is a fault.
      warn: (message, { error, ...fields } = {}) => {
        if (error instanceof Error && !(error instanceof StatusError)) errors.push(`${message} ${JSON.stringify(fields)} ${error.stack}`)
      },
      error: (message, fields) =>
        errors.push(`${message} ${fields?.stack ?? (fields?.error as Error | undefined)?.stack ?? fields?.error ?? ''}`),
      named: () => log,
    }
    const server = await TestServer.start({ clock: hurriedClock, log })
    const { port } = await server.server.listen({ host: '127.0.0.1', port: 0, ca, ...apiserver })
    const world = new FuzzWorld(server, samples, { port, ca, admin, kubeletClient }, errors)
    await world.#fill()
    await startOthers?.({ handle: server.server.handle, log, signal: world.#stop.signal })
    return world
  }

  private constructor(
    server: TestServer,
    samples: readonly Sample[],
    { port, ca, admin, kubeletClient }: { port: number } & Pick<ClusterCertificates, 'ca' | 'admin' | 'kubeletClient'>,
    errors: string[],
  ) {
    this.#server = server
    this.#samples = samples
    this.#errors = errors
    this.#connections = {
      administrator: new RawConnection({ port, ca, ...admin }),
      node: new RawConnection({ port, ca, ...kubeletClient }),
      nobody: new RawConnection({ port, ca }),
    }
  }

  async #fill(): Promise<void> {
    for (const { kind, object } of this.#samples) {
      const url = resourcePath(kind, kind.namespaced ? 'default' : undefined)
      const { code, object: answer } = await this.#server.ask('POST', url, { body: object })
      if (code !== 201 && code !== 409) throw new Error(`${kind.kind} cannot be made: ${answer.message}`)
    }
  }

  /** What is wrong with the answer; undefined: nothing. */
  async try(request: HostileRequest, limits: Limits): Promise<{ fault: string | undefined; cpuMs: number }> {
    const cpu = process.cpuUsage()
    const peak = process.resourceUsage().maxRSS
    const fault = await this.#faultOf(request)
    const { user, system } = process.cpuUsage(cpu)
    const cpuMs = (user + system) / 1000
    const grown = (process.resourceUsage().maxRSS - peak) * 1024
    if (fault !== undefined) return { fault, cpuMs }
    if (cpuMs > limits.cpuMs) return { fault: `took ${cpuMs.toFixed(0)} ms of processor time`, cpuMs }
    if (grown > limits.memoryBytes) return { fault: `took ${(grown / 2 ** 20).toFixed(0)} MiB`, cpuMs }
    return { fault: undefined, cpuMs }
  }

  async #faultOf(request: HostileRequest): Promise<string | undefined> {
    let fault: string | undefined
    try {
      fault = faultOf(request, await this.#connections[request.sender].ask(request))
    } catch (error) {
      fault = `no answer: ${(error as Error).message}`
    }
    const [logged] = this.#errors.splice(0)
    if (logged !== undefined) return `${fault ?? 'answered'}; logged: ${logged}`
    if (fault === undefined && 'polluted' in {}) return 'changed the prototype of all objects'
    return fault
  }

  /** What the server has become: everything in it can be read in every form, and written. */
  async health(): Promise<string[]> {
    const faults: string[] = []
    const read = async (target: string, accept: string): Promise<void> => {
      const request = { sender: 'administrator' as const, method: 'GET', target, headers: [['Accept', accept]] as const, body: undefined }
      const fault = await this.#faultOf(request)
      if (fault !== undefined) faults.push(`${target} as ${accept}: ${fault.slice(0, 2_000)}`)
    }
    for (const kind of kinds.filter(({ verbs }) => !verbs || verbs.includes('list'))) {
      for (const accept of forms) await read(resourcePath(kind, undefined), accept)
    }
    await read('/readyz', '*/*')
    await read('/metrics', '*/*')
    const made = await this.#server.ask('POST', '/api/v1/namespaces', { body: { metadata: { generateName: 'healthy-' } } })
    if (made.code !== 201) faults.push(`no namespace can be made: ${made.object.message}`)
    return faults
  }

  /** Closes it, and opens another server over what it has stored: whatever that is, it must not keep one from starting. */
  async end(): Promise<void> {
    for (const connection of Object.values(this.#connections)) connection.close()
    this.#stop.abort(new Error('the world ends'))
    const { store } = this.#server
    await this.#server.server.close()
    const next = await TestServer.start({ store })
    await next.server.close()
    await store.close()
  }
}

const forms: readonly string[] = [
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
  'application/json;as=Table;v=v1;g=meta.k8s.io',
  'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
]

/** For people who want to see what did it. */
export function requestText({ sender, method, target, headers, body }: HostileRequest): string {
  const text =
    body === undefined
      ? ''
      : body.byteLength > 4_000
        ? `${body.toString('latin1', 0, 4_000)}… (${body.byteLength} bytes)`
        : JSON.stringify(body.toString('latin1'))
  return `${sender}: ${method} ${target}\n${headers.map(([name, value]) => `${name}: ${value.slice(0, 200)}`).join('\n')}\n${text}`
}
