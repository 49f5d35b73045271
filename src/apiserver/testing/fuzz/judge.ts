import { parse } from 'yaml'
import { schemaOf } from '../../../api/schema.ts'
import { isObject } from '../../../machinery/equality.ts'
import { decodeProtobuf } from '../../protobuf-body.ts'
import type { HostileRequest } from './hostile-requests.ts'
import type { RawAnswer } from './raw-connection.ts'

/** What others answer. */
const elsewhere = /\/(?:proxy|log|exec|attach|portforward)(?:\/|$|\?)/
/** Documents that are no objects of the API. */
const plainDocuments = /^\/+(?:version|openapi|openid|\.well-known)(?:\/|$|\?)/

/** What is wrong with an answer, in words; undefined: nothing. */
export function faultOf({ method, target }: HostileRequest, { code, headers, body }: RawAnswer): string | undefined {
  // Upstream's 504 for a resourceVersion that is yet to come; 503 where nothing stands behind a Service, or a pod has no node.
  if (code >= 500 && code !== 504 && !(code === 503 && elsewhere.test(target))) return `answered ${code}: ${body}`
  if (!(code >= 200 && code < 600)) return `answered ${code}`
  // HTTP itself was broken: such is answered by Node, and the connection ended.
  if ((code === 400 || code === 431) && headers.get('connection') === 'close') return undefined
  const type = headers.get('content-type') ?? ''
  if (body === undefined) return code === 200 && headers.get('transfer-encoding') === 'chunked' ? undefined : 'an answer without an end'
  if (method === 'HEAD' || code === 304 || code === 301) return undefined
  const object = objectOf(type, body, code)
  if (typeof object === 'string') return code < 400 && type.startsWith('text/plain') ? undefined : object
  if (code < 400) {
    if (plainDocuments.test(target) || target === '/' || target.startsWith('/?')) return undefined
    return typeof object.kind === 'string' && object.kind !== '' ? undefined : `an answer without a kind: ${body}`
  }
  const { kind, status, reason, message } = object
  if (kind !== 'Status' || status !== 'Failure') return `no Status: ${body}`
  if (typeof message !== 'string' || message === '') return `a Status without a message: ${body}`
  if (typeof reason !== 'string' || reason === '') return `a Status without a reason: ${body}`
  return Number(object.code) === code ? undefined : `a Status of code ${object.code} with ${code}`
}

/** What the body holds, or what is wrong with it. */
function objectOf(type: string, body: Buffer, code: number): Record<string, unknown> | string {
  try {
    if (type.startsWith('application/json')) return objectOr(JSON.parse(body.toString()))
    if (type.startsWith('application/yaml')) return objectOr(parse(body.toString(), { version: '1.1', maxAliasCount: -1 }))
    if (!type.startsWith('application/vnd.kubernetes.protobuf')) return `an answer of type ${type}`
    if (code >= 400) return decodeProtobuf(body, () => schemaOf('Status'))
    return body.toString('latin1', 0, 4) === 'k8s\0' ? { kind: 'unread' } : 'no envelope of Kubernetes'
  } catch (error) {
    return `${(error as Error).message} in ${body.toString().slice(0, 500)}`
  }
}

const objectOr = (value: unknown): Record<string, unknown> | string => (isObject(value) ? value : 'an answer that is no object')
