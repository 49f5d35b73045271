import { deepEqual, isObject } from '../equality.ts'
import type { KubeObject } from '../object.ts'
import type { Schema } from '../schema.ts'
import { type FieldSet, fieldsOf } from './field-set.ts'

/** Where `kubectl apply` without --server-side keeps what it applied, as JSON. */
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'
/** Only kubectl itself may go on with what it applied in the other way; another field manager's name opts out. */
const successor = 'kubectl'
/** All annotations of an object together hold no more. */
const maxAnnotationBytes = 256 * 1024

/**
 * The fields that client-side apply set last and nobody has changed since: kubectl takes them over without a conflict
 * (https://kubernetes.io/docs/reference/using-api/server-side-apply/#migration-between-client-side-and-server-side-apply).
 */
export function inheritedFields(schema: Schema, live: KubeObject | undefined, manager: string, liveFields: FieldSet): FieldSet {
  const text = manager === successor ? live?.metadata.annotations?.[lastApplied] : undefined
  const configuration = text ? parsed(text) : undefined
  if (!configuration) return new Map()
  const applied = fieldsOf(schema, configuration, { withParents: false })
  return new Map([...applied].filter(([key, { value }]) => liveFields.has(key) && deepEqual(liveFields.get(key)?.value, value)))
}

/** Keeps the annotation of an object that has one up to date, so that client-side apply can go on from here. `result` is changed. */
export function keepLastApplied(result: Record<string, unknown>, configuration: object, manager: string): void {
  const { metadata } = result
  const annotations = isObject(metadata) ? metadata.annotations : undefined
  if (manager !== successor || !isObject(metadata) || !isObject(annotations) || annotations[lastApplied] === undefined) return
  const text = `${JSON.stringify(configuration)}\n`
  const kept = Buffer.byteLength(text) > maxAnnotationBytes ? '' : text
  result.metadata = { ...metadata, annotations: { ...annotations, [lastApplied]: kept } }
}

/** Anyone may write annotations: what is no JSON object says nothing. */
function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
