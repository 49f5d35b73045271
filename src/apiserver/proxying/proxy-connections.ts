import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { ApiRequest, ApiResponse } from '../../machinery/api-request.ts'
import { serviceUnavailable } from '../../machinery/status.ts'
import { errorAnswer, type ProxyRequest, textAnswer } from '../answer.ts'
import { drained, type Exchange, type Headers } from '../exchange.ts'
import type { KubeletCredentials } from '../kubelet-connections.ts'
import { locationThroughProxy, withLinksThroughProxy } from './rewrite-links.ts'

/** Headers of one connection, and what tells who the caller is: neither is for those behind the proxy. */
const notForwarded = new Set([
  'host',
  'authorization',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'content-length',
])
const ofTheConnection = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'])
/** Pages larger than this keep their links. */
const longestPage = 1 << 20

/** Connections to what lies behind the `proxy` of pods, Services and nodes. */
export class ProxyConnections {
  readonly #credentials: KubeletCredentials | undefined
  readonly #plain = new HttpAgent({ keepAlive: true, maxFreeSockets: 8 })
  readonly #secure: HttpsAgent
  readonly #kubelets: HttpsAgent

  constructor(credentials: KubeletCredentials | undefined) {
    this.#credentials = credentials
    // As upstream: who is behind a pod's or Service's TLS is not checked.
    this.#secure = new HttpsAgent({ keepAlive: true, maxFreeSockets: 8, rejectUnauthorized: false })
    this.#kubelets = new HttpsAgent({ keepAlive: true, maxFreeSockets: 4, ...credentials })
  }

  close(): void {
    for (const agent of [this.#plain, this.#secure, this.#kubelets]) agent.destroy()
  }

  open({ target, path, body }: ProxyRequest, method: string, headers: Headers, signal: AbortSignal, upgrades = false): ClientRequest {
    const sent: Record<string, string | string[]> = {}
    for (const [name, value] of Object.entries(headers)) {
      if (
        value === undefined ||
        name.startsWith(':') ||
        name.startsWith('impersonate-') ||
        (notForwarded.has(name) && !(upgrades && name === 'connection'))
      )
        continue
      sent[name] = Array.isArray(value) ? value : String(value)
    }
    if (body) sent['content-length'] = String(body.byteLength)
    const options = { host: target.host, port: target.port, path, method, headers: sent, signal }
    if (target.scheme === 'http') return httpRequest({ ...options, agent: upgrades ? false : this.#plain })
    if (!target.isKubelet) return httpsRequest({ ...options, rejectUnauthorized: false, agent: upgrades ? false : this.#secure })
    return httpsRequest({ ...options, ...(upgrades ? { ...this.#credentials, agent: false } : { agent: this.#kubelets }) })
  }

  /** Passes the answer on as it comes. */
  async forward(request: ProxyRequest, exchange: Exchange, signal: AbortSignal): Promise<void> {
    let answer: IncomingMessage
    try {
      answer = await this.#answerOf(request, exchange.method, exchange.headers, signal)
    } catch (error) {
      if (signal.aborted) return
      const { status } = unreachable(request, error as Error)
      exchange.respond(status.code, { 'content-type': 'application/json' })
      exchange.output.end(JSON.stringify(status))
      return
    }
    const headers = headersThroughProxy(answer, request)
    const page =
      /^text\/html\b/.test(String(headers['content-type'])) &&
      headers['content-encoding'] === undefined &&
      Number(headers['content-length'] ?? 0) <= longestPage
    if (page) return await sendPage(answer, headers, request.prefix, exchange)
    exchange.respond(answer.statusCode ?? 502, headers)
    for await (const chunk of answer) if (!exchange.output.write(chunk)) await drained(exchange.output)
    exchange.output.end()
  }

  /** The API without HTTP: the whole answer as one text. */
  async answered(request: ProxyRequest, { method, contentType, signal }: ApiRequest): Promise<ApiResponse> {
    try {
      const answer = await this.#answerOf(request, method, contentType ? { 'content-type': contentType } : {}, signal)
      const chunks: Buffer[] = []
      for await (const chunk of answer) chunks.push(chunk as Buffer)
      return textAnswer(answer.statusCode ?? 502, Buffer.concat(chunks).toString(), answer.headers['content-type'])
    } catch (error) {
      return errorAnswer(unreachable(request, error as Error))
    }
  }

  #answerOf(request: ProxyRequest, method: string, headers: Headers, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = this.open(request, method, headers, signal)
      outgoing.once('response', resolve)
      outgoing.once('error', reject)
      outgoing.end(request.body)
    })
  }
}

/** Nobody answers there. */
export function unreachable({ target, path }: ProxyRequest, error: Error): ReturnType<typeof serviceUnavailable> {
  const url = `${target.scheme}://${target.host}:${target.port}${path}`
  return serviceUnavailable(`error trying to reach service: ${error.message} (${url})`)
}

type AnswerHeaders = Record<string, string | string[] | number>

function headersThroughProxy(answer: IncomingMessage, { target, prefix }: ProxyRequest): AnswerHeaders {
  const headers: AnswerHeaders = {}
  for (const [name, value] of Object.entries(answer.headers)) if (value !== undefined && !ofTheConnection.has(name)) headers[name] = value
  if (answer.headers.location) headers.location = locationThroughProxy(answer.headers.location, target, prefix)
  return headers
}

async function sendPage(answer: IncomingMessage, headers: AnswerHeaders, prefix: string, exchange: Exchange): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  const page = Buffer.from(withLinksThroughProxy(Buffer.concat(chunks).toString(), prefix))
  exchange.respond(answer.statusCode ?? 502, exchange.method === 'HEAD' ? headers : { ...headers, 'content-length': page.byteLength })
  exchange.output.end(exchange.method === 'HEAD' ? undefined : page)
}
