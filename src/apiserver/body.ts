import type { Kind } from '../api/kind.ts'
import { hasType, schemaOf } from '../api/schema.ts'
import type { ApiRequest } from '../machinery/api-request.ts'
import { decodeObject, type FieldValidation } from '../machinery/decode.ts'
import { isObject } from '../machinery/equality.ts'
import { apiVersionOf, splitApiVersion } from '../machinery/group-version.ts'
import type { KubeObject } from '../machinery/object.ts'
import { defaultBodyLimits, mediaType, type ParsedBody, parseBody } from '../machinery/parse-body.ts'
import { badRequest } from '../machinery/status.ts'
import { protobufType } from './negotiation.ts'

/** The body as a value, whether it came as bytes or, in process, as an object. */
export async function parsedBody(request: ApiRequest, findDuplicates: boolean, kind?: Kind): Promise<ParsedBody | undefined> {
  const parsed = await parsedUntold(request, findDuplicates, kind)
  if (parsed) request.audit?.requestObject(parsed.value, request.method === 'PATCH')
  return parsed
}

async function parsedUntold(request: ApiRequest, findDuplicates: boolean, kind?: Kind): Promise<ParsedBody | undefined> {
  const { body } = request
  if (body === undefined) return undefined
  if (!(body instanceof Uint8Array)) return { value: body, duplicates: [] }
  if (body.byteLength === 0) return undefined
  if (mediaType(request.contentType) === protobufType) return { value: await fromProtobuf(body, kind), duplicates: [] }
  return parseBody(body, request.contentType, { limits: defaultBodyLimits, findDuplicates })
}

/** A body whose fields its handler reads one by one: options, bindings, scales. */
export async function plainBody(request: ApiRequest): Promise<Readonly<Record<string, unknown>> | undefined> {
  const parsed = await parsedBody(request, false)
  if (parsed === undefined) return undefined
  if (!isObject(parsed.value)) throw badRequest('the body of the request is no object')
  return parsed.value
}

/** Reads an object of this kind; it is the caller's own. What the body doesn't say of its kind, the path says. */
export async function readObject(
  request: ApiRequest,
  kind: Kind,
  fieldValidation: FieldValidation,
): Promise<{ object: KubeObject; warnings: readonly string[] }> {
  const parsed = await parsedBody(request, fieldValidation !== 'Ignore', kind)
  if (parsed === undefined) throw badRequest('the request has no body')
  return decodeAs(kind, parsed.value, { fieldValidation, duplicates: parsed.duplicates })
}

/** Makes an object of this kind of a value. `patch`: what made the value, for the words of errors. */
export function decodeAs(
  kind: Kind,
  value: unknown,
  options: { fieldValidation: FieldValidation; duplicates?: readonly string[]; patch?: unknown },
): { object: KubeObject; warnings: readonly string[] } {
  if (isObject(value)) checkKind(kind, value)
  const { object, warnings } = decodeObject<KubeObject>(kind.schema, value, options)
  object.apiVersion = apiVersionOf(kind)
  object.kind = kind.kind
  object.metadata ??= {} as KubeObject['metadata']
  return { object, warnings }
}

/** Options, bindings and the like are read by the type that the body names; objects by their kind. */
async function fromProtobuf(body: Uint8Array, kind: Kind | undefined): Promise<unknown> {
  const { decodeProtobuf } = await import('./protobuf-body.ts')
  return decodeProtobuf(body, (apiVersion, name) => {
    if (kind && (name === '' || name === kind.kind)) return kind.schema
    const type = [name, typeNameIn(apiVersion, name)].find(hasType)
    if (type === undefined) throw badRequest(`no kind ${JSON.stringify(name)} is registered`)
    return schemaOf(type)
  })
}

/** `AuthenticationV1TokenRequest`: how a type is called whose name another group has too. */
function typeNameIn(apiVersion: string, name: string): string {
  const { group, version } = splitApiVersion(apiVersion)
  const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1)
  return `${capital(group.split('.')[0] || 'core')}${capital(version)}${name}`
}

/** Throws BadRequest for a body that says it is of another kind. */
export function checkKind(kind: Kind, value: Readonly<Record<string, unknown>>): void {
  const expected = apiVersionOf(kind)
  const apiVersion = typeof value.apiVersion === 'string' && value.apiVersion ? value.apiVersion : expected
  const name = typeof value.kind === 'string' && value.kind ? value.kind : kind.kind
  if (name !== kind.kind) {
    const { group, version } = splitApiVersion(apiVersion)
    throw badRequest(
      `${name} in version ${JSON.stringify(version)} cannot be handled as a ${kind.kind}: the request is for ${kind.kind} in group ${JSON.stringify(kind.group)}, the body holds ${name} in group ${JSON.stringify(group)}`,
    )
  }
  if (apiVersion !== expected) {
    throw badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${expected})`)
  }
}
