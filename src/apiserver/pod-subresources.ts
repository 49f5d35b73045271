import type { Pod } from '../api/generated/types.ts'
import { timestamp } from '../host/clock.ts'
import { isObject } from '../machinery/equality.ts'
import { required } from '../machinery/field-error.ts'
import type { KubeObject, Status } from '../machinery/object.ts'
import { badRequest, conflict, invalid } from '../machinery/status.ts'

const podResource = { group: '', plural: 'pods' }
const bindingKind = { group: '', kind: 'Binding' }

/** What a Binding says: the pod's node, and annotations that come with it. */
export interface BindingTarget {
  readonly node: string
  readonly uid: string | undefined
  readonly annotations: Readonly<Record<string, string>>
}

export function bindingTargetOf(body: Readonly<Record<string, unknown>>): BindingTarget {
  const metadata = isObject(body.metadata) ? body.metadata : {}
  const target = isObject(body.target) ? body.target : {}
  const name = typeof metadata.name === 'string' ? metadata.name : ''
  if (typeof target.name !== 'string' || !target.name) throw invalid(bindingKind, name, [required('target.name')])
  if (target.kind !== undefined && target.kind !== '' && target.kind !== 'Node') {
    throw badRequest('target.kind: Unsupported value: a pod is bound to a Node')
  }
  return {
    node: target.name,
    uid: typeof metadata.uid === 'string' && metadata.uid ? metadata.uid : undefined,
    annotations: isObject(metadata.annotations) ? (metadata.annotations as Record<string, string>) : {},
  }
}

/** Gives the pod its node; only ever once. `pod` is the caller's copy. */
export function bind(pod: KubeObject, target: BindingTarget, nowMs: number): KubeObject {
  const { metadata, spec, status } = pod as Pod
  if (target.uid !== undefined && target.uid !== metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${target.uid}, UID in object meta: ${metadata.uid}`
    throw conflict(podResource, metadata.name, why)
  }
  const bound = conflictOnBinding(metadata.name)
  if (metadata.deletionTimestamp !== undefined) throw bound(`pod ${metadata.name} is being deleted, cannot be assigned to a host`)
  if (spec.nodeName) throw bound(`pod ${metadata.name} is already assigned to node ${JSON.stringify(spec.nodeName)}`)
  if (spec.schedulingGates?.length) throw bound(`pod ${metadata.name} has non-empty .spec.schedulingGates`)
  spec.nodeName = target.node
  if (Object.keys(target.annotations).length > 0) metadata.annotations = { ...metadata.annotations, ...target.annotations }
  const others = (status?.conditions ?? []).filter((condition) => condition.type !== 'PodScheduled')
  const before = status?.conditions?.find((condition) => condition.type === 'PodScheduled')
  const lastTransitionTime = before?.status === 'True' ? before.lastTransitionTime : timestamp(nowMs)
  const scheduled = { type: 'PodScheduled', status: 'True', ...(lastTransitionTime ? { lastTransitionTime } : {}) }
  ;(pod as Pod).status = { ...status, conditions: [...others, scheduled] }
  return pod
}

const conflictOnBinding =
  (name: string) =>
  (why: string): Error =>
    conflict({ group: '', plural: 'pods/binding' }, name, why)

export const success = (code: number): Status => ({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code })
