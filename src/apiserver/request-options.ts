import type { ApiRequest, AuditTrail, UserInfo } from '../machinery/api-request.ts'
import { type FieldError, invalidValue, notSupported, tooLong } from '../machinery/field-error.ts'
import { badRequest, invalid } from '../machinery/status.ts'

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

export interface WriteOptions {
  readonly user: UserInfo
  readonly dryRun: boolean
  readonly fieldValidation: FieldValidation
  readonly fieldManager: string
  readonly force: boolean
  /** Undefined: nothing is told of this request. */
  readonly audit: AuditTrail | undefined
}

export type Propagation = 'Orphan' | 'Background' | 'Foreground'

export interface DeleteRequest {
  readonly user: UserInfo
  readonly dryRun: boolean
  readonly gracePeriodSeconds: number | undefined
  readonly propagation: Propagation | undefined
  /** Absent: nothing is told of this request. */
  readonly audit?: AuditTrail | undefined
  readonly uid: string | undefined
  readonly resourceVersion: string | undefined
  /** Admission has judged already what leads to it: an eviction. */
  readonly isJudged?: true
}

export interface ReadOptions {
  readonly sendInitialEvents: boolean | undefined
  readonly resourceVersion: string
  readonly resourceVersionMatch: string
  readonly limit: number
  readonly continue: string
  readonly labelSelector: string
  readonly fieldSelector: string
}

export interface WatchOptions extends ReadOptions {
  readonly bookmarks: boolean
  readonly timeoutSeconds: number | undefined
}

const metaGroup = 'meta.k8s.io'
const fieldValidations: readonly string[] = ['', 'Ignore', 'Strict', 'Warn']
const longestManager = 128
const propagations: readonly string[] = ['Foreground', 'Background', 'Orphan']

/**
 * A flag of a query: on unless it is absent, `false` in any case or `0`. Python's client writes `True`.
 */
export function isTrue(text: string | null): boolean {
  return text !== null && text !== '0' && text.toLowerCase() !== 'false'
}

/** What no manager's name may hold: all that does not print. */
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu

/** The manager that a client doesn't name is the program's own name, up to its version: `kubectl/v1.36 (...)`. */
function managerOf(request: ApiRequest): string {
  const named = request.query.get('fieldManager')
  if (named) return named
  const program = (request.userAgent.split('/')[0] ?? '').replace(unprintable, '')
  return Buffer.from(program)
    .subarray(0, longestManager)
    .toString()
    .replace(/\uFFFD+$/, '')
}

function dryRunOf(values: readonly unknown[], faults: FieldError[]): boolean {
  if (values.some((value) => value !== 'All')) faults.push(notSupported('dryRun', values, ['All']))
  return values.length > 0
}

function managerFaults(manager: string): FieldError[] {
  const faults = Buffer.byteLength(manager) > longestManager ? [tooLong('fieldManager', longestManager)] : []
  for (const { 0: character, index } of manager.matchAll(unprintable)) {
    const code = (character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')
    const at = Buffer.byteLength(manager.slice(0, index))
    faults.push(invalidValue('fieldManager', manager, `invalid character U+${code} (at position ${at})`))
  }
  return faults
}

/** `kind` names the options in a refusal: CreateOptions, UpdateOptions, PatchOptions. */
export function writeOptionsOf(request: ApiRequest, kind: string): WriteOptions {
  const faults: FieldError[] = []
  const dryRun = dryRunOf(request.query.getAll('dryRun'), faults)
  const validation = request.query.get('fieldValidation') || 'Warn'
  if (!fieldValidations.includes(validation)) faults.push(notSupported('fieldValidation', validation, fieldValidations))
  const fieldManager = managerOf(request)
  faults.push(...managerFaults(fieldManager))
  if (faults.length > 0) throw invalid({ group: metaGroup, kind }, '', faults)
  return {
    user: request.user,
    dryRun,
    fieldValidation: validation as FieldValidation,
    fieldManager,
    force: isTrue(request.query.get('force')),
    audit: request.audit,
  }
}

/** Of a query. Throws BadRequest. */
function queryInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^[-+]?\d{1,15}$/.test(text)) {
    const why = /^[-+]?\d+$/.test(text) ? 'value out of range' : 'invalid syntax'
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: ${why}`)
  }
  return Number(text)
}

function integerOf(value: unknown, name: string): number | undefined {
  if (value === null || value === undefined || value === '') return undefined
  const number = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isInteger(number)) {
    throw badRequest(`${name}: Invalid value: ${JSON.stringify(value)}: must be an integer`)
  }
  return number
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined)

/** From the body where there is one, else from the query. */
export function deleteRequestOf(request: ApiRequest, body: Readonly<Record<string, unknown>> | undefined): DeleteRequest {
  const { query } = request
  const faults: FieldError[] = []
  const dryRun = [...query.getAll('dryRun'), ...(Array.isArray(body?.dryRun) ? body.dryRun : [])]
  const preconditions = (body?.preconditions ?? {}) as Record<string, unknown>
  let propagation = textOf(body?.propagationPolicy) ?? textOf(query.get('propagationPolicy'))
  const orphans = body?.orphanDependents ?? query.get('orphanDependents')
  if (orphans !== null && orphans !== undefined) {
    if (propagation)
      faults.push(invalidValue('propagationPolicy', propagation, 'orphanDependents and deletionPropagation cannot be both set'))
    propagation = orphans === true || orphans === 'true' ? 'Orphan' : 'Background'
  }
  if (propagation && !propagations.includes(propagation))
    faults.push(notSupported('propagationPolicy', propagation, [...propagations, 'nil']))
  const isDry = dryRunOf(dryRun, faults)
  if (faults.length > 0) throw invalid({ group: metaGroup, kind: 'DeleteOptions' }, '', faults)
  return {
    user: request.user,
    dryRun: isDry,
    audit: request.audit,
    gracePeriodSeconds: integerOf(body?.gracePeriodSeconds ?? query.get('gracePeriodSeconds'), 'gracePeriodSeconds'),
    propagation: propagation as Propagation | undefined,
    uid: textOf(preconditions.uid),
    resourceVersion: textOf(preconditions.resourceVersion),
  }
}

export function readOptionsOf({ query }: ApiRequest): ReadOptions {
  return {
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
    // As upstream: less than none is none.
    limit: Math.max(0, queryInteger(query, 'limit') ?? 0),
    continue: query.get('continue') ?? '',
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    sendInitialEvents: query.has('sendInitialEvents') ? isTrue(query.get('sendInitialEvents')) : undefined,
  }
}

export function watchOptionsOf(request: ApiRequest): WatchOptions {
  const { query } = request
  return {
    ...withInitialEvents(readOptionsOf(request)),
    bookmarks: isTrue(query.get('allowWatchBookmarks')),
    timeoutSeconds: queryInteger(query, 'timeoutSeconds'),
  }
}

/** A watch from no version in particular has always begun with what is there. */
function withInitialEvents(options: ReadOptions): ReadOptions {
  const { sendInitialEvents, resourceVersion, resourceVersionMatch } = options
  if (sendInitialEvents !== undefined || resourceVersionMatch !== '' || (resourceVersion !== '' && resourceVersion !== '0')) return options
  return { ...options, sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
}

const largestRevision = 2n ** 64n - 1n

/** A resourceVersion as a number; the fault of one that no server has given out. '' and '0' are 0. */
export function revisionOf(resourceVersion: string): number | FieldError {
  if (resourceVersion === '') return 0
  const fault = (why: string): FieldError =>
    invalidValue('resourceVersion', resourceVersion, `strconv.ParseUint: parsing ${JSON.stringify(resourceVersion)}: ${why}`)
  if (!/^\d+$/.test(resourceVersion)) return fault('invalid syntax')
  return BigInt(resourceVersion) > largestRevision ? fault('value out of range') : Number(resourceVersion)
}
