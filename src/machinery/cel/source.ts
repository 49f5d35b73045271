/** A fault of an expression, and where in its text it lies. */
export interface Issue {
  /** In UTF-16 units from the beginning. */
  readonly at: number
  readonly message: string
}

/** As upstream's. */
const maxTold = 100
/** A line that nobody could read is not shown with each of its faults. */
const maxShown = 1000

/** In the words of upstream's parser: `ERROR: <input>:1:5: undeclared reference to 'x' (in container '')`, with the line below. */
export function formatIssues(source: string, issues: readonly Issue[]): string {
  const told = [...issues]
    .sort((a, b) => a.at - b.at)
    .slice(0, maxTold)
    .map((issue) => formatIssue(source, issue))
  if (issues.length > maxTold) told.push(`${issues.length - maxTold} more errors were truncated`)
  return told.join('\n')
}

function formatIssue(source: string, { at, message }: Issue): string {
  const start = source.lastIndexOf('\n', at - 1) + 1
  const end = source.indexOf('\n', start)
  const line = source.slice(start, end === -1 ? undefined : end)
  const column = [...source.slice(start, at)].length
  const row = source.slice(0, start).split('\n').length
  const fault = `ERROR: <input>:${row}:${column + 1}: ${message}`
  return line.length > maxShown ? fault : `${fault}\n | ${line}\n | ${'.'.repeat(column)}^`
}

/** The text is no expression. */
export class SyntaxFault extends Error {
  readonly issue: Issue

  constructor(at: number, message: string) {
    super(message)
    this.name = 'SyntaxFault'
    this.issue = { at, message }
  }
}
