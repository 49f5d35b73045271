import { duplicateFields } from './duplicate-fields.ts'
import { isObject } from './equality.ts'
import { badRequest, requestEntityTooLarge, unsupportedMediaType } from './status.ts'

export interface ParsedBody {
  readonly value: unknown
  /** What decoding must report of the text itself, in upstream's words: `duplicate field "spec.replicas"`. */
  readonly duplicates: readonly string[]
}

export interface BodyLimits {
  readonly maxBytes: number
  /** How deep lists and objects may nest. */
  readonly maxDepth: number
}

/** Upstream's: 3 MiB for a request's body, and its decoders' 10,000 levels; ours are fewer, as ours recurse. */
export const defaultBodyLimits: BodyLimits = { maxBytes: 3 * 1024 * 1024, maxDepth: 500 }

const accepted = 'application/json, application/yaml'

/** `application/json; charset=utf-8` is `application/json`. */
export function mediaType(contentType: string): string {
  return (contentType.split(';', 1)[0] as string).trim().toLowerCase()
}

/**
 * Reads the body of a request. Throws 413 for too large a one, 400 for text that is no JSON or YAML, 415 for other types.
 * Duplicates are looked for only if `findDuplicates` (fieldValidation other than Ignore).
 */
export async function parseBody(
  body: Uint8Array,
  contentType: string,
  options: { findDuplicates: boolean; limits?: BodyLimits },
): Promise<ParsedBody> {
  const limits = options.limits ?? defaultBodyLimits
  if (body.length > limits.maxBytes) throw requestEntityTooLarge(`limit is ${limits.maxBytes}`)
  const text = new TextDecoder().decode(body)
  const type = mediaType(contentType)
  if (type === '' || type.endsWith('/json') || type.endsWith('+json')) return parseJson(text, limits, options.findDuplicates)
  if (type.endsWith('/yaml') || type.endsWith('+yaml')) return await parseYaml(text, limits, options.findDuplicates)
  throw unsupportedMediaType(accepted)
}

function refuseDeep(value: unknown, { maxDepth }: BodyLimits): void {
  if (deeperThan(value, maxDepth)) throw badRequest('exceeded max depth')
}

function parseJson(text: string, limits: BodyLimits, findDuplicates: boolean): ParsedBody {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`)
  }
  refuseDeep(value, limits)
  return { value, duplicates: findDuplicates ? duplicateFields(text).map((path) => `duplicate field "${path}"`) : [] }
}

/** YAML 1.1, as kubectl reads it (`yes` is true, `0777` is octal); loaded when the first YAML body comes. */
async function parseYaml(text: string, limits: BodyLimits, findDuplicates: boolean): Promise<ParsedBody> {
  const plain = jsonWithoutDuplicates(text)
  if (plain !== undefined) {
    refuseDeep(plain, limits)
    return { value: plain, duplicates: [] }
  }
  const { parseDocument, LineCounter } = await import('yaml')
  const lines = new LineCounter()
  let document: ReturnType<typeof parseDocument>
  try {
    document = parseDocument(text, { version: '1.1', uniqueKeys: false, merge: true, lineCounter: lines, logLevel: 'silent' })
  } catch (error) {
    // The library recurses: its stack ends long before the text has become too large.
    if (error instanceof RangeError) throw badRequest('error converting YAML to JSON: yaml: exceeded max depth')
    throw error
  }
  const fault = document.errors[0]
  if (fault)
    throw badRequest(`error converting YAML to JSON: yaml: line ${lines.linePos(fault.pos[0]).line}: ${fault.message.split('\n')[0]}`)
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    // Anchors within anchors: a few lines would become gigabytes.
    if (error instanceof ReferenceError && /excessive alias/i.test(error.message)) {
      throw badRequest('error converting YAML to JSON: yaml: document contains excessive aliasing')
    }
    throw badRequest(`error converting YAML to JSON: yaml: ${(error as Error).message}`)
  }
  refuseDeep(value, limits)
  return { value, duplicates: findDuplicates ? await yamlDuplicates(document, (offset) => lines.linePos(offset).line) : [] }
}

/** JSON is YAML, and what programs that apply send under its name. Undefined: it is none, or has keys twice, for which YAML has words of its own. */
function jsonWithoutDuplicates(text: string): unknown {
  if (!text.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return duplicateFields(text).length === 0 ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

async function yamlDuplicates(document: unknown, lineOf: (offset: number) => number): Promise<string[]> {
  const { visit, isScalar } = await import('yaml')
  const found: string[] = []
  visit(document as Parameters<typeof visit>[0], {
    Map(_, map) {
      const seen = new Set<string>()
      for (const { key } of map.items) {
        const name = isScalar(key) ? String(key.value) : undefined
        if (name === undefined || name === '<<') continue
        if (seen.has(name)) found.push(`line ${lineOf(isScalar(key) ? (key.range?.[0] ?? 0) : 0)}: key "${name}" already set in map`)
        seen.add(name)
      }
    },
  })
  return found.length > 0 ? [`yaml: unmarshal errors:\n  ${found.join('\n  ')}`] : []
}

/** Level by level, not recursive: the text may be hostile. */
function deeperThan(value: unknown, maxDepth: number): boolean {
  let level = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) return true
    level = level
      .flatMap((item) => (Array.isArray(item) ? item : isObject(item) ? Object.values(item) : []))
      .filter((item) => typeof item === 'object')
  }
  return false
}
