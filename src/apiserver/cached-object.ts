import type { ApiWatchEvent } from '../machinery/api-request.ts'
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

/** One state of one object: its value as stored, and, made when first asked for, its parsed form and its wire bytes. */
export class CachedObject {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly value: Uint8Array
  readonly revision: number
  #object: KubeObject | undefined
  #json: Buffer | undefined

  constructor(key: string, place: { namespace: string; name: string }, value: Uint8Array, revision: number) {
    this.key = key
    this.namespace = place.namespace
    this.name = place.name
    this.value = value
    this.revision = revision
  }

  /** Shared by all readers: never change it. */
  get object(): KubeObject {
    if (!this.#object) {
      this.#object = decodeValue(this.value, this.revision)
      encoded.set(this.#object, this)
    }
    return this.#object
  }

  /** A copy of one's own. */
  copy(): KubeObject {
    return decodeValue(this.value, this.revision)
  }

  /** With resourceVersion, encoded once. */
  json(): Buffer {
    if (!this.#json) {
      const bytes = Buffer.from(this.value.buffer, this.value.byteOffset, this.value.byteLength)
      const start = bytes.indexOf(metadataStart)
      const version = Buffer.from(`"resourceVersion":"${this.revision}",`)
      const cut = start + metadataStart.length
      this.#json = Buffer.concat([bytes.subarray(0, cut), version, bytes.subarray(cut)])
    }
    return this.#json
  }

  /** The same state as of another revision: what a DELETED event carries. */
  at(revision: number): CachedObject {
    return new CachedObject(this.key, this, this.value, revision)
  }
}

/** A line of a watch whose bytes are shared by all who watch. */
export class SharedWatchEvent implements ApiWatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly item: CachedObject

  constructor(type: 'ADDED' | 'MODIFIED' | 'DELETED', item: CachedObject) {
    this.type = type
    this.item = item
  }

  get object(): KubeObject {
    return this.item.object
  }
}

const lineHeads = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
}
const lineEnd = Buffer.from('}\n')

/** The line in pieces, none of them copied. */
export function linePieces(event: SharedWatchEvent): readonly Buffer[] {
  return [lineHeads[event.type], event.item.json(), lineEnd]
}
