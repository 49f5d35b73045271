import type { Container, Pod, SecurityContext } from '../../../api/generated/types.ts'

/** A pod, or the template of one. */
export type CheckedPod = { readonly metadata?: Pick<Pod['metadata'], 'annotations'>; readonly spec: Pod['spec'] }

/** What a policy forbids of a pod: `reason (detail)` in messages. */
export interface Violation {
  readonly reason: string
  readonly detail: string
}

/** One control of the Pod Security Standards, from the minor version of Kubernetes on with which it came into them. */
export interface PodCheck {
  /** Upstream's name of it; messages are in the order of these. */
  readonly id: string
  readonly level: 'baseline' | 'restricted'
  /** Newest last; the last that isn't newer than the policy's version holds. */
  readonly versions: readonly { readonly since: number; readonly check: (pod: CheckedPod) => Violation | undefined }[]
  /** A baseline check that this one is a stricter form of. */
  readonly replaces?: string
}

export function containersOf({ spec }: CheckedPod): readonly Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers, ...((spec.ephemeralContainers ?? []) as readonly Container[])]
}

/** Quotation marks within stay as they are, as upstream. */
export const quoted = (items: Iterable<string>): string => [...items].map((item) => `"${item}"`).join(', ')
export const sorted = (items: Iterable<string>): string[] => [...new Set(items)].sort()
export const plural = (count: number, one: string, many = `${one}s`): string => (count === 1 ? one : many)

/** `containers "a", "b"`. */
export const containersNamed = (names: readonly string[]): string => `${plural(names.length, 'container')} ${quoted(names)}`

export function namesWhere(pod: CheckedPod, bad: (container: Container) => boolean): string[] {
  return containersOf(pod)
    .filter(bad)
    .map(({ name }) => name)
}

/** `pod and containers "a", "b"`: all that set what they must not; undefined: none does. */
export function settersOf(
  pod: CheckedPod,
  bad: (context: NonNullable<Pod['spec']['securityContext']> | SecurityContext) => boolean,
): string | undefined {
  const { securityContext } = pod.spec
  const names = namesWhere(pod, ({ securityContext: own }) => own !== undefined && bad(own))
  const setters = [...(securityContext && bad(securityContext) ? ['pod'] : []), ...(names.length > 0 ? [containersNamed(names)] : [])]
  return setters.length > 0 ? setters.join(' and ') : undefined
}

/** Linux's own controls say nothing of pods for Windows. */
export const unlessWindows =
  (check: (pod: CheckedPod) => Violation | undefined) =>
  (pod: CheckedPod): Violation | undefined =>
    pod.spec.os?.name === 'windows' ? undefined : check(pod)

/** In a user namespace of its own, root of the pod is nobody outside. */
export const unlessUserNamespace =
  (check: (pod: CheckedPod) => Violation | undefined) =>
  (pod: CheckedPod): Violation | undefined =>
    pod.spec.hostUsers === false ? undefined : check(pod)
