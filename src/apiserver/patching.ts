import type { Kind } from '../api/kind.ts'
import type { ApiRequest } from '../machinery/api-request.ts'
import { applyConfiguration } from '../machinery/apply/apply.ts'
import { decodeObject } from '../machinery/decode.ts'
import { isObject } from '../machinery/equality.ts'
import { forbiddenField, required } from '../machinery/field-error.ts'
import { apiVersionOf } from '../machinery/group-version.ts'
import type { KubeObject } from '../machinery/object.ts'
import { applyPatch, type PatchType, patchTypeOf } from '../machinery/patch/apply-patch.ts'
import type { Schema } from '../machinery/schema.ts'
import { badRequest, invalid, unsupportedMediaType } from '../machinery/status.ts'
import { checkKind, decodeAs, parsedBody } from './body.ts'
import type { UpdatedPart } from './prepare.ts'
import type { WriteOptions } from './request-options.ts'
import { storedKindOf } from './served-form.ts'

/** A patch as it came in. */
export interface ReadPatch {
  readonly type: PatchType
  readonly value: unknown
  readonly duplicates: readonly string[]
}

interface Patched {
  readonly object: KubeObject
  readonly warnings: readonly string[]
}

/** Throws UnsupportedMediaType for what is no patch. */
export async function readPatch(request: ApiRequest, { fieldValidation, fieldManager, force }: WriteOptions): Promise<ReadPatch> {
  const type = patchTypeOf(request.contentType)
  const options = { group: 'meta.k8s.io', kind: 'PatchOptions' }
  if (type !== 'apply' && force) throw invalid(options, '', [forbiddenField('force', 'may not be specified for non-apply patch')])
  if (type === 'apply' && !request.query.get('fieldManager') && !fieldManager) {
    throw invalid(options, '', [required('fieldManager', 'is required for apply patch')])
  }
  const parsed = await parsedBody(request, fieldValidation !== 'Ignore')
  if (parsed === undefined) throw badRequest('the request has no body')
  return { type, value: parsed.value, duplicates: parsed.duplicates }
}

/** What the patch makes of a value that is no stored object, such as a Scale; yet to be decoded. */
export function patchedValue(patch: ReadPatch, schema: Schema, current: object): object {
  if (patch.type === 'apply') throw unsupportedMediaType('application/json-patch+json, application/merge-patch+json')
  return applyPatch(patch.type, schema, current, patch.value)
}

/**
 * The object that the patch makes of the current one, decoded, the caller's own; with `apply` there may be none yet. `kind` is the form
 * in which the patch is meant; `current` and what comes out are as stored.
 */
export function patchedObject(
  kind: Kind,
  patch: ReadPatch,
  current: KubeObject | undefined,
  options: WriteOptions & { readonly subresource: UpdatedPart | undefined; readonly time: string },
): Patched {
  const { fieldValidation } = options
  if (patch.type === 'apply') return applied(kind, patch, current, options)
  const form = kind.storedAs
  const value = patchedValue(patch, kind.schema, form ? form.fromStored(current as KubeObject) : (current as KubeObject))
  const { object, warnings } = decodeAs(kind, value, { fieldValidation, duplicates: patch.duplicates, patch: patch.value })
  return { object: form ? form.toStored(object) : object, warnings }
}

function applied(
  kind: Kind,
  { value, duplicates }: ReadPatch,
  live: KubeObject | undefined,
  options: WriteOptions & { readonly subresource: UpdatedPart | undefined; readonly time: string },
): Patched {
  if (!isObject(value)) throw badRequest('error decoding YAML: the configuration to apply must be an object')
  checkKind(kind, value)
  const { object: configuration, warnings } = decodeObject<KubeObject>(kind.schema, value, {
    fieldValidation: options.fieldValidation,
    duplicates,
  })
  // Who owns what is told of the stored form alone.
  const stored = storedKindOf(kind)
  const result = applyConfiguration({
    schema: stored.schema,
    live,
    applied: kind.storedAs ? kind.storedAs.toStored(configuration) : configuration,
    manager: options.fieldManager,
    force: options.force,
    apiVersion: apiVersionOf(stored),
    subresource: options.subresource ?? '',
    time: options.time,
  }) as KubeObject
  const { object } = decodeAs(stored, result, { fieldValidation: 'Ignore' })
  return { object, warnings }
}
