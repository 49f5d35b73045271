import { RE2JS, RE2JSException } from 're2js'
import { matching } from '../budget.ts'
import { type Overload, overload } from '../functions.ts'
import { EvaluationError, ListValue } from '../values.ts'

/** Patterns that have been compiled of late: policies ask for the same few again and again. */
const compiled = new Map<string, RE2JS>()
const kept = 256

/** Takes time in proportion to the text, whatever the pattern: RE2 never goes back. */
function patternOf(source: string): RE2JS {
  const known = compiled.get(source)
  if (known) return known
  try {
    const pattern = RE2JS.compile(source)
    if (compiled.size >= kept) compiled.delete(compiled.keys().next().value as string)
    compiled.set(source, pattern)
    return pattern
  } catch (error) {
    if (error instanceof RE2JSException) throw new EvaluationError(error.message)
    throw error
  }
}

function legalPattern(source: string): RE2JS {
  try {
    return patternOf(source)
  } catch (error) {
    if (error instanceof EvaluationError) throw new EvaluationError(`Illegal regex: ${error.message}`)
    throw error
  }
}

function findAll(text: string, source: string, limit: bigint): ListValue {
  const matcher = legalPattern(source).matcher(text)
  const found: string[] = []
  while ((limit < 0n || found.length < limit) && matcher.find()) found.push(matcher.group() ?? '')
  return ListValue.of(found)
}

const cost = (text: string, pattern: string): number => matching(text.length, pattern.length)

export const patterns: readonly Overload[] = [
  overload('matches(string, string) -> bool', (text: string, source: string) => patternOf(source).matcher(text).find(), cost),
  overload('(string) matches(string) -> bool', (text: string, source: string) => patternOf(source).matcher(text).find(), cost),
  overload(
    '(string) find(string) -> string',
    (text: string, source: string) => {
      const matcher = legalPattern(source).matcher(text)
      return matcher.find() ? (matcher.group() ?? '') : ''
    },
    cost,
  ),
  overload('(string) findAll(string) -> list(string)', (text: string, source: string) => findAll(text, source, -1n), cost),
  overload('(string) findAll(string, int) -> list(string)', findAll, cost),
]
