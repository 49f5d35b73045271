import { type CheckedPod, containersOf, plural, quoted, settersOf, sorted, type Violation } from './pod-check.ts'

const allowed = (type: string): boolean => type === 'RuntimeDefault' || type === 'Localhost'
const appArmorAnnotation = 'container.apparmor.security.beta.kubernetes.io/'
const seccompPodAnnotation = 'seccomp.security.alpha.kubernetes.io/pod'
const seccompAnnotation = 'container.seccomp.security.alpha.kubernetes.io/'

export function appArmorViolation(pod: CheckedPod): Violation | undefined {
  const types = [pod.spec, ...containersOf(pod)].flatMap(({ securityContext }) => securityContext?.appArmorProfile?.type ?? [])
  const setters = settersOf(pod, ({ appArmorProfile }) => appArmorProfile?.type !== undefined && !allowed(appArmorProfile.type))
  const annotations = Object.entries(pod.metadata?.annotations ?? {})
    .filter(([key, value]) => key.startsWith(appArmorAnnotation) && value && value !== 'runtime/default' && !value.startsWith('localhost/'))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort()
  if (!setters && annotations.length === 0) return undefined
  const values = [...sorted(types.filter((type) => !allowed(type))), ...annotations]
  const who = [...(setters ? [setters] : []), ...(annotations.length > 0 ? [plural(annotations.length, 'annotation')] : [])]
  return {
    reason: plural(values.length, 'forbidden AppArmor profile'),
    detail: `${who.join(' and ')} must not set AppArmor profile type to ${quoted(values)}`,
  }
}

/** Before 1.19 there were only annotations. */
export function seccompAnnotationViolation(pod: CheckedPod): Violation | undefined {
  const { annotations = {} } = pod.metadata ?? {}
  const keys = [seccompPodAnnotation, ...containersOf(pod).map(({ name }) => seccompAnnotation + name)]
  const isGood = (value: string): boolean => value === 'runtime/default' || value === 'docker/default' || value.startsWith('localhost/')
  const bad = sorted(
    keys.flatMap((key) => (annotations[key] === undefined || isGood(annotations[key]) ? [] : `${key}=${JSON.stringify(annotations[key])}`)),
  )
  if (bad.length === 0) return undefined
  return { reason: 'seccompProfile', detail: `forbidden ${plural(bad.length, 'annotation')} ${bad.join(', ')}` }
}

export function seccompViolation(pod: CheckedPod): Violation | undefined {
  const setters = settersOf(pod, ({ seccompProfile }) => seccompProfile !== undefined && !allowed(seccompProfile.type))
  if (!setters) return undefined
  const types = [pod.spec, ...containersOf(pod)].flatMap(({ securityContext }) => securityContext?.seccompProfile?.type ?? [])
  const bad = quoted(sorted(types.filter((type) => !allowed(type))))
  return { reason: 'seccompProfile', detail: `${setters} must not set securityContext.seccompProfile.type to ${bad}` }
}
