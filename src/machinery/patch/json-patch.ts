import fastJsonPatch, { type Operation } from 'fast-json-patch'
import { deepCopy, isObject } from '../equality.ts'
import { badRequest, requestEntityTooLarge, StatusError } from '../status.ts'

/** Upstream's bound. */
const maxOperations = 10_000

/** A patch that copies a thing into itself again and again would make gigabytes of it. */
const maxCopiedBytes = 3 * 1024 * 1024

const operations = ['add', 'remove', 'replace', 'move', 'copy', 'test']

/**
 * JSON patch (RFC 6902). Throws 400 for what is no patch, 413 for too many operations, 422 for one that does not apply
 * (a failed test, a path that isn't there). Changes neither argument.
 */
export function jsonPatch(target: object, patch: unknown): unknown {
  checkPatch(patch)
  let document: unknown = deepCopy(target)
  let copied = 0
  for (const operation of patch) {
    try {
      if (operation.op === 'copy') copied = copiedBytes(document, operation.from, copied)
      document = fastJsonPatch.applyOperation(document, deepCopy(operation), true, true).newDocument
    } catch (error) {
      // The library refuses paths through prototypes with a plain TypeError, all else with its own errors.
      if (!(error instanceof fastJsonPatch.JsonPatchError || error instanceof TypeError)) throw error
      throw doesNotApply(describe(operation, error))
    }
  }
  return document
}

function checkPatch(patch: unknown): asserts patch is Operation[] {
  if (!Array.isArray(patch)) throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch')
  if (patch.length > maxOperations) {
    throw requestEntityTooLarge(`The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`)
  }
  for (const operation of patch) {
    if (!isObject(operation))
      throw badRequest('error decoding patch: json: cannot unmarshal array into Go value of type jsonpatch.Operation')
    if (typeof operation.op !== 'string' || !operations.includes(operation.op)) {
      throw doesNotApply(`Unexpected kind: ${operation.op ?? 'unknown'}`)
    }
    for (const field of ['path', ...(operation.op === 'move' || operation.op === 'copy' ? ['from'] : [])]) {
      const pointer = operation[field]
      if (typeof pointer !== 'string') throw doesNotApply(`${operation.op} operation failed to decode path: missing value`)
      if (pointer !== '' && !pointer.startsWith('/'))
        throw doesNotApply(`${operation.op} operation does not apply: doc is missing path: ${JSON.stringify(pointer)}: missing value`)
    }
    if (['add', 'replace', 'test'].includes(operation.op) && !('value' in operation)) operation.value = null
  }
}

/** With what this operation copies. Throws the 422 of upstream where that is too much. */
function copiedBytes(document: unknown, from: string, before: number): number {
  const copied = before + (JSON.stringify(fastJsonPatch.getValueByPointer(document, from)) ?? '').length
  if (copied <= maxCopiedBytes) return copied
  throw doesNotApply(
    `Unable to complete the copy, the accumulated size increase of copy is ${copied}, exceeding the limit ${maxCopiedBytes}`,
  )
}

function describe(operation: Operation, error: { name: string }): string {
  if (operation.op === 'test') return `testing value ${operation.path} failed: test failed`
  if (/OUT_OF_BOUNDS|ILLEGAL_ARRAY_INDEX/.test(error.name)) {
    return `${operation.op} operation does not apply: doc is missing path: ${JSON.stringify(operation.path)}: invalid index referenced`
  }
  const missing = operation.op === 'remove' ? 'key' : 'path'
  return `${operation.op} operation does not apply: doc is missing ${missing}: ${operation.path}: missing value`
}

/** How the server words a patch that it understands and cannot carry out. */
function doesNotApply(message: string): StatusError {
  return new StatusError({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message: 'the server rejected our request due to an error in our request',
    reason: 'Invalid',
    details: { causes: [{ reason: 'UnexpectedServerResponse', message }] },
    code: 422,
  })
}
