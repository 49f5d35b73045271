/** Values as JSON has them: what objects of the API are made of. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A record, as opposed to a list, null or a scalar. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Same JSON: order of fields doesn't matter, and a field that is undefined counts as absent. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => deepEqual(item, b[index]))
  }
  if (!isObject(a) || !isObject(b)) return false
  for (const key in a) if (!deepEqual(a[key], b[key])) return false
  for (const key in b) if (b[key] !== undefined && a[key] === undefined) return false
  return true
}

/** A copy that shares nothing with the original. For JSON values: several times faster than structuredClone. */
export function deepCopy<T>(value: T): T {
  if (Array.isArray(value)) return value.map(deepCopy) as T
  if (!isObject(value)) return value
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value)) setKey(copy, key, deepCopy(value[key]))
  return copy as T
}

/** Sets any key as an own property: `__proto__` in a request's body must stay data. */
export function setKey(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else object[key] = value
}

/** Reads an own property: `constructor` is no field of `{}`. For whatever a client has named: labels, resources, keys of data. */
export function ownValue<T>(object: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return object !== undefined && Object.hasOwn(object, key) ? object[key] : undefined
}

/**
 * What stands at a path as custom resources and field selectors write it: `spec.replicas`, `.status.selector`.
 * Undefined where the path leads nowhere.
 */
export function valueAt(object: unknown, path: string): unknown {
  let value = object
  for (const part of path.split('.')) {
    if (part === '') continue
    if (!isObject(value)) return undefined
    value = ownValue(value, part)
  }
  return value
}
