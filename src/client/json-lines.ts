const newline = 10

/**
 * Cuts a stream of bytes into the JSON values that stand one a line. Chunks of an unfinished line are only kept, and
 * joined once when its end comes: a line of many MB costs no more than its length.
 */
export class JsonLines {
  #pending: Uint8Array[] = [];

  /** The values whose lines this chunk completes. Throws SyntaxError for a line that is no JSON. */
  *push(chunk: Uint8Array): Generator<unknown> {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = this.#finish(chunk.subarray(start, end))
      start = end + 1
      if (line.trim()) yield JSON.parse(line)
    }
    if (start < chunk.length) this.#pending.push(chunk.subarray(start))
  }

  /** The value of a last line without an end, if it is whole. */
  *flush(): Generator<unknown> {
    const line = this.#finish(new Uint8Array(0))
    if (line.trim()) yield JSON.parse(line)
  }

  #finish(last: Uint8Array): string {
    const bytes = this.#pending.length ? Buffer.concat([...this.#pending, last]) : last
    this.#pending = []
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  }
}
