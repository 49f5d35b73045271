import type { KubeObject } from './object.ts'

/** Who asks: from a client certificate or token, or one of our own components in the same process. */
export interface UserInfo {
  readonly name: string
  readonly uid: string
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, readonly string[]>>
}

/**
 * One request to the API, free of HTTP: what the server's HTTP front end makes of a request, and what the in-process
 * transport makes directly. `body` is either the encoded bytes with their content type or, in process, the value itself.
 */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query: URLSearchParams
  readonly contentType: string
  readonly accept: string
  readonly userAgent: string
  readonly body: Uint8Array | object | undefined
  readonly user: UserInfo
  /** Aborted when the caller has gone: ends watches. */
  readonly signal: AbortSignal
}

/** Objects in answers may be shared with the server's cache: never change them. */
export type ApiResponse =
  | {
      readonly type: 'object'
      readonly code: number
      readonly object: object
      readonly warnings: readonly string[]
      /** For what seldom changes: the hash by which a client may ask whether it has. */
      readonly hash?: string
    }
  | { readonly type: 'text'; readonly code: number; readonly contentType: string; readonly text: string }
  | { readonly type: 'watch'; readonly events: AsyncIterable<ApiWatchEvent> }

export interface ApiWatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  /** A Status with ERROR. */
  readonly object: KubeObject | object
}

/** The API server as a function. Never throws: errors are Status objects with their code. */
export type ApiHandler = (request: ApiRequest) => Promise<ApiResponse>
