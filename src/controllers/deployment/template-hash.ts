import type { Deployment, PodTemplateSpec, ReplicaSet } from '../../api/generated/types.ts'
import { deepEqual } from '../../machinery/equality.ts'

export const hashLabel = 'pod-template-hash'

/** Letters and digits that form no words, one for each of the ten digits of a hash and a few to spare. */
const safeLetters = 'bcdfghjklmnpqrstvwxz2456789'

/**
 * A short name for a pod template: the same for equal templates whatever the order of their fields. FNV-1a over the
 * template's JSON; `collisionCount` makes another of it where two templates share one.
 */
export function templateHash(template: PodTemplateSpec, collisionCount: number | undefined): string {
  let hash = 0x811c9dc5
  const text = canonical(template) + (collisionCount === undefined ? '' : `#${collisionCount}`)
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  return [...String(hash)].map((digit) => safeLetters[digit.charCodeAt(0) % safeLetters.length]).join('')
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).filter(([, field]) => field !== undefined)
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`)
    .join(',')}}`
}

/** What two templates are compared by: all but the label that ReplicaSets add. */
function comparable(template: PodTemplateSpec | undefined): unknown {
  const { labels = {}, creationTimestamp: _, ...metadata } = template?.metadata ?? {}
  const { [hashLabel]: _hash, ...others } = labels
  return { spec: template?.spec, metadata: { ...metadata, labels: others } }
}

export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return deepEqual(comparable(a), comparable(b))
}

export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const order = Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp)
  return order || (a.metadata.name < b.metadata.name ? -1 : 1)
}

/** The ReplicaSet of the Deployment's template as it is now: the oldest, where there are several. */
export function newReplicaSetOf(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...sets].sort(byAge).find((set) => sameTemplate(set.spec.template, deployment.spec.template))
}
