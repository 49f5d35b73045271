import { traversal } from '../budget.ts'
import { type Overload, overload } from '../functions.ts'
import { EvaluationError, ListValue, MapValue, Opaque, type Value } from '../values.ts'

/** Taken apart without being normalized, as Go does: unlike of a browser's URL, nothing is filled in or resolved. */
class UrlValue extends Opaque {
  readonly typeName = 'kubernetes.URL'
  readonly scheme: string
  /** With the port. */
  readonly host: string
  readonly path: string
  readonly query: string
  readonly #text: string

  constructor(text: string, parts: { scheme: string; host: string; path: string; query: string }) {
    super()
    this.#text = text
    this.scheme = parts.scheme
    this.host = parts.host
    this.path = parts.path
    this.query = parts.query
  }

  equals(other: Opaque): boolean {
    return other instanceof UrlValue && other.#text === this.#text
  }

  /** Without brackets. */
  get hostname(): string {
    return /^\[(.*)\]/.exec(this.host)?.[1] ?? this.host.replace(/:\d*$/, '')
  }

  get port(): string {
    return /:(\d*)$/.exec(this.host.replace(/^\[.*\]/, ''))?.[1] ?? ''
  }
}

function readUrl(text: string): UrlValue | string {
  const fault = (why: string): string => `parse ${JSON.stringify(text)}: ${why}`
  if (text === '') return fault('empty url')
  if (/\p{Cc}/u.test(text)) return fault('net/url: invalid control character in URL')
  const [, scheme = '', rest = ''] = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(.*)$/s.exec(text) ?? []
  if (text.startsWith(':')) return fault('missing protocol scheme')
  const [withoutFragment = ''] = rest.split('#', 1)
  const mark = withoutFragment.indexOf('?')
  const hierarchy = mark < 0 ? withoutFragment : withoutFragment.slice(0, mark)
  const query = mark < 0 ? '' : withoutFragment.slice(mark + 1)
  if (!hierarchy.startsWith('/')) {
    // Opaque: mailto:somebody.
    if (scheme === '') return fault('invalid URI for request')
    return new UrlValue(text, { scheme: scheme.toLowerCase(), host: '', path: '', query })
  }
  const authority =
    hierarchy.startsWith('//') && (scheme !== '' || !hierarchy.startsWith('///')) ? /^\/\/([^/]*)/.exec(hierarchy)?.[1] : undefined
  const path = authority === undefined ? hierarchy : hierarchy.slice(2 + authority.length)
  const host = authority?.slice(authority.lastIndexOf('@') + 1) ?? ''
  const badEscape = /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(path)?.[0]
  if (badEscape !== undefined) return fault(`invalid URL escape ${JSON.stringify(badEscape)}`)
  const port = host.replace(/^\[.*\]/, '')
  if (/:/.test(port) && !/^[^:]*:\d*$/.test(port)) return fault(`invalid port ${JSON.stringify(port.slice(port.indexOf(':')))} after host`)
  const badCharacter = /[\s"<>\\^`{|}]/.exec(host)?.[0]
  if (badCharacter !== undefined) return fault(`invalid character ${JSON.stringify(badCharacter)} in host name`)
  if (host.startsWith('[') && !host.includes(']')) return fault("missing ']' in host")
  return new UrlValue(text, { scheme: scheme.toLowerCase(), host, path: escapedPath(path), query })
}

/** Left as it was where it is escaped well. */
function escapedPath(path: string): string {
  return path.replace(/[^\w\-.~$&+,/:;=@!'()*%[\]]/gu, (character) => encodeURIComponent(character))
}

function url(text: string): UrlValue {
  const found = readUrl(text)
  if (typeof found === 'string') throw new EvaluationError(`URL parse error during conversion from string: ${found}`)
  return found
}

/** What is wrong with a URI; undefined: nothing. */
export function uriFault(text: string): string | undefined {
  const found = readUrl(text)
  return typeof found === 'string' ? found : undefined
}

function queryOf({ query }: UrlValue): MapValue {
  const found = new Map<string, Value[]>()
  for (const [key, value] of new URLSearchParams(query)) found.set(key, [...(found.get(key) ?? []), value])
  return MapValue.of([...found].map(([key, values]) => [key, ListValue.of(values)] as const))
}

const reading = (text: string): number => Math.max(1, traversal(text.length))

export const urls: readonly Overload[] = [
  overload('url(string) -> kubernetes.URL', url, reading),
  overload('isURL(string) -> bool', (text: string) => typeof readUrl(text) !== 'string', reading),
  overload('(kubernetes.URL) getScheme() -> string', ({ scheme }: UrlValue) => scheme),
  overload('(kubernetes.URL) getHost() -> string', ({ host }: UrlValue) => host),
  overload('(kubernetes.URL) getHostname() -> string', ({ hostname }: UrlValue) => hostname),
  overload('(kubernetes.URL) getPort() -> string', ({ port }: UrlValue) => port),
  overload('(kubernetes.URL) getEscapedPath() -> string', ({ path }: UrlValue) => path),
  overload('(kubernetes.URL) getQuery() -> map(string, list(string))', queryOf),
]
