import type { KubeObject } from './object.ts'

/** Who asks: from a client certificate or token, or one of our own components in the same process. */
export interface UserInfo {
  readonly name: string
  readonly uid: string
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, readonly string[]>>
}

/** What is known of a request that came over the network. */
export interface RequestOrigin {
  /** Path and query, as sent. */
  readonly uri: string
  /** The client's, or one made for it. */
  readonly auditId: string
  readonly receivedMs: number
  /** Worked out when asked for: who passed it on, as they say, and who sent it last. */
  readonly sourceIps: () => readonly string[]
  /** Who has shown credentials, where the user is one whom they impersonate. */
  readonly impersonator: UserInfo | undefined
}

/** Gets what the audit log is to tell of a request, from those who serve it. */
export interface AuditTrail {
  annotate(key: string, value: string): void
  /** The body, decoded, before anything is filled in. */
  requestObject(value: unknown, isPatch: boolean): void
  /** The server itself has failed. */
  panicked(message: string): void
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
  /** Absent: from a component in the same process. */
  readonly origin?: RequestOrigin
  /** Absent: nothing is told of this request. */
  readonly audit?: AuditTrail
}

/** Objects in answers may be shared with the server's cache: never change them. */
export type ApiResponse =
  | {
      readonly type: 'object'
      readonly code: number
      /** May be decoded when it is first looked at. */
      readonly object: object
      /** Its JSON, where that is at hand already. */
      readonly json?: () => Buffer
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
