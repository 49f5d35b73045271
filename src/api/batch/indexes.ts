/** A set of a job's indexes as text: `1,3-5,7`. */
export class IndexesError extends Error {}

/** How many indexes a text names, which rise and stay below `completions`. Throws {@link IndexesError}. */
export function countIndexes(text: string, completions: number): number {
  if (text === '') return 0
  let last: number | undefined
  let total = 0
  for (const part of text.split(',')) {
    const [firstText = '', lastText, ...more] = part.split('-')
    if (more.length > 0)
      throw new IndexesError(
        `the fragment "${part}" violates the requirement that an index interval can have at most two parts separated by '-'`,
      )
    const from = indexOf(firstText, completions)
    if (last !== undefined && last >= from) throw new IndexesError(`non-increasing order, previous: ${last}, current: ${from}`)
    const to = lastText === undefined ? from : indexOf(lastText, completions)
    if (lastText !== undefined && from >= to) throw new IndexesError(`non-increasing order, previous: ${from}, current: ${to}`)
    total += to - from + 1
    last = to
  }
  return total
}

function indexOf(text: string, completions: number): number {
  if (!/^\d+$/.test(text)) throw new IndexesError(`cannot convert string to integer for index: ${JSON.stringify(text)}`)
  const index = Number(text)
  if (index >= completions) throw new IndexesError(`too large index: ${JSON.stringify(text)}`)
  return index
}
