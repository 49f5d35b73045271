import type { Deployment, ReplicaSet } from '../../api/generated/types.ts'

export const revisionAnnotation = 'deployment.kubernetes.io/revision'
const historyAnnotation = 'deployment.kubernetes.io/revision-history'
export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas'
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas'

/** Annotations of the Deployment that say nothing about a ReplicaSet. */
const notCopied = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
])

/** Upstream's limit of the list of revisions that a reused ReplicaSet has had, in characters. */
const longestHistory = 2_000

export type Annotations = Readonly<Record<string, string>>

/** 0: none yet. Some tools number by time: it is of 64 bits. */
export function revisionOf({ metadata }: Deployment | ReplicaSet): bigint {
  return revisionFrom(metadata.annotations?.[revisionAnnotation])
}

function revisionFrom(text: string | undefined): bigint {
  return text !== undefined && /^[+-]?\d{1,19}$/.test(text) ? BigInt(text) : 0n
}

/** The annotations that the new ReplicaSet should have; a revision only ever grows, so that a rollback gets a new number. */
export function newSetAnnotations(deployment: Deployment, before: Annotations, revision: bigint): Annotations {
  const after: Record<string, string> = { ...before }
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) if (!notCopied.has(key)) after[key] = value
  const old = before[revisionAnnotation]
  if (revisionFrom(old) >= revision) return after
  after[revisionAnnotation] = String(revision)
  if (old !== undefined) {
    const history = [...(before[historyAnnotation]?.split(',') ?? []), old].filter(Boolean)
    while (history.join(',').length > longestHistory) history.shift()
    after[historyAnnotation] = history.join(',')
  }
  return after
}

/** What a ReplicaSet's share was worked out from, for scaling in proportion later. */
export function sizeAnnotations(before: Annotations, desired: number, max: number): Annotations {
  return { ...before, [desiredAnnotation]: String(desired), [maxAnnotation]: String(max) }
}
