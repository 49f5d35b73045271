/** A set of a job's indexes as text: `1,3-5,7`. */
export class IndexesError extends Error {}

type Interval = readonly [from: number, to: number]

/** How many indexes a text names, which rise and stay below `completions`. Throws {@link IndexesError}. */
export function countIndexes(text: string, completions: number): number {
  if (text === '') return 0
  let last: number | undefined
  let total = 0
  for (const part of text.split(',')) {
    const [from, to] = intervalOf(part, completions)
    if (last !== undefined && last >= from) throw new IndexesError(`non-increasing order, previous: ${last}, current: ${from}`)
    total += to - from + 1
    last = to
  }
  return total
}

function intervalOf(text: string, completions: number): Interval {
  const [firstText = '', lastText, ...more] = text.split('-')
  if (more.length > 0) {
    throw new IndexesError(
      `the fragment "${text}" violates the requirement that an index interval can have at most two parts separated by '-'`,
    )
  }
  const from = indexOf(firstText, completions)
  if (lastText === undefined) return [from, from]
  const to = indexOf(lastText, completions)
  if (from >= to) throw new IndexesError(`non-increasing order, previous: ${from}, current: ${to}`)
  return [from, to]
}

function indexOf(text: string, completions: number): number {
  if (!/^\d+$/.test(text)) throw new IndexesError(`cannot convert string to integer for index: ${JSON.stringify(text)}`)
  const index = Number(text)
  if (index >= completions) throw new IndexesError(`too large index: ${JSON.stringify(text)}`)
  return index
}

/** The first index in both sets. Intervals that are none are passed over. */
export function sharedIndex(one: string, other: string, completions: number): number | undefined {
  const others = soundIntervals(other, completions)
  for (const [from, to] of soundIntervals(one, completions)) {
    const found = others.find(([otherFrom, otherTo]) => from <= otherTo && otherFrom <= to)
    if (found) return Math.max(from, found[0])
  }
  return undefined
}

function soundIntervals(text: string, completions: number): Interval[] {
  return text.split(',').flatMap((part) => {
    try {
      return [intervalOf(part, completions)]
    } catch (error) {
      if (!(error instanceof IndexesError)) throw error
      return []
    }
  })
}
