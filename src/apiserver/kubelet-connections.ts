import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import type { ApiResponse } from '../machinery/api-request.ts'
import { badRequest, serviceUnavailable } from '../machinery/status.ts'
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

  /** The kubelet's answer, passed on as it comes: each line of a followed log at once. */
  async forward(request: KubeletRequest, exchange: Exchange, signal: AbortSignal): Promise<void> {
    if (request.upgrades) return refuse(exchange, badRequest('Upgrade request required'))
    let answer: IncomingMessage
    try {
      answer = await answered(this.open(request, 'GET', {}, signal))
    } catch (error) {
      return refuse(exchange, kubeletUnreachable(request, error as Error))
    }
    const code = answer.statusCode ?? 500
    if (!isSuccess(code)) return refuse(exchange, kubeletRefusal(code, await startOf(answer)))
    exchange.respond(code, {
      'content-type': answer.headers['content-type'] ?? 'text/plain',
      'cache-control': 'no-cache, private',
    })
    for await (const chunk of answer) if (!exchange.output.write(chunk)) await drained(exchange.output)
    exchange.output.end()
  }

  /** The whole answer, such as a log, as one text. */
  async answered(request: KubeletRequest, signal: AbortSignal): Promise<ApiResponse> {
    try {
      const response = await answered(this.open(request, 'GET', {}, signal))
      const code = response.statusCode ?? 500
      if (!isSuccess(code)) return errorAnswer(kubeletRefusal(code, await startOf(response)))
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      return textAnswer(code, Buffer.concat(chunks).toString())
    } catch (error) {
      return errorAnswer(kubeletUnreachable(request, error as Error))
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
