import { systemClock } from '../../host/clock.ts'
import { silentLog } from '../../host/log.ts'
import { systemRandom } from '../../host/random.ts'
import type { ApiRequest, ApiResponse, ApiWatchEvent, UserInfo } from '../../machinery/api-request.ts'
import type { KubeObject, Status } from '../../machinery/object.ts'
import { MemoryStore } from '../../storage/memory-store.ts'
import { type ApiServer, type ApiServerOptions, createApiServer } from '../apiserver.ts'

export const admin: UserInfo = { name: 'kubernetes-admin', uid: '', groups: ['system:masters', 'system:authenticated'], extra: {} }

type Loose = KubeObject & {
  spec: Record<string, never>
  status: Record<string, never>
  items: Loose[]
  code: number
  message: string
  data: Record<string, string>
}

interface Ask {
  readonly body?: unknown
  readonly contentType?: string
  readonly accept?: string
  readonly user?: UserInfo
}

/** An API server over a memory store, asked as kubectl would ask: `ask('GET', '/api/v1/pods?limit=1')`. */
export class TestServer {
  readonly server: ApiServer
  readonly store: MemoryStore

  static async start(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
    const store = (options.store as MemoryStore | undefined) ?? new MemoryStore(options.clock ? { clock: options.clock } : {})
    const server = await createApiServer({
      store,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      serviceCidr: '10.96.0.0/16',
      nodePortRange: { from: 30000, to: 32767 },
      ...options,
    })
    return new TestServer(server, store)
  }

  private constructor(server: ApiServer, store: MemoryStore) {
    this.server = server
    this.store = store
  }

  async ask(
    method: ApiRequest['method'],
    url: string,
    { body, contentType, accept, user }: Ask = {},
  ): Promise<{ code: number; object: Loose; warnings: readonly string[] }> {
    const answer = await this.raw(method, url, { body, contentType, accept, user })
    if (answer.type !== 'object') throw new Error(`${url} answered with ${answer.type}`)
    return { code: answer.code, object: answer.object as Loose, warnings: answer.warnings }
  }

  raw(
    method: ApiRequest['method'],
    url: string,
    { body, contentType, accept, user }: Ask = {},
    signal = new AbortController().signal,
  ): Promise<ApiResponse> {
    const [path = '', query = ''] = url.split('?')
    return this.server.handle({
      method,
      path,
      query: new URLSearchParams(query),
      contentType: contentType ?? 'application/json',
      accept: accept ?? 'application/json',
      userAgent: 'test/1',
      body: body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
      user: user ?? admin,
      signal,
    })
  }

  /** What a refusal says: code and message. */
  async refusal(method: ApiRequest['method'], url: string, ask: Ask = {}): Promise<string> {
    const { code, object } = await this.ask(method, url, ask)
    if (code < 400) throw new Error(`${method} ${url} was not refused`)
    return `${code} ${(object as unknown as Status).message}`
  }

  async watch(url: string, accept?: string): Promise<TestWatch> {
    const stop = new AbortController()
    const answer = await this.raw('GET', url, { accept }, stop.signal)
    if (answer.type !== 'watch') throw new Error(`${url} is no watch: ${JSON.stringify(answer)}`)
    return new TestWatch(answer.events[Symbol.asyncIterator](), () => stop.abort())
  }

  async close(): Promise<void> {
    await this.server.close()
    await this.store.close()
  }
}

export class TestWatch {
  readonly #events: AsyncIterator<ApiWatchEvent>
  readonly stop: () => void

  constructor(events: AsyncIterator<ApiWatchEvent>, stop: () => void) {
    this.#events = events
    this.stop = stop
  }

  /** The next `count` events as `ADDED web`. */
  async take(count: number): Promise<string[]> {
    const told: string[] = []
    while (told.length < count) {
      const next = await this.#events.next()
      if (next.done) return [...told, 'END']
      const { type, object } = next.value
      const { metadata, message } = object as KubeObject & { message?: string }
      told.push(type === 'ERROR' ? `ERROR ${message}` : type === 'BOOKMARK' ? 'BOOKMARK' : `${type} ${metadata.name}`)
    }
    return told
  }

  async next(): Promise<ApiWatchEvent | undefined> {
    const next = await this.#events.next()
    return next.done ? undefined : next.value
  }
}

export const pod = (name: string, more: Record<string, unknown> = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'main', image: 'web:1' }], ...more },
})
