import type { ApiResponse } from '../machinery/api-request.ts'
import type { StatusError } from '../machinery/status.ts'

/** Told of an answer that others give: when it begins and when it ends. */
export interface ForwardedAudit {
  started(code: number): void
  completed(): void
}

/** A request that a node's kubelet answers: log, exec, attach, portforward. */
export interface KubeletRequest {
  readonly type: 'kubelet'
  readonly host: string
  readonly port: number
  /** With its query. */
  readonly path: string
  /** True: the connection becomes a stream both ways once the kubelet agrees. */
  readonly upgrades: boolean
  readonly audit?: ForwardedAudit
}

/** Where a request through the `proxy` of a pod, a Service or a node goes. */
export interface ProxyTarget {
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: number
  /** A node's kubelet: it wants to see who asks. */
  readonly isKubelet: boolean
}

/** A request that goes on to a pod, a Service's endpoint or a node, through their `proxy`. */
export interface ProxyRequest {
  readonly type: 'proxy'
  readonly target: ProxyTarget
  /** With its query, as the target is asked for it. */
  readonly path: string
  /** The path up to `/proxy`, by which the target's own links lead back here. */
  readonly prefix: string
  readonly body: Uint8Array | undefined
  readonly audit?: ForwardedAudit
}

/** A body that is no text. */
export interface BytesAnswer {
  readonly type: 'bytes'
  readonly code: number
  readonly contentType: string
  readonly bytes: Uint8Array
}

/** Asks the client to ask elsewhere. */
export interface RedirectAnswer {
  readonly type: 'redirect'
  readonly code: 301
  readonly location: string
}

/** What the server makes of a request: an answer, or where to get it. */
export type Answer = ApiResponse | BytesAnswer | KubeletRequest | ProxyRequest | RedirectAnswer

export function objectAnswer(code: number, object: object, warnings: readonly string[] = []): ApiResponse {
  return { type: 'object', code, object, warnings }
}

export function errorAnswer({ status }: StatusError): ApiResponse {
  return objectAnswer(status.code, status)
}

export function textAnswer(code: number, text: string, contentType = 'text/plain; charset=utf-8'): ApiResponse {
  return { type: 'text', code, contentType, text }
}
