/**
 * The shape of a value, as Kubernetes' OpenAPI documents describe it. Built-in kinds and (later) custom resources
 * share this form; decoding, patches, server-side apply and OpenAPI are written once against it.
 * Recursive types are real cycles: compare by identity, walk with the value in hand.
 */
export interface Schema {
  readonly type: 'object' | 'map' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'int-or-string' | 'any'
  /** string: date-time, micro-time, byte, quantity; integer: int32, int64; number: double. */
  readonly format?: string
  /** object: the type's name, such as PodSpec, and its fields. */
  readonly name?: string
  readonly fields?: ReadonlyMap<string, Field>
  /** array: the schema of an item; map: of a value. */
  readonly items?: Schema
  /** object: x-kubernetes-map-type atomic: server-side apply owns and replaces values of this type as a whole. */
  readonly atomic?: boolean
}

export interface Field {
  readonly schema: Schema
  readonly required: boolean
  /** x-kubernetes-patch-strategy; absent is replace for lists and merge for objects. */
  readonly patchStrategy?: readonly ('merge' | 'replace' | 'retainKeys')[]
  readonly patchMergeKey?: string
  /** x-kubernetes-list-type; absent is atomic. */
  readonly listType?: 'map' | 'set' | 'atomic'
  readonly listMapKeys?: readonly string[]
  /** x-kubernetes-map-type: atomic is replaced as a whole by server-side apply. */
  readonly mapType?: 'granular' | 'atomic'
  /** What an absent value counts as where it is a key of a list (the protocol of a port). */
  readonly keyDefault?: string
}

/**
 * A type's name without the group or version that sets it apart: `V2HorizontalPodAutoscaler` is HorizontalPodAutoscaler,
 * `CoreV1EventList` is EventList.
 */
export function bareTypeName(typeName: string): string {
  return typeName.replace(/^(?:[A-Z][a-z]+)?V\d+(?:(?:alpha|beta)\d+)?(?=[A-Z])/, '')
}
