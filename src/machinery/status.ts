import { type FieldError, faultsText } from './field-error.ts'
import { groupResource } from './group-version.ts'
import type { Status, StatusCause, StatusDetails } from './object.ts'

/**
 * An error of the API, with the status that Kubernetes defines for it
 * (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/).
 */
export class StatusError extends Error {
  readonly status: Status
  constructor(status: Status, options?: { cause?: unknown }) {
    super(status.message, options)
    this.name = 'StatusError'
    this.status = status
  }
  get code(): number {
    return this.status.code
  }
  get reason(): string {
    return this.status.reason ?? ''
  }
}

type Resource = { group: string; plural: string }

function failure(code: number, reason: string, message: string, details?: StatusDetails): StatusError {
  return new StatusError({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(details ? { details } : {}),
    code,
  })
}

const detailsOf = (resource: Resource, name: string): StatusDetails => ({
  ...(name ? { name } : {}),
  ...(resource.group ? { group: resource.group } : {}),
  kind: resource.plural,
})

export function notFound(resource: Resource, name: string): StatusError {
  return failure(404, 'NotFound', `${groupResource(resource)} "${name}" not found`, detailsOf(resource, name))
}

/** No such path or resource type. */
export function pathNotFound(): StatusError {
  return failure(404, 'NotFound', 'the server could not find the requested resource', {})
}

export function alreadyExists(resource: Resource, name: string): StatusError {
  return failure(409, 'AlreadyExists', `${groupResource(resource)} "${name}" already exists`, detailsOf(resource, name))
}

/** None of the names that were tried for an object that leaves its name to the server is free: others may be. */
export function generatedNameTaken(resource: Resource, name: string): StatusError {
  const message = `${groupResource(resource)} "${name}" already exists, the server was not able to generate a unique name for the object`
  return failure(409, 'AlreadyExists', message, { ...detailsOf(resource, name), retryAfterSeconds: 1 })
}

/** The object has changed since the caller read it, or a precondition does not hold. */
export function conflict(resource: Resource, name: string, why: string): StatusError {
  return failure(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${groupResource(resource)} "${name}": ${why}`,
    detailsOf(resource, name),
  )
}

export const objectModified = 'the object has been modified; please apply your changes to the latest version and try again'

/** `kind` is the object's kind: `Pod "web" is invalid: spec.containers: Required value`. */
export function invalid(kind: { group: string; kind: string }, name: string, errors: readonly FieldError[]): StatusError {
  const message = faultsText(errors)
  return failure(422, 'Invalid', `${kind.group ? `${kind.kind}.${kind.group}` : kind.kind} "${name}" is invalid: ${message}`, {
    name,
    ...(kind.group ? { group: kind.group } : {}),
    kind: kind.kind,
    causes: errors.map((error) => ({ reason: error.reason, message: error.message, field: error.field })),
  })
}

export function badRequest(message: string): StatusError {
  return failure(400, 'BadRequest', message)
}

export function unauthorized(): StatusError {
  return failure(401, 'Unauthorized', 'Unauthorized')
}

/** `why` follows the colon: `pods "web" is forbidden: why`. */
export function forbidden(resource: Resource, name: string, why: string): StatusError {
  const named = name ? `${groupResource(resource)} "${name}"` : groupResource(resource)
  return failure(403, 'Forbidden', `${named} is forbidden: ${why}`, detailsOf(resource, name))
}

/** A path that is no resource. `why` is all that follows `forbidden: `. */
export function forbiddenPath(why: string): StatusError {
  return failure(403, 'Forbidden', `forbidden: ${why}`, {})
}

/** Server-side apply would take fields from their managers: a cause for each. */
export function applyConflicts(message: string, causes: StatusCause[]): StatusError {
  return failure(409, 'Conflict', message, { causes })
}

export function methodNotAllowed(message = 'the server does not allow this method on the requested resource'): StatusError {
  return failure(405, 'MethodNotAllowed', message, {})
}

export function notAcceptable(accepted: string): StatusError {
  return failure(406, 'NotAcceptable', `only the following media types are accepted: ${accepted}`)
}

export function unsupportedMediaType(accepted: string): StatusError {
  return failure(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
  )
}

/** A list or watch from a revision whose history is gone. */
export function expired(message: string): StatusError {
  return failure(410, 'Expired', message)
}

export function requestEntityTooLarge(message: string): StatusError {
  return failure(413, 'RequestEntityTooLarge', `Request entity too large: ${message}`)
}

export function tooManyRequests(message: string, retryAfterSeconds: number): StatusError {
  return failure(429, 'TooManyRequests', message, { retryAfterSeconds })
}

export function internalError(message: string): StatusError {
  return failure(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] })
}

export function serviceUnavailable(message: string): StatusError {
  return failure(503, 'ServiceUnavailable', message)
}

/** A wait of the server's own ran out. */
export function timeout(message: string): StatusError {
  return failure(504, 'Timeout', `Timeout: ${message}`, {})
}

export function isStatus(error: unknown, reason: string): error is StatusError {
  return error instanceof StatusError && error.status.reason === reason
}
export const isNotFound = (error: unknown): error is StatusError => isStatus(error, 'NotFound')
export const isConflict = (error: unknown): error is StatusError => isStatus(error, 'Conflict')
export const isAlreadyExists = (error: unknown): error is StatusError => isStatus(error, 'AlreadyExists')
/** The history a watch asked for is gone: list anew. Old servers say Gone, newer ones Expired. */
export const isExpired = (error: unknown): error is StatusError => isStatus(error, 'Expired') || isStatus(error, 'Gone')
