import { type CheckedPod, containersNamed, containersOf, namesWhere, quoted, sorted, type Violation } from './pod-check.ts'

/** Of both levels: restricted goes on to ask it of pods in user namespaces. */
export function procMountViolation(pod: CheckedPod): Violation | undefined {
  const isBad = (type: string | undefined): type is string => type !== undefined && type !== 'Default'
  const names = namesWhere(pod, ({ securityContext }) => isBad(securityContext?.procMount))
  if (names.length === 0) return undefined
  const types = sorted(
    containersOf(pod)
      .flatMap(({ securityContext }) => securityContext?.procMount ?? [])
      .filter(isBad),
  )
  return { reason: 'procMount', detail: `${containersNamed(names)} must not set securityContext.procMount to ${quoted(types)}` }
}
