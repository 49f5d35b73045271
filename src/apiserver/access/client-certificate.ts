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
  return socket.authorized ? userOfCertificate(certificate) : undefined
}

/** The part of a subject that is the user's UID. */
const uidType = '1.3.6.1.4.1.57683.2'

function userOfCertificate({ subject, fingerprint256 = '' }: Partial<PeerCertificate>): UserInfo | undefined {
  const { CN, O, [uidType]: uid = [] } = subject as unknown as Readonly<Record<string, string | string[] | undefined>>
  const name = [CN].flat().at(-1)
  const uids = [uid].flat()
  if (!name || uids.length > 1) return undefined
  const credential = `X509SHA256=${fingerprint256.replaceAll(':', '').toLowerCase()}`
  return {
    name,
    uid: uids[0] ?? '',
    groups: [...[O ?? []].flat(), 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [credential] },
  }
}

/** When the certificate that was shown runs out, in milliseconds since the epoch: connections may last longer. */
export function endOfPeer(socket: PeerSocket): number {
  const { valid_to: end } = (socket.getPeerCertificate() ?? {}) as Partial<PeerCertificate>
  return end === undefined ? Number.POSITIVE_INFINITY : Date.parse(end)
}
