import type { Kind } from '../../../api/kind.ts'
import { resourcePath } from '../../../machinery/group-version.ts'
import type { Dice } from './dice.ts'
import { type HostileBody, patchBody, protobufBody, textBody } from './hostile-bodies.ts'
import { hostileNames, hostileValue, mutated } from './hostile-values.ts'

/** What requests are made from. */
export interface Sample {
  readonly kind: Kind
  /** Good, and stored in the server under its name. */
  readonly object: object
  /** Upstream's, with every field filled in; not good. */
  readonly filled: object | undefined
  readonly protobuf: Buffer | undefined
}

/** Whose connection it comes over. */
export type Sender = 'administrator' | 'node' | 'nobody'

export interface HostileRequest {
  readonly sender: Sender
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Buffer | undefined
}

interface Core {
  readonly method: string
  readonly path: string
  readonly body?: HostileBody
}

const protobufType = 'application/vnd.kubernetes.protobuf'

export function hostileRequest(samples: readonly Sample[], dice: Dice): HostileRequest {
  const sample = dice.one(samples)
  const make = dice.weighted<(sample: Sample, dice: Dice) => Core>([
    [25, creation],
    [15, update],
    [28, patch],
    [14, read],
    [5, deletion],
    [6, other],
    [7, anyPath],
  ])
  const { method, path, body } = make(sample, dice)
  const query = queryOf(method, path, dice)
  return {
    sender: dice.weighted<Sender>([
      [85, 'administrator'],
      [8, 'node'],
      [7, 'nobody'],
    ]),
    method,
    target: query ? `${path}?${query}` : path,
    headers: headersOf(body, dice),
    body: body?.bytes,
  }
}

function objectOf(sample: Sample, dice: Dice): unknown {
  const base = sample.filled && dice.percent(30) ? sample.filled : sample.object
  return mutated(base, dice.few(8), dice)
}

function bodyOf(sample: Sample, dice: Dice): HostileBody {
  const form = dice.weighted<'json' | 'yaml' | 'protobuf'>([
    [65, 'json'],
    [12, 'yaml'],
    [23, 'protobuf'],
  ])
  if (form === 'protobuf' && sample.protobuf) return { contentType: protobufType, bytes: protobufBody(sample.protobuf, dice) }
  return {
    contentType: form === 'yaml' ? 'application/yaml' : 'application/json',
    bytes: textBody(objectOf(sample, dice), form === 'yaml' ? 'yaml' : 'json', dice),
  }
}

const collectionOf = ({ kind }: Sample, dice: Dice): string =>
  resourcePath(kind, kind.namespaced ? (dice.percent(95) ? 'default' : undefined) : undefined)

/** The sample's own, or one that most often is not there. */
function objectPath(sample: Sample, dice: Dice): string {
  const { name } = (sample.object as { metadata: { name: string } }).metadata
  const base = resourcePath(sample.kind, sample.kind.namespaced ? 'default' : undefined)
  return `${base}/${dice.percent(92) ? encodeURIComponent(name) : segment(dice)}`
}

const everywhere = ['status', 'scale', 'x', 'finalize']

function subresource({ kind }: Sample, dice: Dice): string {
  if (dice.percent(65)) return ''
  const own = kind.subresources.map(({ name }) => name)
  return `/${dice.percent(80) && own.length > 0 ? dice.one([...own, 'status']) : dice.one(everywhere)}`
}

const creation = (sample: Sample, dice: Dice): Core => ({ method: 'POST', path: collectionOf(sample, dice), body: bodyOf(sample, dice) })
const update = (sample: Sample, dice: Dice): Core => ({
  method: 'PUT',
  path: objectPath(sample, dice) + subresource(sample, dice),
  body: bodyOf(sample, dice),
})
const patch = (sample: Sample, dice: Dice): Core => ({
  method: 'PATCH',
  path: objectPath(sample, dice) + subresource(sample, dice),
  body: patchBody(dice.percent(20) && sample.filled ? sample.filled : sample.object, dice),
})
const read = (sample: Sample, dice: Dice): Core => ({
  method: dice.percent(95) ? 'GET' : 'HEAD',
  path: dice.percent(60) ? collectionOf(sample, dice) : objectPath(sample, dice) + subresource(sample, dice),
})

const deleteOptions = {
  ...{ apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, propagationPolicy: 'Background', dryRun: ['All'] },
  preconditions: { uid: 'x', resourceVersion: '1' },
  orphanDependents: false,
}

function deletion(sample: Sample, dice: Dice): Core {
  const path = dice.percent(15) ? collectionOf(sample, dice) : objectPath(sample, dice)
  if (dice.percent(40)) return { method: 'DELETE', path }
  return {
    method: 'DELETE',
    path,
    body: { contentType: 'application/json', bytes: textBody(mutated(deleteOptions, dice.few(5), dice), 'json', dice) },
  }
}

const attributes = {
  namespace: 'default',
  verb: 'get',
  group: 'apps',
  resource: 'deployments',
  subresource: 'scale',
  name: 'one',
  fieldSelector: {},
}
const reviews: readonly (readonly [string, object])[] = [
  [
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    { spec: { user: 'a', groups: ['b'], uid: 'c', extra: { d: ['e'] }, resourceAttributes: attributes } },
  ],
  ['/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { spec: { nonResourceAttributes: { path: '/x', verb: 'get' } } }],
  ['/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', { spec: { namespace: 'default' } }],
  [
    '/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews',
    { metadata: { namespace: 'default' }, spec: { user: 'a', resourceAttributes: attributes } },
  ],
  ['/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: 'a.b.c', audiences: ['x'] } }],
  ['/apis/authentication.k8s.io/v1/selfsubjectreviews', {}],
  ['/api/v1/namespaces/default/bindings', { metadata: { name: 'one' }, target: { kind: 'Node', name: 'one' } }],
  ['/api/v1/namespaces/default/pods/one/binding', { metadata: { name: 'one' }, target: { kind: 'Node', name: 'one' } }],
  ['/api/v1/namespaces/default/pods/one/eviction', { metadata: { name: 'one' }, deleteOptions }],
  [
    '/api/v1/namespaces/default/serviceaccounts/default/token',
    { spec: { audiences: ['a'], expirationSeconds: 600, boundObjectRef: { kind: 'Pod', name: 'one' } } },
  ],
]

/** What is asked and not stored. */
function other(_: Sample, dice: Dice): Core {
  const [path, body] = dice.one(reviews)
  return {
    method: 'POST',
    path,
    body: { contentType: 'application/json', bytes: textBody(mutated(body, dice.few(5), dice), 'json', dice) },
  }
}

const words = [
  ...[
    'api',
    'apis',
    'v1',
    'apps',
    'v2',
    'namespaces',
    'default',
    'pods',
    'deployments',
    'nodes',
    'one',
    'status',
    'scale',
    'log',
    'finalize',
  ],
  ...['openapi', 'v3', 'version', 'healthz', 'livez', 'readyz', 'metrics', 'watch', 'etcd', 'ping', '.well-known', 'openid-configuration'],
]

function segment(dice: Dice): string {
  if (dice.percent(60)) return dice.one(words)
  const name = dice.one(hostileNames)
  if (dice.percent(20)) return dice.one(['%', '%zz', '%00', '%2F', '%2e%2e', '%ff', '%ed%a0%80', '..', '', 'x'.repeat(3_000)])
  return encodeURIComponent(name.isWellFormed() ? name : 'x')
}

function anyPath(_: Sample, dice: Dice): Core {
  const path = `/${Array.from({ length: dice.below(9) }, () => segment(dice)).join('/')}`
  return { method: dice.one(['GET', 'GET', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND']), path }
}

const selectors = [
  ...[
    'a=b',
    'a==b,c!=d',
    'a in (b,c)',
    'a notin (b)',
    '!a',
    'a',
    'a in (b',
    'a in ()',
    'in in (in)',
    '(',
    ',',
    'a=b,',
    ',a',
    'a>1',
    'a<x',
    '!',
    '!!a',
  ],
  ...[
    'a=b=c',
    'a!b',
    'x/y/z=1',
    '-a=b',
    `${'a'.repeat(64)}=b`,
    `a=${'b'.repeat(64)}`,
    'a in (b),'.repeat(300),
    '(((((',
    '\u0000',
    '__proto__=a',
    'é=é',
    'a=\\,b',
  ],
  ...[
    'metadata.name=one',
    'metadata.namespace!=default',
    'spec.nodeName=',
    'status.phase=Running',
    'metadata.name',
    '=',
    'metadata.labels=a',
  ],
  ...[
    'metadata.name=a\\',
    'metadata.name=\\x',
    '__proto__=x',
    'constructor=x',
    'metadata.name=a,metadata.name=b',
    'type=x',
    'spec.__proto__=1',
  ],
]
const versions = [
  '',
  '0',
  '1',
  '5',
  '-1',
  '1.5',
  '1e3',
  'x',
  ' 1',
  '00',
  '99999',
  '9007199254740993',
  '99999999999999999999',
  '0x10',
  '\u0000',
  'true',
]
const token = (value: unknown): string => Buffer.from(JSON.stringify(value) ?? '').toString('base64url')
const start = (key: unknown, rv: unknown = 5): string => token({ v: 'meta.k8s.io/v1', rv, start: key })
const tokens = [
  ...[
    '',
    'x',
    '%',
    'bnVsbA',
    'e30',
    '====',
    token(null),
    token([]),
    token(1),
    token({ v: 'v1', rv: 1 }),
    start('default/one\u0000'),
    start('one'),
  ],
  ...[
    start('default/one', -1),
    start('default/one', 1e300),
    start('default/one', '5'),
    start('default/one', 2 ** 53),
    start({}),
    start('\ud800'),
  ],
  ...[start('../secrets/kube-system/x'), start('/'), start('default/\u0000'), start('a'.repeat(5_000)), 'A'.repeat(5_000)],
]
const flags = ['', 'true', 'false', '1', '0', 'True', 'x', '-1', '\u0000', 'null']
const numbers = ['', '0', '1', '2', '500', '-1', 'x', '1.5', '1e9', '99999999999999999999', '0x1', ' 5', 'NaN']

const parameters: readonly (readonly [string, readonly string[]])[] = [
  ['labelSelector', selectors],
  ['fieldSelector', selectors],
  ['resourceVersion', versions],
  ['resourceVersionMatch', ['', 'Exact', 'NotOlderThan', 'exact', 'x']],
  ['limit', numbers],
  ['continue', tokens],
  ['watch', flags],
  ['allowWatchBookmarks', flags],
  ['sendInitialEvents', flags],
  ['timeoutSeconds', numbers],
  ['timeout', ['1s', '-1s', 'x', '1h', '']],
  ['pretty', flags],
  ['includeObject', ['None', 'Metadata', 'Object', 'x', '']],
  ['dryRun', ['All', 'All', 'All', 'None', '', 'all']],
  ['fieldValidation', ['Strict', 'Warn', 'Ignore', '', 'strict']],
  ['fieldManager', ['', 'm', 'kubectl', 'x'.repeat(129), 'é', '\u0000', '\ufffd', 'a/b']],
  ['force', flags],
  ['gracePeriodSeconds', numbers],
  ['propagationPolicy', ['Orphan', 'Background', 'Foreground', 'x', '']],
  ['orphanDependents', flags],
  ['container', ['c', 'x', '', '__proto__']],
  ['tailLines', numbers],
  ['sinceTime', ['x', '2026-01-01T00:00:00Z']],
  ['command', ['ls', '']],
  ['hash', ['x']],
  ['exclude', ['ping', 'x']],
  ['verbose', flags],
  ['__proto__', ['x']],
  ['', ['']],
]

function queryOf(method: string, path: string, dice: Dice): string {
  const pairs = Array.from({ length: dice.few(method === 'GET' ? 7 : 4) }, () => {
    const [key, values] = dice.one(parameters)
    return [key, dice.percent(95) ? dice.one(values) : JSON.stringify(hostileValue(dice))] as [string, string]
  })
  // Whatever it may write, it does not take away what the others need.
  if (method === 'DELETE' && !path.includes('?') && dice.percent(90)) pairs.push(['dryRun', 'All'])
  if (method === 'PATCH' && dice.percent(40)) pairs.push(['fieldManager', 'fuzz'], ['force', dice.one(['true', 'false'])])
  const query = new URLSearchParams(pairs.map(([key, value]) => [key, value.toWellFormed()] as [string, string])).toString()
  return dice.percent(3) ? `${query}&%zz=%&;&=&&a` : query
}

const accepts = [
  ...[
    'application/json',
    '*/*',
    protobufType,
    'application/yaml',
    'application/json;as=Table;v=v1;g=meta.k8s.io',
    'text/plain',
    '',
    ',',
    ';;;',
  ],
  ...['application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io', 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io'],
  ...[`${protobufType};as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json`, `${protobufType};as=Table;v=v1;g=meta.k8s.io`],
  ...['application/json;as=__proto__;v=v1;g=meta.k8s.io', 'constructor', '__proto__', 'application/yaml;as=Table;v=v1;g=meta.k8s.io'],
  ...[
    'application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io',
    'a,'.repeat(2_000),
    'application/json;q=0',
    `${protobufType};stream=watch`,
  ],
]
const contentTypes = [
  ...[
    '',
    'text/plain',
    'application/json; charset=latin1',
    'APPLICATION/JSON',
    'application/json-patch+json',
    'x',
    '+json',
    '/',
    'application/yaml',
  ],
  ...[
    'application/merge-patch+json',
    'application/apply-patch+yaml',
    'application/apply-patch+cbor',
    protobufType,
    'application/cbor',
    '__proto__',
  ],
]
const credentials = [
  ...[
    'Bearer x',
    'Bearer a.b.c',
    'Bearer ',
    'bearer',
    'Basic YTpi',
    'Bearer a b',
    `Bearer ${'x'.repeat(20_000)}`,
    'Negotiate',
    '',
    'Bearer \u00ff',
  ],
  ...[
    `Bearer ${token({ alg: 'none' })}.${token({ sub: 'x' })}.`,
    `Bearer ${token({ alg: 'ES256', kid: '__proto__' })}.${token({ iss: 'x', exp: 1e300 })}.AA`,
  ],
]
const users = [
  'someone',
  'system:anonymous',
  'system:node:n1',
  'system:serviceaccount:default:default',
  'system:serviceaccount:a:b:c',
  '',
  '\u00ff',
  '__proto__',
  ',',
]
const impersonations: readonly (readonly [string, readonly string[]])[] = [
  ['Impersonate-User', users],
  ['Impersonate-Group', ['system:masters', 'system:nodes', 'a,b', '', '__proto__']],
  ['Impersonate-Uid', ['x', '', '\u00e9']],
  ['Impersonate-Extra-scopes', ['a', '']],
  ['Impersonate-Extra-__proto__', ['a']],
  ['Impersonate-Extra-%zz', ['a']],
  ['Impersonate-Extra-', ['a']],
]

function headersOf(body: HostileBody | undefined, dice: Dice): [string, string][] {
  const headers: [string, string][] = []
  if (body) headers.push(['Content-Type', dice.percent(95) ? body.contentType : dice.one(contentTypes)])
  headers.push(['Accept', dice.percent(50) ? 'application/json' : dice.one(accepts)])
  headers.push(['User-Agent', dice.one(['fuzz/1', 'curl/8', '', 'x'.repeat(300), '\u00ff', 'kubectl/v1.36 (linux/amd64)'])])
  if (dice.percent(5)) headers.push(['Authorization', dice.one(credentials)])
  for (let i = dice.percent(8) ? 1 + dice.few(5) : 0; i > 0; i--) {
    const [name, values] = dice.one(impersonations)
    headers.push([name, dice.one(values)])
  }
  if (dice.percent(5)) headers.push(['Accept-Encoding', dice.one(['gzip', 'gzip;q=0', 'br', 'identity', 'x'])])
  if (dice.percent(2)) headers.push(['If-None-Match', dice.one(['*', '"x"', 'W/"x"', ','])])
  if (dice.percent(1)) headers.push([`X-${dice.one(['A', '__proto__', 'b'.repeat(500)])}`, 'x'.repeat(dice.one([1, 100, 60_000]))])
  if (dice.percent(1)) headers.push(['constructor', 'x'], ['__proto__', 'x'], ['toString', 'x'])
  return headers
}
