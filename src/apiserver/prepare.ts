import type { Kind, ObjectPart, PartName } from '../api/kind.ts'
import { timestamp } from '../host/clock.ts'
import { type Random, randomSuffix } from '../host/random.ts'
import { isChanged, type KubeObject, type ObjectMeta } from '../machinery/object.ts'

/** The longest name that still has room for the suffix. */
const maxGeneratedBase = 58

export function generatedName(base: string, random: Random): string {
  return base.slice(0, maxGeneratedBase) + randomSuffix(random)
}

const emptyable = ['labels', 'annotations', 'finalizers', 'ownerReferences', 'generateName', 'managedFields', 'selfLink'] as const

/** What is empty is not there: so that writing `labels: {}` where there were none is no change. */
function dropEmptyMetadata(metadata: ObjectMeta): void {
  for (const field of emptyable) {
    const value = metadata[field]
    if (value === undefined || value === '' || (typeof value === 'object' && Object.keys(value).length === 0)) delete metadata[field]
  }
  delete metadata.selfLink
}

/** The metadata that the server alone writes, for an object that is coming into being. */
export function beginMetadata(kind: Kind, object: KubeObject, at: { namespace: string | undefined; nowMs: number; random: Random }): void {
  const { metadata } = object
  metadata.uid = at.random.uuid()
  metadata.creationTimestamp = timestamp(at.nowMs)
  if (kind.namespaced) metadata.namespace = at.namespace as string
  else delete metadata.namespace
  if (kind.countsGeneration) metadata.generation = 1
  else delete metadata.generation
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  dropEmptyMetadata(metadata)
}

/** What no client changes, whatever it sends. */
function keepServerMetadata(metadata: ObjectMeta, previous: ObjectMeta): void {
  const fields = ['uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generation', 'generateName'] as const
  for (const field of fields) {
    if (previous[field] === undefined) delete metadata[field]
    else Object.assign(metadata, { [field]: previous[field] })
  }
  if (previous.namespace === undefined) delete metadata.namespace
  else metadata.namespace = previous.namespace
  metadata.name = previous.name
  dropEmptyMetadata(metadata)
}

/** A part of an object that is changed by itself. */
export type UpdatedPart = 'status' | 'finalize' | 'approval' | PartName

/** What `subresource` changes, where it is a part that the kind itself defines. */
export function partOf(kind: Kind, subresource: UpdatedPart | undefined): ObjectPart | undefined {
  return subresource === 'ephemeralcontainers' || subresource === 'resize' ? kind.parts[subresource] : undefined
}

type Loose = KubeObject & { spec?: unknown; status?: unknown }

/** Applies what an update of the object, or of a subresource, may change: `object` becomes what would be stored. */
export function limitUpdate(kind: Kind, object: KubeObject, previous: KubeObject, subresource: UpdatedPart | undefined): void {
  const next = object as Loose
  const before = previous as Loose
  if (subresource === 'status') {
    const { metadata } = next
    keepAllBut('status', next, before)
    next.metadata = metadataBesideStatus(kind, metadata, before.metadata)
    return
  }
  if (subresource === 'approval') {
    const { metadata } = next
    const { conditions } = (next.status ?? {}) as { conditions?: unknown }
    keepAllBut('', next, before)
    next.metadata = metadataBesideStatus(kind, metadata, before.metadata)
    const { conditions: _, ...status } = (before.status ?? {}) as { conditions?: unknown }
    next.status = conditions === undefined ? status : { ...status, conditions }
    return
  }
  if (subresource === 'finalize') {
    const { finalizers } = (next.spec ?? {}) as { finalizers?: unknown }
    keepAllBut('', next, before)
    next.spec = { ...(before.spec as object), finalizers }
    return
  }
  const part = partOf(kind, subresource)
  if (part) {
    const asked = { ...next }
    keepAllBut('', next, before)
    part.take(next, asked)
    return
  }
  keepServerMetadata(next.metadata, before.metadata)
  if (!kind.hasStatus) return
  if (before.status === undefined) delete next.status
  else next.status = before.status
}

/** What a write to the status makes of the metadata. */
function metadataBesideStatus(kind: Kind, asked: ObjectMeta, previous: ObjectMeta): ObjectMeta {
  const metadata = { ...asked }
  for (const field of kind.statusKeeps) {
    delete metadata[field]
    if (previous[field] !== undefined) Object.assign(metadata, { [field]: previous[field] })
  }
  keepServerMetadata(metadata, previous)
  return metadata
}

function keepAllBut(field: string, next: Loose, before: Loose): void {
  const kept: Record<string, unknown> = { ...before }
  const nextFields = next as unknown as Record<string, unknown>
  for (const name of Object.keys(nextFields)) if (name !== field) delete nextFields[name]
  for (const [name, value] of Object.entries(kept)) if (name !== field) nextFields[name] = value
}

/** Counts a change of anything but metadata and status. Both must come from JSON: what is undefined is not there. */
export function countGeneration({ countsGeneration, isNewGeneration = isChanged }: Kind, object: KubeObject, previous: KubeObject): void {
  if (!countsGeneration || !isNewGeneration(object, previous)) return
  object.metadata.generation = (previous.metadata.generation ?? 0) + 1
}

/** An object that was asked to go, whose last finalizer has gone: it goes with this write. */
export function isFinished(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata
  if (deletionTimestamp === undefined || finalizers?.length || deletionGracePeriodSeconds) return false
  const { spec } = object as { spec?: { finalizers?: readonly string[] } }
  return !(object.kind === 'Namespace' && spec?.finalizers?.length)
}
