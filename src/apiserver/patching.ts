import type { ApiRequest } from '../machinery/api-request.ts'
import { applyPatch, type PatchType, patchTypeOf } from '../machinery/patch/apply-patch.ts'
import type { Schema } from '../machinery/schema.ts'
import { badRequest, unsupportedMediaType } from '../machinery/status.ts'
import { parsedBody } from './body.ts'

/** A patch as it came in. */
export interface ReadPatch {
  readonly type: Exclude<PatchType, 'apply'>
  readonly value: unknown
  readonly duplicates: readonly string[]
}

const served = 'application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json'

/** Throws UnsupportedMediaType for what is no patch that is served. */
export async function readPatch(request: ApiRequest, findDuplicates: boolean): Promise<ReadPatch> {
  const type = patchTypeOf(request.contentType)
  if (type === 'apply') throw unsupportedMediaType(served)
  const parsed = await parsedBody(request, findDuplicates)
  if (parsed === undefined) throw badRequest('the request has no body')
  return { type, value: parsed.value, duplicates: parsed.duplicates }
}

/** What the patch makes of the current object, yet to be decoded. */
export function patched(patch: ReadPatch, schema: Schema, current: object): object {
  return applyPatch(patch.type, schema, current, patch.value)
}
