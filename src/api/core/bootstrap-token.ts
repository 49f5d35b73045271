import type { Secret } from '../generated/types.ts'

/** A token by which a machine that has nothing else comes to the cluster: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
export interface BootstrapToken {
  readonly id: string
  readonly secret: string
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number
  readonly authenticates: boolean
  readonly signs: boolean
  /** Undefined: one of them isn't such that a token may give it. */
  readonly groups: readonly string[] | undefined
}

export const bootstrapTokenType = 'bootstrap.kubernetes.io/token'
export const bootstrapTokenNamespace = 'kube-system'
export const bootstrapSecretName = (id: string): string => `bootstrap-token-${id}`

const everyTokensGroup = 'system:bootstrappers'
const extraGroup = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/

/** The token that a Secret holds; undefined: none, or the Secret is not named for it. */
export function bootstrapTokenOf({ metadata, type, data = {} }: Secret): BootstrapToken | undefined {
  if (type !== bootstrapTokenType || metadata.namespace !== bootstrapTokenNamespace) return undefined
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString()
  const id = text('token-id')
  const secret = text('token-secret')
  if (!/^[a-z0-9]{6}$/.test(id) || !secret || metadata.name !== bootstrapSecretName(id)) return undefined
  return {
    id,
    secret,
    expiresAtMs: endOfBootstrapToken({ data }),
    authenticates: text('usage-bootstrap-authentication') === 'true',
    signs: text('usage-bootstrap-signing') === 'true',
    groups: groupsOf(text('auth-extra-groups')),
  }
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/** When a Secret's `expiration` is, in milliseconds since the epoch: for ever without one, long ago where it is no time. */
export function endOfBootstrapToken({ data = {} }: Pick<Secret, 'data'>): number {
  const text = Buffer.from(data.expiration ?? '', 'base64').toString()
  if (!text) return Number.POSITIVE_INFINITY
  const at = rfc3339.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? 0 : at
}

function groupsOf(extra: string): string[] | undefined {
  const asked = extra ? extra.split(',') : []
  if (!asked.every((group) => extraGroup.test(group))) return undefined
  return [...new Set([everyTokensGroup, ...asked])].sort()
}
