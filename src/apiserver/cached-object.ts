import type { Kind } from '../api/kind.ts'
import type { KubeObject } from '../machinery/object.ts'

/** What the store holds: every object begins so, which lets {@link CachedObject.json} splice the resourceVersion in. */
const metadataStart = '"metadata":{'

/** The bytes that the store keeps: JSON without resourceVersion, which is the entry's modRevision. */
export function encodeValue(object: KubeObject): Uint8Array {
  const { apiVersion, kind, metadata, ...rest } = object
  const { resourceVersion: _, ...kept } = metadata
  return Buffer.from(JSON.stringify({ apiVersion, kind, metadata: kept, ...rest }))
}

/** A private copy of a stored object, free to be changed. */
export function decodeValue(value: Uint8Array, revision: number): KubeObject {
  const object = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()) as KubeObject
  object.metadata.resourceVersion = String(revision)
  return object
}

/** Encoded JSON of objects handed out by the cache: the HTTP side writes these bytes where it can. */
const encoded = new WeakMap<object, CachedObject>()

export function encodedJsonOf(object: object): Buffer | undefined {
  return encoded.get(object)?.json()
}

const listed = new WeakMap<object, readonly CachedObject[]>()

/** A list whose objects are only decoded if somebody looks at them: the HTTP side sends their bytes. */
export function objectList<Head extends object>(
  head: Head,
  items: readonly { readonly object: KubeObject }[],
): Head & { readonly items: readonly KubeObject[] } {
  let objects: readonly KubeObject[] | undefined
  const list = Object.defineProperty({ ...head }, 'items', {
    enumerable: true,
    get: () => {
      objects ??= items.map((item) => item.object)
      return objects
    },
  }) as Head & { readonly items: readonly KubeObject[] }
  if (items.every((item) => item instanceof CachedObject)) listed.set(list, items)
  return list
}

export function listedItemsOf(object: object): readonly CachedObject[] | undefined {
  return listed.get(object)
}

/** What selectors ask of an object. */
export interface Facts {
  /** The kind's selectable fields, as they were given. */
  readonly of: Kind['selectableFields']
  readonly labels: Readonly<Record<string, string>> | undefined
  /** By the names of the kind's selectable fields. */
  readonly fields: Readonly<Record<string, string>>
}

/**
 * One state of one object: its value as stored, with its parsed form for as long as somebody uses that. What selectors ask
 * is kept from the first time they do: a list that selects decodes each state once at most.
 */
export class CachedObject {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly value: Uint8Array
  readonly revision: number
  #object: WeakRef<KubeObject> | undefined
  #facts: Facts | undefined

  constructor(key: string, place: { namespace: string; name: string }, value: Uint8Array, revision: number) {
    this.key = key
    this.namespace = place.namespace
    this.name = place.name
    this.value = value
    this.revision = revision
  }

  /** Shared by all readers: never change it. */
  get object(): KubeObject {
    const known = this.#object?.deref()
    if (known) return known
    const object = decodeValue(this.value, this.revision)
    this.#object = new WeakRef(object)
    encoded.set(object, this)
    return object
  }

  /** A copy of one's own. */
  copy(): KubeObject {
    return decodeValue(this.value, this.revision)
  }

  facts({ selectableFields }: Pick<Kind, 'selectableFields'>): Facts {
    if (this.#facts?.of === selectableFields) return this.#facts
    const object = this.#object?.deref() ?? decodeValue(this.value, this.revision)
    const fields = Object.fromEntries(Object.entries(selectableFields).map(([field, read]) => [field, read(object)]))
    const facts = { of: selectableFields, labels: object.metadata.labels, fields }
    // Those who ask by the fields of another version are few: they decode anew.
    this.#facts ??= facts
    return facts
  }

  /** With resourceVersion, in pieces of which the large ones are the store's own bytes. */
  pieces(): readonly Buffer[] {
    const bytes = Buffer.from(this.value.buffer, this.value.byteOffset, this.value.byteLength)
    const cut = bytes.indexOf(metadataStart) + metadataStart.length
    return [bytes.subarray(0, cut), Buffer.from(`"resourceVersion":"${this.revision}",`), bytes.subarray(cut)]
  }

  json(): Buffer {
    return Buffer.concat(this.pieces())
  }

  /** The same state as of another revision: what a DELETED event carries. */
  at(revision: number): CachedObject {
    return new CachedObject(this.key, this, this.value, revision)
  }
}
