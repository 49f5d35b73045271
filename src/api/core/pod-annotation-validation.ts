import { type FieldError, forbiddenField, invalidValue } from '../../machinery/field-error.ts'
import type { ObjectMeta } from '../../machinery/object.ts'
import { type Faults, localPathFaults } from '../field-checks.ts'
import type { AppArmorProfile, PodSpec, SeccompProfile } from '../generated/types.ts'
import { eachContainer } from './pod-facts.ts'

/** Annotations that mean something to Kubernetes: most of them were fields before they were fields. */

export const mirrorAnnotation = 'kubernetes.io/config.mirror'
export const seccompPodAnnotation = 'seccomp.security.alpha.kubernetes.io/pod'
export const seccompContainerPrefix = 'container.seccomp.security.alpha.kubernetes.io/'
export const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/'
const deletionCost = 'controller.kubernetes.io/pod-deletion-cost'
const local = 'localhost/'

type Annotations = Readonly<Record<string, string>>

function* seccompFaults(path: string, profile: string): Faults {
  if (['runtime/default', 'docker/default', 'unconfined'].includes(profile)) return
  if (profile.startsWith(local)) yield* localPathFaults(path, profile.slice(local.length))
  else yield invalidValue(path, profile, 'must be a valid seccomp profile')
}

function* appArmorFaults(path: string, key: string, profile: string, spec: PodSpec): Faults {
  const name = key.slice(appArmorPrefix.length)
  if (![...eachContainer('', spec)].some(([, container]) => container.name === name)) {
    yield invalidValue(`${path}[${key}]`, name, 'container not found')
  }
  if (['', 'runtime/default', 'unconfined'].includes(profile) || profile.startsWith(local)) return
  yield invalidValue(`${path}[${key}]`, profile, `invalid AppArmor profile name: ${JSON.stringify(profile)}`)
}

const isInt32 = (text: string): boolean => /^(0|-?[1-9]\d{0,9})$/.test(text) && Number(text) === (Number(text) | 0)

/** `path` is that of the annotations. */
export function* podAnnotationFaults(path: string, annotations: Annotations = {}, spec: PodSpec): Faults {
  const { [mirrorAnnotation]: mirror, [deletionCost]: cost } = annotations
  if (mirror !== undefined && !spec.nodeName) {
    yield invalidValue(`${path}[${mirrorAnnotation}]`, mirror, 'must set spec.nodeName if mirror pod annotation is set')
  }
  if (cost !== undefined && !isInt32(cost)) yield invalidValue(`${path}[${deletionCost}]`, cost, 'must be a 32bit integer')
  for (const [key, value] of Object.entries(annotations)) {
    if (key === seccompPodAnnotation || key.startsWith(seccompContainerPrefix)) yield* seccompFaults(`${path}.${key}`, value)
    else if (key.startsWith(appArmorPrefix)) yield* appArmorFaults(path, key, value, spec)
  }
}

/** Annotations that stay as they are once the pod is there. */
export function* podAnnotationChangeFaults(now: Annotations = {}, before: Annotations = {}): Faults {
  const fixed = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter((key) => now[key] !== before[key])
  for (const key of fixed) {
    const isNew = before[key] === undefined
    const at = `metadata.annotations[${key}]`
    if (key.startsWith(appArmorPrefix)) yield forbiddenField(at, `may not ${isNew ? 'add' : 'remove or update'} AppArmor annotations`)
    if (key === mirrorAnnotation) yield forbiddenField(at, `may not ${isNew ? 'add' : 'remove or update'} mirror pod annotation`)
  }
}

/** `names`: which annotation stands for each type. */
function mismatch(
  path: string,
  annotation: string | undefined,
  profile: SeccompProfile | AppArmorProfile | undefined,
  { what, defaults }: { what: 'seccomp' | 'apparmor'; defaults: readonly string[] },
): FieldError[] {
  if (annotation === undefined || !profile) return []
  const type = forbiddenField(`${path}.type`, `${what} type in annotation and field must match`)
  switch (profile.type) {
    case 'Unconfined':
      return annotation === 'unconfined' ? [] : [type]
    case 'RuntimeDefault':
      return defaults.includes(annotation) ? [] : [type]
    case 'Localhost': {
      if (!annotation.startsWith(local)) return [type]
      const isSame = profile.localhostProfile === annotation.slice(local.length)
      return isSame ? [] : [forbiddenField(`${path}.localhostProfile`, `${what} profile in annotation and field must match`)]
    }
    default:
      return []
  }
}

const seccomp = { what: 'seccomp', defaults: ['runtime/default', 'docker/default'] } as const
const appArmor = { what: 'apparmor', defaults: ['runtime/default'] } as const

/** Where both an annotation and a field are given, they say the same. `path` is the spec's. */
export function* profileMatchFaults(path: string, metadata: Partial<ObjectMeta> | undefined, spec: PodSpec): Faults {
  const annotations = metadata?.annotations ?? {}
  const ofPod = spec.securityContext
  yield* mismatch(`${path}.securityContext.seccompProfile`, annotations[seccompPodAnnotation], ofPod?.seccompProfile, seccomp)
  const containers = [...eachContainer(path, spec)]
  for (const [at, { name, securityContext }] of containers) {
    const annotation = annotations[`${seccompContainerPrefix}${name}`]
    yield* mismatch(`${at}.securityContext.seccompProfile`, annotation, securityContext?.seccompProfile, seccomp)
  }
  if (spec.os?.name === 'windows') return
  for (const [at, { name, securityContext }] of containers) {
    const profile = securityContext?.appArmorProfile ?? ofPod?.appArmorProfile
    yield* mismatch(`${at}.securityContext.appArmorProfile`, annotations[`${appArmorPrefix}${name}`], profile, appArmor)
  }
}
