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

/** 0: none yet. */
export function revisionOf(object: Deployment | ReplicaSet): number {
  return Number(object.metadata.annotations?.[revisionAnnotation] ?? 0) || 0
}

/** The annotations that the new ReplicaSet should have; a revision only ever grows, so that a rollback gets a new number. */
export function newSetAnnotations(deployment: Deployment, before: Annotations, revision: number): Annotations {
  const after: Record<string, string> = { ...before }
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) if (!notCopied.has(key)) after[key] = value
  const old = before[revisionAnnotation]
  if (Number(old ?? 0) >= revision) return after
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
