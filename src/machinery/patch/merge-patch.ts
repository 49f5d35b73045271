import { deepCopy, isObject, ownValue, setKey } from '../equality.ts'

/** JSON merge patch (RFC 7386): null removes, objects merge, all else replaces. Changes neither argument. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return deepCopy(patch)
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {}
  for (const key of Object.keys(patch)) {
    const change = patch[key]
    if (change === null) delete result[key]
    else setKey(result, key, mergePatch(ownValue(result, key), change))
  }
  return result
}
