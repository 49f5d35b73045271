import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import type { ApiResponse } from '../machinery/api-request.ts'
import { badRequest, StatusError, serviceUnavailable } from '../machinery/status.ts'
import { errorAnswer, type KubeletRequest, textAnswer } from './answer.ts'
import { drained, type Exchange, type Headers } from './exchange.ts'
import { kubeletRefusal, kubeletUnreachable } from './kubelet-request.ts'

/** PEM. */
export interface KubeletCredentials {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** Connections to the nodes' kubelets, kept alive between requests. */
export class KubeletConnections {
  readonly #credentials: KubeletCredentials | undefined
  readonly #agent: Agent

  constructor(credentials: KubeletCredentials | undefined) {
    this.#credentials = credentials
    this.#agent = new Agent({ keepAlive: true, maxFreeSockets: 4, ...credentials })
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Opens a request; `headers` go along. Throws ServiceUnavailable where the server has no credentials for kubelets. */
  open(request: KubeletRequest, method: string, headers: Headers, signal: AbortSignal): ClientRequest {
    if (!this.#credentials) throw serviceUnavailable('this server has no credentials for kubelets')
    const { host, port, path, upgrades } = request
    // An upgraded connection is never given back.
    const own = upgrades ? { agent: false as const, ...this.#credentials } : { agent: this.#agent }
    return httpsRequest({ host, port, path, method, headers: headers as Record<string, string>, signal, ...own })
  }

  /** The kubelet's answer, to be read as it comes. Throws the {@link StatusError} that the client is told: it refused, or cannot be reached. */
  async read(request: KubeletRequest, signal: AbortSignal): Promise<IncomingMessage> {
    let answer: IncomingMessage
    try {
      answer = await answered(this.open(request, 'GET', {}, signal))
    } catch (error) {
      throw kubeletUnreachable(request, error as Error)
    }
    const code = answer.statusCode ?? 500
    if (!isSuccess(code)) throw kubeletRefusal(code, await startOf(answer))
    return answer
  }

  /** Passes the kubelet's answer on: each line of a followed log at once. */
  async forward(request: KubeletRequest, exchange: Exchange, signal: AbortSignal): Promise<void> {
    try {
      if (request.upgrades) throw badRequest('Upgrade request required')
      const answer = await this.read(request, signal)
      exchange.respond(answer.statusCode ?? 500, {
        'content-type': answer.headers['content-type'] ?? 'text/plain',
        'cache-control': 'no-cache, private',
      })
      for await (const chunk of answer) if (!exchange.output.write(chunk)) await drained(exchange.output)
      exchange.output.end()
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      refuse(exchange, error)
    }
  }

  /** The whole answer, such as a log, as one text. */
  async answered(request: KubeletRequest, signal: AbortSignal): Promise<ApiResponse> {
    try {
      const answer = await this.read(request, signal)
      const chunks: Buffer[] = []
      for await (const chunk of answer) chunks.push(chunk as Buffer)
      return textAnswer(answer.statusCode ?? 500, Buffer.concat(chunks).toString())
    } catch (error) {
      return errorAnswer(error instanceof StatusError ? error : kubeletUnreachable(request, error as Error))
    }
  }
}

function answered(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
    request.end()
  })
}

const isSuccess = (code: number): boolean => code >= 200 && code <= 206
/** A kubelet says why in one line; no more of it is passed on. */
const reasonBytes = 2000

async function startOf(answer: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of answer) {
    text += (chunk as Buffer).toString()
    if (text.length > reasonBytes) break
  }
  return text.slice(0, reasonBytes).trimEnd()
}

function refuse(exchange: Exchange, { status }: ReturnType<typeof badRequest>): void {
  exchange.respond(status.code, { 'content-type': 'application/json' })
  exchange.output.end(JSON.stringify(status))
}
