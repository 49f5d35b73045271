export interface LogLine {
  /** RFC 3339 with nanoseconds, as the runtime wrote it. */
  readonly time: string
  readonly stream: 'stdout' | 'stderr'
  /** True where the line goes on in the next entry of the same stream. */
  readonly partial: boolean
  /** With its newline, unless partial. */
  readonly text: string
}

/** Reads one entry of a CRI log: `<time> <stream> <F|P> <text>`; undefined for what is none. */
export function parseLogLine(line: string): LogLine | undefined {
  const afterTime = line.indexOf(' ')
  const afterStream = line.indexOf(' ', afterTime + 1)
  if (afterTime < 0 || afterStream < 0) return undefined
  const stream = line.slice(afterTime + 1, afterStream)
  if (stream !== 'stdout' && stream !== 'stderr') return undefined
  const afterTags = line.indexOf(' ', afterStream + 1)
  const tags = line.slice(afterStream + 1, afterTags < 0 ? undefined : afterTags).split(':')
  const partial = tags[0] === 'P'
  const text = afterTags < 0 ? '' : line.slice(afterTags + 1)
  return { time: line.slice(0, afterTime), stream, partial, text: partial ? text : `${text}\n` }
}
