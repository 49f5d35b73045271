import { type Clock, microTimestamp } from '../../host/clock.ts'
import type { ApiRequest, AuditTrail, UserInfo } from '../../machinery/api-request.ts'
import { isObject } from '../../machinery/equality.ts'
import type { Status } from '../../machinery/object.ts'
import type { Answer, ForwardedAudit } from '../answer.ts'
import { jsonBytes } from '../answer-bytes.ts'
import { isLongRunning, type ResourceRoute, type Route } from '../route.ts'
import { Watcher } from '../watcher.ts'
import type { AuditLog, LateLine } from './audit-log.ts'
import type { AuditDecision, AuditStage } from './audit-policy.ts'
import { withoutManagedFields } from './managed-fields.ts'

interface Deps {
  readonly log: AuditLog
  readonly clock: Clock
  /** For requests of components in this process, which bring none. */
  readonly newId: () => string
}

type ResponseStatus = Partial<Status>

const maxUserAgent = 1024
/** One request, as it is told stage by stage. */
export class AuditRecord implements AuditTrail, ForwardedAudit {
  readonly #deps: Deps
  readonly #decision: AuditDecision
  readonly #route: Route
  readonly #request: ApiRequest
  readonly #id: string
  readonly #receivedMs: number
  readonly #annotations: Record<string, string> = {}
  #reference: Record<string, string> | undefined
  #requestJson: string | undefined
  #begun = false
  #done = false
  #status: ResponseStatus | undefined

  constructor(decision: AuditDecision, route: Route, request: ApiRequest, deps: Deps) {
    this.#decision = decision
    this.#route = route
    this.#request = request
    this.#deps = deps
    this.#id = request.origin?.auditId ?? deps.newId()
    this.#receivedMs = request.origin?.receivedMs ?? deps.clock.now()
    this.#reference = route.type === 'resource' ? referenceOf(route) : undefined
  }

  /** The first that is said of something stands. */
  annotate(key: string, value: string): void {
    this.#annotations[key] ??= value
  }

  requestObject(value: unknown, isPatch: boolean): void {
    if (this.#route.type !== 'resource') return
    if (!isPatch && isObject(value) && isObject(value.metadata)) this.#refer(value.metadata)
    if (this.#decision.level !== 'Request' && this.#decision.level !== 'RequestResponse') return
    // Now: the request's own work may change it.
    this.#requestJson = JSON.stringify(this.#decision.omitManagedFields && !isPatch ? withoutManagedFields(value) : value)
  }

  /** What the request's address leaves open, its body says. */
  #refer(metadata: Readonly<Record<string, unknown>>): void {
    const reference = { ...this.#reference }
    for (const field of ['namespace', 'name', 'uid', 'resourceVersion']) {
      const value = metadata[field]
      if (reference[field] === undefined && typeof value === 'string' && value) reference[field] = value
    }
    this.#reference = inOrder(reference)
  }

  received(): void {
    this.#tell('RequestReceived', this.#receivedMs)
  }

  /** The server has its answer; what others answer is told by {@link started} and {@link completed}. */
  answered(answer: Answer): void {
    if (answer.type === 'kubelet' || answer.type === 'proxy') return
    if (answer.type === 'watch') {
      this.started(200)
      if (answer.events instanceof Watcher) answer.events.whenEnded(() => this.completed())
      return
    }
    const shown = answer.type === 'object' ? answer.object : undefined
    this.#status = answer.type === 'object' ? statusOf(answer.object, answer.code) : { metadata: {}, code: answer.code }
    if (isLongRunning(this.#route)) this.#begin()
    this.#complete(shown)
  }

  started(code: number): void {
    this.#status ??= { metadata: {}, code }
    this.#begin()
  }

  completed(): void {
    this.#status ??= { metadata: {}, status: 'Success', message: 'Connection closed early', code: 200 }
    if (isLongRunning(this.#route)) this.#begin()
    this.#complete(undefined)
  }

  /** Credentials that are not good: what was tried is all that there is to tell. */
  refused(code: number, message: string): void {
    this.#status = { metadata: {}, message, code }
    this.#begin()
  }

  /** The server itself has failed. */
  panicked(message: string): void {
    this.#status = { metadata: {}, status: 'Failure', message: `APIServer panic'd: ${message}`, reason: 'InternalError', code: 500 }
    this.#done = true
    this.#tell('Panic', this.#deps.clock.now())
  }

  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.#tell('ResponseStarted', this.#deps.clock.now())
  }

  #complete(object: object | undefined): void {
    if (this.#done) return
    this.#done = true
    this.#tell('ResponseComplete', this.#deps.clock.now(), object)
  }

  #tell(stage: AuditStage, stageMs: number, object?: object): void {
    if (!this.#decision.omitStages.has(stage)) this.#deps.log.add(this.#line(stage, stageMs, object))
  }

  /** Everything that may still change is taken now; what takes long is done when it is written. */
  #line(stage: AuditStage, stageMs: number, object: object | undefined): LateLine {
    const { user, userAgent, origin } = this.#request
    const head = {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: this.#decision.level,
      auditID: this.#id,
      stage,
      requestURI: origin?.uri ?? uriOf(this.#request),
      verb: this.#route.verb,
      user: userShown(origin?.impersonator ?? user),
      impersonatedUser: origin?.impersonator && userShown(user),
      sourceIPs: origin ? origin.sourceIps() : ['::1'],
      userAgent: userAgent.length > maxUserAgent ? `${userAgent.slice(0, maxUserAgent)}...TRUNCATED` : userAgent || undefined,
      objectRef: this.#reference,
      responseStatus: this.#status,
    }
    const annotations = Object.keys(this.#annotations).length > 0 ? { ...this.#annotations } : undefined
    const requestJson = this.#requestJson
    const shown = this.#decision.level === 'RequestResponse' && this.#route.type === 'resource' ? object : undefined
    const { omitManagedFields } = this.#decision
    return () => {
      const tail = { requestReceivedTimestamp: microTimestamp(this.#receivedMs), stageTimestamp: microTimestamp(stageMs), annotations }
      const response = shown && (omitManagedFields ? JSON.stringify(withoutManagedFields(shown)) : jsonBytes(shown).toString())
      const bodies = `${requestJson === undefined ? '' : `,"requestObject":${requestJson}`}${response ? `,"responseObject":${response}` : ''}`
      return `${JSON.stringify(head).slice(0, -1)}${bodies},${JSON.stringify(tail).slice(1)}\n`
    }
  }
}

function uriOf({ path, query }: ApiRequest): string {
  const asked = query.toString()
  return asked ? `${path}?${asked}` : path
}

function userShown({ name, uid, groups, extra }: UserInfo): object {
  return {
    ...(name ? { username: name } : {}),
    ...(uid ? { uid } : {}),
    ...(groups.length > 0 ? { groups } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  }
}

function referenceOf({ plural, namespace, name, group, version, subresource }: ResourceRoute): Record<string, string> {
  return inOrder({ resource: plural, namespace, name, apiGroup: group, apiVersion: version, subresource })
}

const referenceFields = ['resource', 'namespace', 'name', 'uid', 'apiGroup', 'apiVersion', 'resourceVersion', 'subresource']

function inOrder(reference: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(referenceFields.flatMap((field) => (reference[field] ? [[field, reference[field]]] : [])))
}

/** A Status is told as it is; of anything else, that it was given. */
function statusOf(object: object, code: number): ResponseStatus {
  const { kind, apiVersion, status, message, reason, details } = object as Status
  if (kind !== 'Status' || apiVersion !== 'v1') return { metadata: {}, code }
  return { metadata: {}, status, ...(message ? { message } : {}), ...(reason ? { reason } : {}), ...(details ? { details } : {}), code }
}
