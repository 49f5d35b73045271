import { badRequest } from '../machinery/status.ts'

/** Where a list goes on: at the revision of its first page, or at the newest where that is gone. */
export interface Continuation {
  readonly revision: number | 'newest'
  /** The last key that was told. */
  readonly after: string
}

const version = 'meta.k8s.io/v1'
/** In place of a revision. */
const newest = -1
/** Of all keys that begin with another, the one that comes right behind it. */
const behind = '\0'

/** Opaque to clients, and as upstream's servers write it. `prefix` is what all keys of the list begin with. */
export function writeContinue({ revision, after }: Continuation, prefix: string): string {
  const token = { v: version, rv: revision === 'newest' ? newest : revision, start: after.slice(prefix.length) + behind }
  return Buffer.from(JSON.stringify(token)).toString('base64url')
}

/** Throws BadRequest for what is no token of such a list. */
export function readContinue(text: string, prefix: string): Continuation {
  const { v, rv, start } = parsed(text)
  if (v !== version) throw invalidToken(`server does not recognize this encoded version ${String(v ?? '')}`)
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0)
    throw invalidToken('incorrect encoded start resourceVersion (version meta.k8s.io/v1)')
  if (typeof start !== 'string' || start === '') throw invalidToken('encoded start key empty (version meta.k8s.io/v1)')
  // A key of another kind or namespace is never reached.
  if (start.split('/').some((part) => part === '' || part === '.' || part === '..')) throw invalidToken(start)
  const key = prefix + start
  return { revision: rv < 0 ? 'newest' : rv, after: key.endsWith(behind) ? key.slice(0, -1) : key }
}

function parsed(text: string): { v?: unknown; rv?: unknown; start?: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (typeof value === 'object' && value !== null) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw invalidToken('it is none that a server has written')
}

function invalidToken(why: string): Error {
  return badRequest(`invalid continue token: continue key is not valid: ${why}`)
}
