/** Secrets that hold the token of a service account: https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets */
export const accountTokenType = 'kubernetes.io/service-account-token'
export const accountNameAnnotation = 'kubernetes.io/service-account.name'
export const accountUidAnnotation = 'kubernetes.io/service-account.uid'

/** Dates as 2026-03-01: since when nobody may use the token, and when somebody last did. */
export const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since'
export const lastUsedLabel = 'kubernetes.io/legacy-token-last-used'

export const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
