import type { Json } from './equality.ts'

type Line = readonly [mark: ' ' | '-' | '+', text: string]

/** Pairs of lines that are compared at most: beyond, all that went is shown, then all that came. */
const maxPairs = 4_000_000
/** Lines around a change that are shown as well. */
const context = 3

/** With fields in order, so that the same JSON gives the same lines. */
const sorted = (_key: string, value: Json): Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value

const linesOf = (value: unknown): string[] => (JSON.stringify(value, sorted, 1) ?? 'null').split('\n')

/** Each line as kept, taken away or added: by the longest sequence of lines that both have. */
function marked(before: readonly string[], after: readonly string[]): Line[] {
  if (before.length * after.length > maxPairs) {
    return [...before.map((text): Line => ['-', text]), ...after.map((text): Line => ['+', text])]
  }
  const width = after.length + 1
  const common = new Uint32Array((before.length + 1) * width)
  const at = (i: number, j: number): number => common[i * width + j] ?? 0
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      common[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const lines: Line[] = []
  for (let i = 0, j = 0; i < before.length || j < after.length; ) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push([' ', before[i] as string])
      i++
      j++
    } else if (i < before.length && (j === after.length || at(i + 1, j) >= at(i, j + 1))) lines.push(['-', before[i++] as string])
    else lines.push(['+', after[j++] as string])
  }
  return lines
}

const count = (lines: readonly Line[], other: '-' | '+'): number => lines.filter(([mark]) => mark !== other).length

/** Where a hunk is on one side: upstream leaves a length of 1 out. */
const rangeText = (start: number, length: number): string =>
  length === 1 ? `${start + 1}` : `${length === 0 ? start : start + 1},${length}`

/** Lines that the two have in common at both ends need no search. */
function trimmed(before: readonly string[], after: readonly string[]): Line[] {
  const most = Math.min(before.length, after.length)
  let head = 0
  while (head < most && before[head] === after[head]) head++
  let tail = 0
  while (tail < most - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++
  const kept = (lines: readonly string[]): Line[] => lines.map((text): Line => [' ', text])
  const changed = marked(before.slice(head, before.length - tail), after.slice(head, after.length - tail))
  return [...kept(before.slice(0, head)), ...changed, ...kept(before.slice(before.length - tail))]
}

/**
 * How two values differ, as upstream shows it in messages of immutable fields: a unified difference of their indented JSON
 * (`@@ -3,7 +3,7 @@` and so on). Empty where they don't.
 */
export function jsonDifference(before: unknown, after: unknown): string {
  const lines = trimmed(linesOf(before), linesOf(after))
  const changes = lines.flatMap(([mark], index) => (mark === ' ' ? [] : [index]))
  let text = ''
  for (let position = 0; position < changes.length; ) {
    const first = changes[position] as number
    let last = first
    while (position < changes.length && (changes[position] as number) - last <= 2 * context) last = changes[position++] as number
    const start = Math.max(0, first - context)
    const hunk = lines.slice(start, last + context + 1)
    const ahead = lines.slice(0, start)
    const ranges = `@@ -${rangeText(count(ahead, '+'), count(hunk, '+'))} +${rangeText(count(ahead, '-'), count(hunk, '-'))} @@`
    text += `${[ranges, ...hunk.map(([mark, line]) => `${mark}${line}`)].join('\n')}\n`
  }
  return text
}
