import type { PeerCertificate } from 'node:tls'
import type { UserInfo } from '../../machinery/api-request.ts'

/** What of a TLS connection tells who is there. */
export interface PeerSocket {
  readonly authorized: boolean
  /** Null once the connection has gone. */
  getPeerCertificate(detailed?: false): PeerCertificate | object | null
}

export const anonymous: UserInfo = { name: 'system:anonymous', uid: '', groups: ['system:unauthenticated'], extra: {} }

/**
 * The caller, by its client certificate: common name is the user, organizations are the groups. Without a certificate
 * anonymous; undefined (401) for a certificate that the cluster's CA has not signed, that has run out or names nobody.
 */
export function userOfPeer(socket: PeerSocket): UserInfo | undefined {
  const certificate = socket.getPeerCertificate() as Partial<PeerCertificate> | null
  if (!certificate) return undefined
  if (!certificate.subject) return anonymous
  if (!socket.authorized) return undefined
  const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] }
  const name = Array.isArray(CN) ? CN.at(-1) : CN
  if (!name) return undefined
  const organizations = O === undefined ? [] : Array.isArray(O) ? O : [O]
  return { name, uid: '', groups: [...organizations, 'system:authenticated'], extra: {} }
}
