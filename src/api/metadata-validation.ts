import { type FieldError, forbiddenField, invalidValue, notSupported, required, tooLong } from '../machinery/field-error.ts'
import { splitApiVersion } from '../machinery/group-version.ts'
import * as names from '../machinery/names.ts'
import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from '../machinery/object.ts'
import {
  dnsLabelFaults,
  type Faults,
  immutableFaults,
  labelsFaults,
  maskTrailingDash,
  nonNegativeFaults,
  qualifiedNameFaults,
} from './field-checks.ts'
import type { Kind, NameRule } from './kind.ts'

const maxAnnotationBytes = 256 * 1024
const maxManagerBytes = 128
const maxSubresourceBytes = 256

const nameChecks: Readonly<Record<NameRule, (value: string) => string[]>> = {
  'dns-subdomain': names.dnsSubdomainFaults,
  'dns-label': names.dnsLabelFaults,
  'path-segment': names.pathSegmentFaults,
}

/** Upstream allows a generated name's stem to end with a dash: five characters follow it. */
function* nameFaults(metadata: Partial<ObjectMeta>, rule: NameRule): Faults {
  const check = nameChecks[rule]
  const { name, generateName } = metadata
  if (generateName) {
    for (const message of check(maskTrailingDash(generateName))) yield invalidValue('metadata.generateName', generateName, message)
  }
  if (!name) yield required('metadata.name', 'name or generateName is required')
  else for (const message of check(name)) yield invalidValue('metadata.name', name, message)
}

function* namespaceFaults(namespace: string | undefined, kind: Pick<Kind, 'namespaced'>): Faults {
  if (!kind.namespaced) {
    if (namespace) yield forbiddenField('metadata.namespace', 'not allowed on this type')
  } else if (!namespace) yield required('metadata.namespace')
  else yield* dnsLabelFaults('metadata.namespace', namespace)
}

export function* annotationFaults(path: string, annotations: Readonly<Record<string, string>> = {}): Faults {
  let bytes = 0
  for (const [key, value] of Object.entries(annotations)) {
    for (const message of names.qualifiedNameFaults(key.toLowerCase())) yield invalidValue(path, key, message)
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (bytes > maxAnnotationBytes) yield tooLong(path, maxAnnotationBytes)
}

function* ownerFaults(owners: readonly OwnerReference[] = []): Faults {
  const path = 'metadata.ownerReferences'
  let controller: string | undefined
  for (const [index, owner] of owners.entries()) {
    const at = `${path}[${index}]`
    if (!owner.apiVersion) yield required(`${at}.apiVersion`, 'must not be empty')
    else if (!splitApiVersion(owner.apiVersion).version || owner.apiVersion.split('/').length > 2) {
      yield invalidValue(`${at}.apiVersion`, owner.apiVersion, 'must be <group>/<version> or <version>')
    }
    for (const field of ['kind', 'name', 'uid'] as const) if (!owner[field]) yield required(`${at}.${field}`, 'must not be empty')
    if (owner.apiVersion === 'v1' && owner.kind === 'Event') {
      yield invalidValue(at, owner, '/v1, Kind=Event is disallowed from being an owner')
    }
    if (!owner.controller) continue
    const named = `${owner.kind}/${owner.name}`
    if (controller) {
      const why = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${named}`
      yield invalidValue(path, owners, why)
    } else controller = named
  }
}

/** A finalizer without a domain is one of Kubernetes' own. */
export function* standardFinalizerFaults(path: string, name: string): Faults {
  if (name.includes('/') || ['kubernetes', 'orphan', 'foregroundDeletion'].includes(name)) return
  yield invalidValue(path, name, 'name is neither a standard finalizer name nor is it fully qualified')
}

function* finalizerFaults(finalizers: readonly string[] = []): Faults {
  const path = 'metadata.finalizers'
  for (const name of finalizers) yield* qualifiedNameFaults(path, name)
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    yield invalidValue(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set')
  }
  for (const [index, name] of finalizers.entries()) yield* standardFinalizerFaults(`${path}[${index}]`, name)
}

function* managedFieldsFaults(entries: readonly ManagedFieldsEntry[] = []): Faults {
  for (const [index, { operation, fieldsType, manager = '', subresource = '' }] of entries.entries()) {
    const at = `metadata.managedFields[${index}]`
    if (!operation) yield required(`${at}.operation`, 'must not be empty')
    else if (operation !== 'Apply' && operation !== 'Update') yield notSupported(`${at}.operation`, operation, ['Apply', 'Update'])
    if (fieldsType && fieldsType !== 'FieldsV1') yield invalidValue(`${at}.fieldsType`, fieldsType, 'must be `FieldsV1`')
    if (Buffer.byteLength(manager) > maxManagerBytes) yield tooLong(`${at}.manager`, maxManagerBytes)
    if (Buffer.byteLength(subresource) > maxSubresourceBytes) yield tooLong(`${at}.subresource`, maxSubresourceBytes)
  }
}

function* contentFaults(metadata: Partial<ObjectMeta>): Faults {
  yield* nonNegativeFaults('metadata.generation', metadata.generation)
  yield* labelsFaults('metadata.labels', metadata.labels)
  yield* annotationFaults('metadata.annotations', metadata.annotations)
  yield* ownerFaults(metadata.ownerReferences)
  yield* finalizerFaults(metadata.finalizers)
  yield* managedFieldsFaults(metadata.managedFields)
}

const fixedFields = ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const

function* changeFaults(metadata: Partial<ObjectMeta>, previous: ObjectMeta): Faults {
  if (previous.deletionTimestamp) {
    const added = (metadata.finalizers ?? []).filter((name) => !previous.finalizers?.includes(name)).sort()
    if (added.length > 0) {
      const list = added.map((name) => JSON.stringify(name)).join(', ')
      const why = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`
      yield forbiddenField('metadata.finalizers', why)
    }
  }
  if ((metadata.generation ?? 0) < (previous.generation ?? 0)) {
    yield invalidValue('metadata.generation', metadata.generation ?? 0, 'must not be decremented')
  }
  for (const field of fixedFields) yield* immutableFaults(`metadata.${field}`, metadata[field], previous[field])
}

/**
 * Faults of a change of metadata alone. The caller has already put back what a client may leave out
 * (uid, creationTimestamp, generation, deletion): what still differs was asked for.
 */
export function validateMetadataUpdate(metadata: Partial<ObjectMeta>, previous: ObjectMeta): FieldError[] {
  return [...changeFaults(metadata, previous)]
}

/** Faults of an object's metadata, once its name has been generated; with `update`, of the change as well. */
export function validateMetadata(
  metadata: Partial<ObjectMeta>,
  kind: Pick<Kind, 'nameRule' | 'namespaced'>,
  options: { update?: ObjectMeta } = {},
): FieldError[] {
  const own = [...nameFaults(metadata, kind.nameRule), ...namespaceFaults(metadata.namespace, kind), ...contentFaults(metadata)]
  return options.update ? [...validateMetadataUpdate(metadata, options.update), ...own] : own
}
