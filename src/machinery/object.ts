import { deepEqual } from './equality.ts'
/** What every Kubernetes object has in common, as it stands on the wire (JSON). */

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  /** At most one owner is the controller. */
  controller?: boolean
  blockOwnerDeletion?: boolean
}

export interface ManagedFieldsEntry {
  apiVersion?: string
  fieldsType?: string
  fieldsV1?: unknown
  manager?: string
  operation?: string
  subresource?: string
  time?: string
}

/**
 * Metadata of an object that the API server has stored: the fields that it always sets are always there.
 * An object on its way in is a {@link NewObject}.
 */
export interface ObjectMeta {
  name: string
  generateName?: string
  namespace?: string
  uid: string
  /** Opaque to clients; here the store's revision in decimal. */
  resourceVersion: string
  generation?: number
  /** RFC 3339, UTC, whole seconds. */
  creationTimestamp: string
  /** RFC 3339: set by the server once deletion has been asked for. */
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
  finalizers?: string[]
  managedFields?: ManagedFieldsEntry[]
  selfLink?: string
}

export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

/** An object before the server has seen it: `metadata` needs a name (or generateName), nothing more. */
export type NewObject<T extends KubeObject> = Omit<T, 'metadata' | 'apiVersion' | 'kind'> & {
  apiVersion?: string
  kind?: string
  metadata: Partial<ObjectMeta>
}

export interface ListMeta {
  resourceVersion?: string
  continue?: string
  remainingItemCount?: number
  selfLink?: string
}

export interface ObjectList<T extends KubeObject = KubeObject> {
  apiVersion: string
  kind: string
  metadata: ListMeta
  items: T[]
}

export interface StatusCause {
  reason?: string
  message?: string
  field?: string
}

export interface StatusDetails {
  name?: string
  group?: string
  kind?: string
  uid?: string
  causes?: StatusCause[]
  retryAfterSeconds?: number
}

/** The answer of the API where there is no object to answer with: every error, and some deletions. */
export interface Status {
  apiVersion: 'v1'
  kind: 'Status'
  metadata: ListMeta
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: StatusDetails
  code: number
}

/** `ns/name`, or `name` for what lives in no namespace: the key of an object among its kind. */
export function objectKey(object: { metadata: { namespace?: string; name: string } }): string {
  const { namespace, name } = object.metadata
  return namespace ? `${namespace}/${name}` : name
}

/** The inverse of {@link objectKey}. */
export function splitKey(key: string): { namespace: string | undefined; name: string } {
  const slash = key.indexOf('/')
  return slash < 0 ? { namespace: undefined, name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

/** The owner that manages this object, if one does. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller)
}

/** The reference by which `owner` controls what it creates. */
export function controllerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  }
}

/** Whether anything but metadata and status differs. Both must come from JSON: what is undefined is not there. */
export function isChanged(object: KubeObject, previous: KubeObject): boolean {
  return !deepEqual(withoutMetadataAndStatus(object), withoutMetadataAndStatus(previous))
}

function withoutMetadataAndStatus(object: KubeObject): object {
  const { metadata: _metadata, status: _status, ...rest } = object as KubeObject & { status?: unknown }
  return rest
}
