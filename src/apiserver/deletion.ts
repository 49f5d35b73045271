import type { Kind } from '../api/kind.ts'
import { timestamp } from '../host/clock.ts'
import type { KubeObject } from '../machinery/object.ts'
import { conflict } from '../machinery/status.ts'
import type { DeleteRequest } from './request-options.ts'

/** What a request to delete does to the object as it stands. */
export type DeletionStep =
  /** It goes now. */
  | { readonly do: 'remove' }
  /** It stays, marked: someone (the kubelet, a finalizer's controller) has work to do first. */
  | { readonly do: 'mark'; readonly object: KubeObject }
  /** Its deletion is under way already. */
  | { readonly do: 'nothing' }

type HowToDelete = Partial<Pick<DeleteRequest, 'gracePeriodSeconds' | 'propagation'>>

const orphanFinalizer = 'orphan'
const foregroundFinalizer = 'foregroundDeletion'

/** Throws Conflict; as upstream, in the kind's singular. */
export function checkPreconditions(kind: Kind, object: KubeObject, request: DeleteRequest): void {
  const { name, uid, resourceVersion } = object.metadata
  const refuse = (why: string): Error => conflict({ group: kind.group, plural: kind.kind }, name, why)
  if (request.uid !== undefined && request.uid !== uid) {
    const mismatch = `the UID in the precondition (${request.uid}) does not match the UID in record (${uid})`
    throw refuse(`${mismatch}. The object might have been deleted and then recreated`)
  }
  if (request.resourceVersion !== undefined && request.resourceVersion !== resourceVersion) {
    const mismatch = `the ResourceVersion in the precondition (${request.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion})`
    throw refuse(`${mismatch}. The object might have been modified`)
  }
}

/** Decides one step of deletion. `object` is the caller's own copy and is changed into what is to be stored. */
export function nextDeletionStep(kind: Kind, object: KubeObject, request: HowToDelete, nowMs: number): DeletionStep {
  if (kind.plural === 'namespaces' && kind.group === '') return namespaceStep(object, nowMs)
  const graceSeconds = graceOf(kind, object, request)
  const finalizersChanged = setCascade(object, request)
  const pending = (object.metadata.finalizers?.length ?? 0) > 0
  if (!pending && (graceSeconds === 0 || hasWaited(object))) return { do: 'remove' }
  const marked = mark(object, graceSeconds, nowMs)
  return marked || finalizersChanged ? { do: 'mark', object } : { do: 'nothing' }
}

/** Emptied by its controller first; spec.finalizers says whether that is done. */
function namespaceStep(object: KubeObject, nowMs: number): DeletionStep {
  const namespace = object as KubeObject & { spec?: { finalizers?: readonly string[] }; status?: Record<string, unknown> }
  const pending = (namespace.spec?.finalizers?.length ?? 0) + (namespace.metadata.finalizers?.length ?? 0) > 0
  if (!pending) return { do: 'remove' }
  if (namespace.metadata.deletionTimestamp !== undefined) return { do: 'nothing' }
  namespace.metadata.deletionTimestamp = timestamp(nowMs)
  namespace.status = { ...namespace.status, phase: 'Terminating' }
  return { do: 'mark', object }
}

function graceOf(kind: Kind, object: KubeObject, request: HowToDelete): number {
  const own = kind.gracePeriodSeconds(object)
  // Kinds without a grace of their own take none from the caller; nor do objects that nothing has to end first.
  if (own === 0) return 0
  const asked = request.gracePeriodSeconds ?? own
  // A negative grace is a mistake of old clients that meant "at once, but properly".
  return asked < 0 ? 1 : asked
}

/** True: the finalizers have changed. */
function setCascade({ metadata }: KubeObject, { propagation }: HowToDelete): boolean {
  if (propagation === undefined) return false
  const wanted = { Orphan: orphanFinalizer, Foreground: foregroundFinalizer, Background: undefined }[propagation]
  const before = metadata.finalizers ?? []
  const after = before.filter((one) => one === wanted || (one !== orphanFinalizer && one !== foregroundFinalizer))
  if (wanted && !after.includes(wanted)) after.push(wanted)
  if (after.length === before.length && after.every((one, index) => one === before[index])) return false
  if (after.length > 0) metadata.finalizers = after
  else delete metadata.finalizers
  return true
}

/** Marked with nothing left to wait for: whoever was to remove it did not. */
function hasWaited({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined && !metadata.deletionGracePeriodSeconds
}

/** Sets when it is to be gone; a later request may only bring that forward. True: something changed. */
function mark({ metadata }: KubeObject, graceSeconds: number, nowMs: number): boolean {
  const before = metadata.deletionGracePeriodSeconds
  if (metadata.deletionTimestamp === undefined) {
    metadata.deletionTimestamp = timestamp(nowMs + graceSeconds * 1000)
    metadata.deletionGracePeriodSeconds = graceSeconds
    // Whoever watches what is wanted is to see that nothing is any more.
    if (metadata.generation !== undefined) metadata.generation += 1
    return true
  }
  if (before === undefined || graceSeconds >= before) return false
  const startedMs = Date.parse(metadata.deletionTimestamp) - before * 1000
  const endsMs = startedMs + graceSeconds * 1000
  const isOver = endsMs < nowMs
  metadata.deletionTimestamp = timestamp(isOver ? nowMs : endsMs)
  // It is still for its kubelet to end: a grace of none would be for the asker to mean.
  metadata.deletionGracePeriodSeconds = isOver && graceSeconds !== 0 ? 1 : graceSeconds
  return true
}
