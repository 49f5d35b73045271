import type { Entry } from '../store.ts'
import type { KeyValue } from './etcd-messages.ts'

/** From `key` up to, and without, `rangeEnd`, in the order of bytes. */
export interface KeyRange {
  readonly key: Uint8Array
  readonly rangeEnd: Uint8Array
}

/**
 * Where the store's keys lie in etcd, as `etcdctl get --prefix /ownkube` shows them:
 *
 *     /ownkube.compaction                          the revision that was last compacted
 *     /ownkube.progress                            written when a watch has to learn how far etcd has come
 *     /ownkube/registry/core/pods/default/web-1    the store's key /registry/core/pods/default/web-1
 *
 * What is not the store's begins with a dot, which stands just before the slash: one range holds all, another the store's keys alone.
 */
export class KeyLayout {
  readonly #root: string
  readonly progress: Uint8Array
  readonly compaction: Uint8Array
  readonly everything: KeyRange

  constructor(root: string) {
    if (!/^\/.*[^/.]$/.test(root)) throw new RangeError(`'${root}' is no prefix for keys: it begins with a slash and ends without one`)
    this.#root = root
    this.progress = Buffer.from(`${root}.progress`)
    this.compaction = Buffer.from(`${root}.compaction`)
    this.everything = { key: Buffer.from(`${root}.`), rangeEnd: Buffer.from(`${root}0`) }
  }

  /** The store's keys begin with a slash, so that they stay apart from what others keep in etcd. */
  keyOf(name: string): Buffer {
    if (!name.startsWith('/')) throw new RangeError(`the key '${name}' does not begin with a slash`)
    return Buffer.from(this.#root + name)
  }

  /** All keys that start with `prefix`, or those of them that follow `after`. */
  rangeOf(prefix: string, after?: string): KeyRange {
    const first = this.keyOf(prefix || '/')
    const follower = after === undefined ? first : Buffer.concat([this.keyOf(after), Buffer.of(0)])
    return { key: Buffer.compare(follower, first) > 0 ? follower : first, rangeEnd: endOf(first) }
  }

  /** Undefined: not one of the store's own. */
  nameOf(key: Uint8Array): string | undefined {
    const name = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString().slice(this.#root.length)
    return name.startsWith('/') ? name : undefined
  }

  entryOf(kv: KeyValue): Entry {
    const { value, createRevision, modRevision } = kv
    return { key: this.nameOf(kv.key) as string, value, createRevision, modRevision }
  }
}

/** The first key behind all that start with `prefix`: its last byte, which UTF-8 keeps below 255, plus one. */
function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  end[end.length - 1] = (end.at(-1) as number) + 1
  return end
}
