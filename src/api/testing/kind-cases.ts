import { apiVersionOf } from '../../machinery/group-version.ts'
import type { KubeObject } from '../../machinery/object.ts'
import type { Kind } from '../kind.ts'

/** A case of a table test: how it is called, the object's fields, what is wrong with it. */
export type Case = readonly [name: string, fields: Record<string, unknown>, faults: readonly string[]]

/** An object as it is when it is validated at its creation. */
export function created<T extends KubeObject>(kind: Kind<T>, fields: Record<string, unknown>): T {
  const given = structuredClone(fields) as { metadata?: object }
  const metadata = {
    name: 'one',
    ...(kind.namespaced ? { namespace: 'default' } : {}),
    uid: 'u-1',
    resourceVersion: '',
    creationTimestamp: '2026-03-01T12:00:00Z',
  }
  const object = { apiVersion: apiVersionOf(kind), kind: kind.kind, ...given, metadata: { ...metadata, ...given.metadata } } as unknown as T
  kind.setDefaults(object)
  kind.prepareForCreate(object)
  return object
}

const texts = (faults: readonly { field: string; message: string }[]): string[] =>
  faults.map(({ field, message }) => `${field}: ${message}`)

export const faultsOf = <T extends KubeObject>(kind: Kind<T>, fields: Record<string, unknown>): string[] =>
  texts(kind.validate(created(kind, fields)))

/** Faults of a change alone: `before` and `after` are whole objects' fields. */
export function changeFaults<T extends KubeObject>(
  kind: Kind<T>,
  before: Record<string, unknown>,
  after: Record<string, unknown>,
): string[] {
  return texts(kind.validateUpdate(created(kind, after), created(kind, before)))
}

/** Faults of a write to the status of an object with these fields. */
export function statusFaults<T extends KubeObject>(
  kind: Kind<T>,
  fields: Record<string, unknown>,
  now: object,
  before: object = {},
): string[] {
  const withStatus = (status: object): T => ({ ...created(kind, fields), status })
  return texts(kind.validateStatusUpdate(withStatus(now), withStatus(before), 'status'))
}

/** What a client is warned of that makes an object, or changes one of the fields `before`. */
export function warningsOf<T extends KubeObject>(
  kind: Kind<T>,
  fields: Record<string, unknown>,
  before?: Record<string, unknown>,
): string[] {
  return kind.warnings(created(kind, fields), before && created(kind, before))
}
