import type { ClientRequest } from 'node:http'
import type { ApiRequest, ApiResponse } from '../machinery/api-request.ts'
import { badRequest, type StatusError } from '../machinery/status.ts'
import { type Answer, errorAnswer, type KubeletRequest, type ProxyRequest, textAnswer } from './answer.ts'
import type { Api } from './api.ts'
import type { Exchange, Headers } from './exchange.ts'
import { KubeletConnections, type KubeletCredentials } from './kubelet-connections.ts'
import { kubeletUnreachable } from './kubelet-request.ts'
import { ProxyConnections, unreachable } from './proxying/proxy-connections.ts'

/** What answers in this server's stead: the nodes' kubelets, and whatever is behind the `proxy` of pods, Services and nodes. */
export class Backends {
  readonly #kubelets: KubeletConnections
  readonly #proxies: ProxyConnections

  constructor(credentials: KubeletCredentials | undefined) {
    this.#kubelets = new KubeletConnections(credentials)
    this.#proxies = new ProxyConnections(credentials)
  }

  close(): void {
    this.#kubelets.close()
    this.#proxies.close()
  }

  /** Passes the answer on as it comes. */
  forward(answer: KubeletRequest | ProxyRequest, exchange: Exchange, signal: AbortSignal): Promise<void> {
    return answer.type === 'kubelet' ? this.#kubelets.forward(answer, exchange, signal) : this.#proxies.forward(answer, exchange, signal)
  }

  /** Opens a connection that becomes a stream both ways. Undefined: the answer is none that does. */
  upgrade(answer: Answer, method: string, headers: Headers, signal: AbortSignal): ClientRequest | undefined {
    if (answer.type === 'kubelet' && answer.upgrades) return this.#kubelets.open(answer, method, headers, signal)
    return answer.type === 'proxy' ? this.#proxies.open(answer, method, headers, signal, true) : undefined
  }

  /** A log, as it comes. Throws the {@link StatusError} that the client is told where there is none. */
  readLog(answer: KubeletRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return this.#kubelets.read(answer, signal)
  }

  /** The API without HTTP: what others answer, as one text; streams need a connection of their own. */
  async answered(api: Api, request: ApiRequest): Promise<ApiResponse> {
    const answer = await api.serve(request)
    const response = await this.#whole(answer, request)
    if ((answer.type === 'kubelet' || answer.type === 'proxy') && 'code' in response) {
      answer.audit?.started(response.code)
      answer.audit?.completed()
    }
    return response
  }

  async #whole(answer: Answer, request: ApiRequest): Promise<ApiResponse> {
    switch (answer.type) {
      case 'bytes':
        return textAnswer(answer.code, Buffer.from(answer.bytes).toString('latin1'), answer.contentType)
      case 'kubelet':
        return answer.upgrades ? errorAnswer(badRequest('Upgrade request required')) : this.#kubelets.answered(answer, request.signal)
      case 'proxy':
        return this.#proxies.answered(answer, request)
      case 'redirect':
        return textAnswer(answer.code, answer.location)
      default:
        return answer
    }
  }
}

/** The one that should have answered could not be reached. */
export function backendUnreachable(answer: KubeletRequest | ProxyRequest, error: Error): StatusError {
  return answer.type === 'kubelet' ? kubeletUnreachable(answer, error) : unreachable(answer, error)
}
