import { isObject } from '../equality.ts'
import { mediaType } from '../parse-body.ts'
import type { Schema } from '../schema.ts'
import { badRequest, unsupportedMediaType } from '../status.ts'
import { jsonPatch } from './json-patch.ts'
import { mergePatch } from './merge-patch.ts'
import { strategicMergePatch } from './strategic-merge-patch.ts'

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

const patchTypes: Readonly<Record<string, PatchType | undefined>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
}

/** Which kind of patch a content type announces. Throws 415 for none of them. */
export function patchTypeOf(contentType: string): PatchType {
  const type = patchTypes[mediaType(contentType)]
  if (!type) throw unsupportedMediaType(Object.keys(patchTypes).join(', '))
  return type
}

/**
 * The object that a patch makes of the current one; it still has to be decoded by its schema
 * (`decodeObject(..., { patch })`). Server-side apply is not a function of these alone: see ../apply/.
 * Throws 400 for a malformed patch, 422 for one that doesn't apply. Changes none of its arguments.
 */
export function applyPatch(type: Exclude<PatchType, 'apply'>, schema: Schema, current: object, patch: unknown): object {
  const patched = patchedValue(type, schema, current, patch)
  if (!isObject(patched)) throw badRequest('the patch must leave an object')
  return patched
}

function patchedValue(type: Exclude<PatchType, 'apply'>, schema: Schema, current: object, patch: unknown): unknown {
  switch (type) {
    case 'json':
      return jsonPatch(current, patch)
    case 'merge':
      if (!isObject(patch)) throw badRequest('error decoding patch: a JSON merge patch must be an object')
      return mergePatch(current, patch)
    case 'strategic':
      return strategicMergePatch(schema, current, patch)
  }
}
