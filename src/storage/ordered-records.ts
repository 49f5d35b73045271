/**
 * Records kept in the byte order of their keys, in chunks of bounded size: an insertion moves at most one chunk's
 * worth of pointers, so its cost stays flat as the collection grows to hundreds of thousands of keys.
 */
export class OrderedRecords<T extends { readonly key: string }> {
  /** Never holds an empty chunk; chunks and the records in them ascend. */
  #chunks: T[][] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adds a record whose key is not yet there. */
  insert(record: T): void {
    this.#size++
    const last = this.#chunks.at(-1)
    if (!last) {
      this.#chunks.push([record])
      return
    }
    const isNewLast = compareKeys(last.at(-1)!.key, record.key) < 0
    const position = isNewLast ? this.#chunks.length - 1 : this.#chunkFor(record.key)
    const chunk = this.#chunks[position]!
    if (isNewLast) chunk.push(record)
    else chunk.splice(lowerBound(chunk, record.key), 0, record)
    if (chunk.length > maxChunk) this.#split(position)
  }

  /** Keys that come in ascending order (a snapshot being loaded) are packed three quarters full rather than half. */
  #split(position: number): void {
    const chunk = this.#chunks[position]!
    const isLast = position === this.#chunks.length - 1
    this.#chunks.splice(position + 1, 0, chunk.splice(isLast ? (maxChunk * 3) / 4 : maxChunk / 2))
  }

  remove(key: string): void {
    const position = this.#chunkFor(key)
    const chunk = this.#chunks[position]
    if (!chunk) return
    const at = lowerBound(chunk, key)
    if (chunk[at]?.key !== key) return
    chunk.splice(at, 1)
    this.#size--
    if (chunk.length === 0) this.#chunks.splice(position, 1)
  }

  /** Records with keys at or after `start` in order, until `visit` answers false. The collection must not change meanwhile. */
  visitFrom(start: string, visit: (record: T) => boolean): void {
    let position = this.#chunkFor(start)
    let at = position < this.#chunks.length ? lowerBound(this.#chunks[position]!, start) : 0
    for (; position < this.#chunks.length; position++, at = 0) {
      const chunk = this.#chunks[position]!
      for (; at < chunk.length; at++) if (!visit(chunk[at]!)) return
    }
  }

  /** The last chunk whose first key is not after `key`; 0 where there is none. */
  #chunkFor(key: string): number {
    let low = 0,
      high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareKeys(this.#chunks[middle]![0]!.key, key) <= 0) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : low - 1
  }
}

const maxChunk = 512

function lowerBound(chunk: readonly { readonly key: string }[], key: string): number {
  let low = 0,
    high = chunk.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(chunk[middle]!.key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

const surrogate = /[\ud800-\udfff]/

/**
 * Order of the keys' UTF-8 bytes, which is the order of their code points. JavaScript's own `<` compares UTF-16 units:
 * the same thing, except where a surrogate (U+10000 and up) meets a unit from U+E000 on.
 */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  if (surrogate.test(a) || surrogate.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : 1
}
