import type { KubeObject } from '../../machinery/object.ts'
import type { PersistentVolumeClaim, Pod, ResourceQuota, ScopedResourceSelectorRequirement } from '../generated/types.ts'
import { qosClass } from './pod-qos.ts'

type Resource = { readonly group: string; readonly plural: string }

function matchesName({ operator, values = [] }: ScopedResourceSelectorRequirement, name: string | undefined): boolean {
  if (operator === 'Exists') return Boolean(name)
  if (operator === 'DoesNotExist') return !name
  return operator === 'In' ? Boolean(name) && values.includes(name as string) : !name || !values.includes(name)
}

function isAcrossNamespaces({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {}
  const terms = [podAffinity, podAntiAffinity].flatMap((one) => [
    ...(one?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(one?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ])
  return terms.some(({ namespaces, namespaceSelector }) => (namespaces?.length ?? 0) > 0 || namespaceSelector !== undefined)
}

function podMatches(pod: Pod, scope: ScopedResourceSelectorRequirement): boolean {
  switch (scope.scopeName) {
    case 'Terminating':
      return pod.spec.activeDeadlineSeconds !== undefined
    case 'NotTerminating':
      return pod.spec.activeDeadlineSeconds === undefined
    case 'BestEffort':
      return qosClass(pod) === 'BestEffort'
    case 'NotBestEffort':
      return qosClass(pod) !== 'BestEffort'
    case 'PriorityClass':
      return matchesName(scope, pod.spec.priorityClassName)
    case 'CrossNamespacePodAffinity':
      return isAcrossNamespaces(pod)
    default:
      return false
  }
}

/** Whether an object is among those that the quota is for: one with scopes is for pods, or for claims by their attributes. */
export function isInQuotaScopes({ spec }: ResourceQuota, kind: Resource, object: KubeObject): boolean {
  const exists = (spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' }))
  const scopes: readonly ScopedResourceSelectorRequirement[] = [...exists, ...(spec?.scopeSelector?.matchExpressions ?? [])]
  if (scopes.length === 0) return true
  if (kind.group !== '') return false
  if (kind.plural === 'pods') return scopes.every((scope) => podMatches(object as Pod, scope))
  if (kind.plural !== 'persistentvolumeclaims') return false
  const { volumeAttributesClassName } = (object as PersistentVolumeClaim).spec ?? {}
  return scopes.every((scope) => scope.scopeName === 'VolumeAttributesClass' && matchesName(scope, volumeAttributesClassName))
}
