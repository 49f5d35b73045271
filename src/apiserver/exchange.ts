import type { Readable, Writable } from 'node:stream'
import { systemClock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { ApiRequest, ApiResponse, ApiWatchEvent, RequestOrigin, UserInfo } from '../machinery/api-request.ts'
import type { Status } from '../machinery/object.ts'
import { defaultBodyLimits } from '../machinery/parse-body.ts'
import { methodNotAllowed, requestEntityTooLarge, StatusError, timeout } from '../machinery/status.ts'
import type { Access } from './access/access.ts'
import type { Answer, BytesAnswer, KubeletRequest, ProxyRequest, RedirectAnswer } from './answer.ts'
import { compressed, jsonBytes, watchBytes } from './answer-bytes.ts'
import type { Api } from './api.ts'
import type { Flow } from './fairness/fairness.ts'
import { type Format, negotiate, protobufType } from './negotiation.ts'
import { isTrue } from './request-options.ts'
import { type Arrival, auditIdHeader, originOf } from './request-origin.ts'
import { type Route, routeOf } from './route.ts'
import { withSelection } from './selected-route.ts'
import { Watcher } from './watcher.ts'

export type Headers = Readonly<Record<string, string | string[] | number | undefined>>

/** One request and its answer over HTTP, whichever version of it. */
export interface Exchange {
  readonly method: string
  /** Path with query. */
  readonly url: string
  readonly headers: Headers
  /** Undefined: a certificate that is not ours. */
  readonly user: UserInfo | undefined
  readonly remoteAddress: string | undefined
  readonly input: Readable
  readonly output: Writable
  respond(code: number, headers: Record<string, string | string[] | number>): void
}

/** What the exchange leaves to others. */
export interface ExchangeDeps {
  readonly api: Api
  readonly log: Log
  /** Passes on what others answer. */
  readonly forward: (answer: KubeletRequest | ProxyRequest, exchange: Exchange, signal: AbortSignal) => Promise<void>
}

const methods: Readonly<Record<string, ApiRequest['method']>> = {
  GET: 'GET',
  HEAD: 'GET',
  POST: 'POST',
  PUT: 'PUT',
  PATCH: 'PATCH',
  DELETE: 'DELETE',
}
const discoveryType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
/** What a client has for sending its body, in real time even where the cluster's clock is a virtual one. */
const bodyWithinMs = 60_000
/** Whose credentials have not been found good is nobody. */
const nobody: UserInfo = { name: '', uid: '', groups: [], extra: {} }
/** Made once: it is the reason of many. */
const clientGone = new Error('the client has gone')
const common = { 'cache-control': 'no-cache, private' }

function headerOf(headers: Headers, name: string): string {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value === undefined ? '' : String(value)
}

/** Serves one exchange to its end. Never rejects. */
export async function serveExchange(exchange: Exchange, deps: ExchangeDeps): Promise<void> {
  const gone = new AbortController()
  exchange.output.once('close', () => gone.abort(clientGone))
  exchange.output.on('error', (error) => deps.log.debug('connection broke off', { error }))
  const origin = originOf(arrivalOf(exchange))
  const identified = withHeaders(exchange, { [auditIdHeader]: origin.auditId })
  try {
    const flow: Record<string, string> = {}
    const answer = await answerTo(identified, origin, deps.api, gone.signal, (found) => Object.assign(flow, flowHeaders(found)))
    if (answer.type === 'kubelet' || answer.type === 'proxy') await forward(answer, identified, deps, gone.signal)
    else if (!gone.signal.aborted) await send(withHeaders(identified, flow), answer)
  } catch (error) {
    if (!gone.signal.aborted) deps.log.error('cannot send an answer', { path: exchange.url, error })
    exchange.output.destroy()
  }
}

/** `more` is read when the answer begins. */
function withHeaders(exchange: Exchange, more: Readonly<Record<string, string>>): Exchange {
  return { ...exchange, respond: (code, headers) => exchange.respond(code, { ...more, ...headers }) }
}

/** By which a client learns what limits it: https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#diagnostics */
function flowHeaders({ schema, level }: Flow): Record<string, string> {
  // What the server goes by before its objects are made has no uid.
  const { uid: schemaUid = '' } = schema.metadata
  const { uid: levelUid = '' } = level.object.metadata
  return { 'x-kubernetes-pf-flowschema-uid': schemaUid, 'x-kubernetes-pf-prioritylevel-uid': levelUid }
}

export function arrivalOf({ url, remoteAddress, headers }: Pick<Exchange, 'url' | 'remoteAddress' | 'headers'>): Arrival {
  return { url, remoteAddress, header: (name) => headerOf(headers, name) }
}

async function forward(answer: KubeletRequest | ProxyRequest, exchange: Exchange, deps: ExchangeDeps, signal: AbortSignal): Promise<void> {
  const { audit } = answer
  const respond: Exchange['respond'] = (code, headers) => {
    audit?.started(code)
    exchange.respond(code, headers)
  }
  try {
    if (!signal.aborted) await deps.forward(answer, audit ? { ...exchange, respond } : exchange, signal)
  } finally {
    audit?.completed()
  }
}

/** Makes the API's request of the exchange and has it answered. Never rejects but for a broken connection. */
export async function answerTo(
  exchange: Exchange,
  origin: RequestOrigin,
  api: Api,
  signal: AbortSignal,
  note?: (flow: Flow) => void,
): Promise<Answer> {
  const { headers, url } = exchange
  const known = methods[exchange.method] ?? (exchange.method === 'OPTIONS' && isProxied(url) ? 'GET' : undefined)
  const question = url.indexOf('?')
  const request: { -readonly [Field in keyof ApiRequest]: ApiRequest[Field] } = {
    method: known ?? 'GET',
    path: question < 0 ? url : url.slice(0, question),
    query: new URLSearchParams(question < 0 ? '' : url.slice(question + 1)),
    contentType: headerOf(headers, 'content-type'),
    accept: headerOf(headers, 'accept'),
    userAgent: headerOf(headers, 'user-agent'),
    body: undefined,
    user: nobody,
    signal,
    origin,
  }
  try {
    if (!known) throw methodNotAllowed()
    await identify(request, exchange, api.access)
    if (known !== 'GET' || isProxied(url)) request.body = await bodyOf(exchange)
  } catch (error) {
    if (error instanceof StatusError) return api.refuse(request, error, credentialsOf(exchange))
    throw error
  }
  return api.serve(request, note)
}

function credentialsOf({ user, headers }: Pick<Exchange, 'user' | 'headers'>): string {
  const scheme = /^(basic|bearer) +\S/i.exec(headerOf(headers, 'authorization'))?.[1]?.toLowerCase()
  const tried = [...(scheme ? [scheme] : []), ...(user ? [] : ['x509'])]
  return tried.length > 0 ? `attempted: ${tried.join(', ')}` : 'no credentials provided'
}

/** Who has sent the request, and whom it is to be served as. */
async function identify(
  request: Pick<ApiRequest, 'method' | 'path' | 'query'> & { user: UserInfo; origin?: RequestOrigin },
  { user, headers }: Pick<Exchange, 'user' | 'headers'>,
  access: Access,
): Promise<void> {
  const asked = {
    names: Object.keys(headers),
    values: (name: string) => valuesOf(headers, name),
    text: (name: string) => headerOf(headers, name),
  }
  const sender = await access.senderOf(user, asked)
  request.user = sender
  const route = (): Route => withSelection(routeOf(request.method, request.path, isTrue(request.query.get('watch'))), request.query)
  request.user = access.userOf(sender, asked, route)
  if (request.user !== sender && request.origin) request.origin = { ...request.origin, impersonator: sender }
}

/** What goes on to others may ask them for their options. */
function isProxied(url: string): boolean {
  return /^\/api\/v1\/[^?]*\/proxy(?:[/?]|$)/.test(url)
}

/** HTTP/2 gives repeated headers as a list, HTTP/1.1 joined: groups and the like hold no comma. */
function valuesOf(headers: Headers, name: string): string[] {
  return headerOf(headers, name)
    .split(',')
    .map((value) => value.trim())
    .filter(Boolean)
}

async function bodyOf({ input, headers }: Exchange): Promise<Buffer | undefined> {
  const { maxBytes } = defaultBodyLimits
  const tooLarge = (): StatusError => requestEntityTooLarge(`limit is ${maxBytes}`)
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  // The stream is also the way out: giving up reading must not destroy it.
  await new Promise<void>((resolve, reject) => {
    const cancel = systemClock.after(bodyWithinMs, () => settle(timeout('request did not complete within the allotted timeout')))
    const take = (chunk: Buffer): void => {
      size += chunk.byteLength
      if (size > maxBytes) settle(tooLarge())
      else chunks.push(chunk)
    }
    const settle = (fault?: Error): void => {
      cancel()
      if (fault) {
        input.off('data', take)
        reject(fault)
      } else resolve()
    }
    const breakOff = (): void => settle(clientGone)
    input.on('data', take).once('end', settle).once('error', settle).once('close', breakOff)
  })
  return chunks.length === 0 ? undefined : chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
}

async function send(exchange: Exchange, answer: ApiResponse | BytesAnswer | RedirectAnswer): Promise<void> {
  switch (answer.type) {
    case 'redirect':
      exchange.respond(answer.code, { ...common, location: answer.location, 'content-length': 0 })
      exchange.output.end()
      exchange.input.resume()
      return
    case 'watch':
      return sendWatch(exchange, answer.events)
    case 'text':
      return sendBytes(exchange, answer.code, Buffer.from(answer.text), { 'content-type': answer.contentType })
    case 'bytes':
      return sendBytes(exchange, answer.code, Buffer.from(answer.bytes), { 'content-type': answer.contentType })
    case 'object':
      return sendObject(exchange, answer)
  }
}

type ObjectAnswer = ApiResponse & { type: 'object' }

async function sendObject(exchange: Exchange, answer: ObjectAnswer): Promise<void> {
  const { code, warnings, hash } = answer
  const headers: Record<string, string | string[] | number> = hash ? cachingOf(exchange, hash) : {}
  if (hash && valuesOf(exchange.headers, 'if-none-match').includes(headers.etag as string)) {
    exchange.respond(304, { ...common, ...headers })
    exchange.output.end()
    exchange.input.resume()
    return
  }
  const told = warnings.flatMap(warningHeader)
  if (told.length > 0) headers.warning = told
  const retryAfterSeconds = code < 400 ? undefined : (answer.object as Partial<Status>).details?.retryAfterSeconds
  if (retryAfterSeconds) headers['retry-after'] = retryAfterSeconds
  const { type, bytes } = await bytesOf(exchange, answer)
  await sendBytes(exchange, code, bytes, { ...headers, 'content-type': type })
}

const control = /\p{Cc}/u

/** As upstream: what holds control characters cannot be said in a header, and goes unsaid; all else goes out in UTF-8. */
function warningHeader(text: string): string[] {
  if (control.test(text)) return []
  const quoted = text.replaceAll(/["\\]/g, '\\$&')
  return [Buffer.from(`299 - "${quoted}"`).toString('latin1')]
}

/** What a client asked for by its hash never changes; whatever has one may be asked for anew with it. */
function cachingOf({ url }: Exchange, hash: string): Record<string, string> {
  const etag = `"${hash}"`
  const named = new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('hash') === hash
  return named ? { etag, 'cache-control': 'public, max-age=31536000, immutable' } : { etag }
}

async function bytesOf(exchange: Exchange, answer: ObjectAnswer): Promise<{ type: string; bytes: Buffer }> {
  const type = 'application/json'
  const format = formatOf(exchange)
  const isPretty = wantsPretty(exchange)
  if (answer.json && format === 'json' && !isPretty) return { type, bytes: answer.json() }
  const { object } = answer
  if ((object as { kind?: string }).kind === 'APIGroupDiscoveryList') return { type: discoveryType, bytes: jsonBytes(object) }
  if (format === 'protobuf') {
    const { protobufBytes } = await import('./protobuf-answer.ts')
    const bytes = protobufBytes(object)
    // What has no such form, such as discovery, goes out as JSON: the answer says so, and clients read what it says.
    if (bytes) return { type: protobufType, bytes }
  }
  if (format === 'yaml') {
    const { stringify } = await import('yaml')
    return { type: 'application/yaml', bytes: Buffer.from(stringify(object, { version: '1.1', aliasDuplicateObjects: false })) }
  }
  return isPretty ? { type, bytes: Buffer.from(`${JSON.stringify(object, null, 2)}\n`) } : { type, bytes: jsonBytes(object) }
}

/** An error answer goes out even where nothing that is accepted can be had. */
function formatOf({ headers }: Exchange): Format {
  try {
    return negotiate(headerOf(headers, 'accept')).format
  } catch (error) {
    if (error instanceof StatusError) return 'json'
    throw error
  }
}

/** For people: when asked to, or when a person's program asks. */
function wantsPretty({ url, headers }: Exchange): boolean {
  const question = url.indexOf('?')
  const pretty = question < 0 ? null : new URLSearchParams(url.slice(question + 1)).get('pretty')
  return pretty === null ? /^(curl|Wget|Mozilla)\//.test(headerOf(headers, 'user-agent')) : isTrue(pretty)
}

async function sendBytes(
  exchange: Exchange,
  code: number,
  plain: Buffer,
  headers: Record<string, string | string[] | number>,
): Promise<void> {
  const { bytes, encoding } = await compressed(plain, headerOf(exchange.headers, 'accept-encoding'))
  const coded: Record<string, string> = encoding ? { 'content-encoding': encoding, vary: 'Accept-Encoding' } : {}
  exchange.respond(code, { ...common, ...headers, ...coded, 'content-length': bytes.byteLength })
  exchange.output.end(exchange.method === 'HEAD' ? undefined : bytes)
  // What was not read, such as the rest of a body that is too large, is let go.
  exchange.input.resume()
}

/** How one event is written where each is a message of its own; undefined: as JSON. */
export async function eventEncoderFor(exchange: Exchange): Promise<((event: ApiWatchEvent) => Buffer) | undefined> {
  if (formatOf(exchange) !== 'protobuf') return undefined
  const { protobufFrames } = await import('./protobuf-answer.ts')
  // Without the length that goes before it in a stream.
  return (event) => protobufFrames([event]).subarray(4)
}

async function sendWatch(exchange: Exchange, events: AsyncIterable<ApiWatchEvent>): Promise<void> {
  const { output } = exchange
  const frames = formatOf(exchange) === 'protobuf' ? (await import('./protobuf-answer.ts')).protobufFrames : undefined
  exchange.respond(200, { ...common, 'content-type': frames ? `${protobufType};stream=watch` : 'application/json' })
  for await (const batch of batches(events)) {
    if (output.destroyed) break
    if (!output.write((frames ?? watchBytes)(batch))) await drained(output)
  }
  if (!output.destroyed) output.end()
}

/** The watcher itself hands out what is there at once; anything in between hands it on one by one. */
export async function* batches(events: AsyncIterable<ApiWatchEvent>): AsyncIterable<readonly ApiWatchEvent[]> {
  if (!(events instanceof Watcher)) {
    for await (const event of events) yield [event]
    return
  }
  try {
    for (let batch = await events.next(); batch; batch = await events.next()) yield batch
  } finally {
    events.end()
  }
}

export function drained(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      output.off('drain', done)
      output.off('close', done)
      resolve()
    }
    output.once('drain', done)
    output.once('close', done)
  })
}
