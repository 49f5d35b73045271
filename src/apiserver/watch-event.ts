import type { ApiWatchEvent } from '../machinery/api-request.ts'
import type { KubeObject } from '../machinery/object.ts'
import type { CachedObject } from './cached-object.ts'

/** A line of a watch that is encoded once, however many it is sent to. */
export interface EncodedEvent extends ApiWatchEvent {
  /** With its newline. Shared: never change it. */
  line(): Buffer
}

export function isEncoded(event: ApiWatchEvent): event is EncodedEvent {
  return event instanceof ObjectEvent || event instanceof PresentedEvent
}

const lineHeads = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
}
const lineEnd = Buffer.from('}\n')

/** An object as it is, made of the bytes that the store holds. */
export class ObjectEvent implements EncodedEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly item: CachedObject
  #line: Buffer | undefined

  constructor(type: 'ADDED' | 'MODIFIED' | 'DELETED', item: CachedObject) {
    this.type = type
    this.item = item
  }

  get object(): KubeObject {
    return this.item.object
  }

  line(): Buffer {
    this.#line ??= Buffer.concat([lineHeads[this.type], ...this.item.pieces(), lineEnd])
    return this.#line
  }
}

/** An object in another form, such as a row of a table. */
export class PresentedEvent implements EncodedEvent {
  readonly type: ApiWatchEvent['type']
  readonly object: object
  #line: Buffer | undefined

  constructor({ type, object }: ApiWatchEvent) {
    this.type = type
    this.object = object
  }

  line(): Buffer {
    this.#line ??= Buffer.from(`${JSON.stringify({ type: this.type, object: this.object })}\n`)
    return this.#line
  }
}

/** How a watcher sees objects, other than as they are. Watchers of one `name` share what is made for them. */
export interface WatchForm {
  readonly name: string
  /** `first` is true for the first line of a watch. */
  present(event: ApiWatchEvent, first: boolean): ApiWatchEvent
}
