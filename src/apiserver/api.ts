import type { Kind } from '../api/kind.ts'
import { kindFor } from '../api/registry.ts'
import { type Clock, timestamp } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { ApiRequest } from '../machinery/api-request.ts'
import { isObject } from '../machinery/equality.ts'
import { badRequest, internalError, methodNotAllowed, pathNotFound, StatusError, serviceUnavailable, timeout } from '../machinery/status.ts'
import { StoreClosedError, UnavailableError, UnknownOutcomeError } from '../storage/store.ts'
import type { Access } from './access/access.ts'
import { reviewed } from './access/access-reviews.ts'
import { refusal } from './access/authorizer.ts'
import { tokenReviewed } from './access/token-review.ts'
import { type Answer, errorAnswer, objectAnswer } from './answer.ts'
import type { Auditor } from './audit/auditor.ts'
import { parsedBody } from './body.ts'
import type { Fairness, Flow } from './fairness/fairness.ts'
import type { ListSize } from './fairness/list-width.ts'
import { inTime, timeLeftMs } from './request-deadline.ts'
import type { RequestMetrics } from './request-metrics.ts'
import { isTrue, writeOptionsOf } from './request-options.ts'
import type { ResourceApi } from './resource-api.ts'
import { type ResourceRoute, type Route, routeOf } from './route.ts'
import { withSelection } from './selected-route.ts'
import { storedKindOf } from './served-form.ts'
import { bindings, tokenReviews, type VirtualResource, virtualResources } from './virtual-resources.ts'
import type { WatchCache } from './watch-cache.ts'
import { Watcher } from './watcher.ts'

interface Deps {
  readonly resources: ResourceApi
  readonly paths: (path: string, request: ApiRequest) => Promise<Answer>
  readonly cache: WatchCache
  readonly access: Access
  readonly clock: Clock
  readonly fairness: Fairness
  readonly metrics: RequestMetrics
  /** What a request has that asks for no less. */
  readonly requestTimeoutMs: number
  /** Undefined: nothing is told of requests. */
  readonly auditor: Auditor | undefined
  readonly log: Log
}

const retryAfterSeconds = 1

/** The API as a function: routes, authorizes, answers; errors become Status objects. Never throws. */
export class Api {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** By which requests are let in; the front end asks it who they are. */
  get access(): Access {
    return this.#deps.access
  }

  /** `note` hears to which flow the request belongs, before it is served. */
  async serve(request: ApiRequest, note: (flow: Flow) => void = () => {}): Promise<Answer> {
    const { metrics, auditor } = this.#deps
    const route = routeOf(request.method, request.path, isTrue(request.query.get('watch')))
    const counted = metrics.began(route, request)
    const answer = await (auditor ? this.#audited(auditor, route, request, note) : this.#answer(route, request, note))
    counted.answered('code' in answer ? answer.code : 200)
    if (answer.type === 'watch' && answer.events instanceof Watcher) answer.events.whenEnded(counted.goesOn())
    return answer
  }

  /** Answers a request that could not be read, or whose sender is not known. `credentials`: what they have tried. */
  refuse(request: ApiRequest, error: StatusError, credentials: string): Answer {
    const { metrics, auditor } = this.#deps
    const route = routeOf(request.method, request.path, isTrue(request.query.get('watch')))
    metrics.began(route, request).answered(error.code)
    const answer = errorAnswer(error)
    const record = auditor?.begin(withSelection(route, request.query), request)
    if (error.code === 401) record?.refused(401, `Authentication failed, ${credentials}`)
    else {
      record?.received()
      record?.answered(answer)
    }
    return answer
  }

  async #audited(auditor: Auditor, asked: Route, request: ApiRequest, note: (flow: Flow) => void): Promise<Answer> {
    const route = withSelection(asked, request.query)
    const record = auditor.begin(route, request)
    if (!record) return this.#answer(asked, request, note)
    record.received()
    const answer = await this.#answer(asked, { ...request, audit: record }, note)
    record.answered(answer)
    return answer.type === 'kubelet' || answer.type === 'proxy' ? { ...answer, audit: record } : answer
  }

  async #answer(route: Route, request: ApiRequest, note: (flow: Flow) => void): Promise<Answer> {
    try {
      const { clock, requestTimeoutMs } = this.#deps
      const leftMs = timeLeftMs(request, route, requestTimeoutMs, () => clock.now())
      if (leftMs === undefined) return await this.#inTurn(route, request, note)
      return await inTime(leftMs, clock, () => this.#inTurn(route, request, note))
    } catch (error) {
      return errorAnswer(this.#statusOf(error, request))
    }
  }

  #inTurn(route: Route, request: ApiRequest, note: (flow: Flow) => void): Promise<Answer> {
    const { fairness, paths } = this.#deps
    const flow = fairness.flowOf(request.user, route, this.#listSizeOf(route, request))
    if (flow) note(flow)
    // Watches give their seat back as soon as they have begun.
    return fairness.run(flow, request.signal, async () => {
      this.#authorize(withSelection(route, request.query), request)
      return route.type === 'path' ? paths(route.path, request) : this.#resource(route, request)
    })
  }

  #authorize(route: Route, { user, audit }: ApiRequest): void {
    const { authorizer } = this.#deps.access
    if (!audit) {
      authorizer.authorize(user, route)
      return
    }
    const isAllowed = authorizer.allows(user, route)
    audit.annotate('authorization.k8s.io/decision', isAllowed ? 'allow' : 'forbid')
    const reason = authorizer.reasonFor(user, route)
    audit.annotate('authorization.k8s.io/reason', reason)
    if (!isAllowed) throw refusal(user, route, reason || undefined)
  }

  /** Of what is read from state; a watch that goes on from a version has nothing to send yet. */
  #listSizeOf(route: Route, request: ApiRequest): ListSize | undefined {
    if (route.type === 'path' || route.name !== undefined) return undefined
    const since = request.query.get('resourceVersion') ?? ''
    const fromState = route.verb === 'list' || (route.verb === 'watch' && (since === '' || since === '0'))
    const kind = fromState ? kindFor(route.group, route.version, route.plural) : undefined
    if (!kind) return undefined
    const { size, bytes } = this.#deps.cache.kind(storedKindOf(kind))
    const limit = Math.max(0, Number(request.query.get('limit')) || 0)
    const selected = withSelection(route, request.query)
    return { objects: size, bytes, limit, isSingle: selected.type === 'resource' && selected.name !== undefined }
  }

  #resource(route: ResourceRoute, request: ApiRequest): Promise<Answer> {
    const kind: Kind | undefined = kindFor(route.group, route.version, route.plural)
    if (kind) return this.#deps.resources.handle(route, kind, request)
    const virtual = virtualResources.find(({ group, version, plural }) => {
      return route.plural === plural && route.group === group && route.version === version && route.name === undefined
    })
    if (!virtual || virtual.namespaced !== (route.namespace !== undefined)) throw pathNotFound()
    if (route.verb !== 'create') throw methodNotAllowed()
    if (virtual === bindings) return this.#deps.resources.bindByBody(route.namespace as string, request)
    return this.#review(virtual, route, request)
  }

  async #review(resource: VirtualResource, { namespace }: ResourceRoute, request: ApiRequest): Promise<Answer> {
    const { fieldValidation } = writeOptionsOf(request, 'CreateOptions')
    const parsed = await parsedBody(request, fieldValidation !== 'Ignore')
    if (!parsed) throw badRequest('the request has no body')
    if (!isObject(parsed.value)) throw badRequest('the body of the request is no object')
    const { access, clock } = this.#deps
    const strictness = { fieldValidation, duplicates: parsed.duplicates }
    if (resource === tokenReviews) {
      const { object, warnings } = await tokenReviewed(parsed.value, { ...strictness, verify: access.verifyToken.bind(access) })
      return objectAnswer(201, object, warnings)
    }
    const question = { user: request.user, namespace, authorizer: access.authorizer, time: timestamp(clock.now()), ...strictness }
    const { object, warnings } = reviewed(resource, parsed.value, question)
    return objectAnswer(201, object, warnings)
  }

  #statusOf(error: unknown, request: ApiRequest): StatusError {
    if (error instanceof StatusError) return error
    if (error instanceof StoreClosedError) return serviceUnavailable('the server is shutting down')
    if (error instanceof UnavailableError) return retryLater(serviceUnavailable(error.message))
    // Not to be tried again blindly, as clients do whenever they are told to come later: it may have taken place.
    if (error instanceof UnknownOutcomeError) return timeout(error.message)
    request.audit?.panicked((error as Error).message)
    this.#deps.log.error('request failed unexpectedly', {
      method: request.method,
      path: request.path,
      error,
      stack: (error as Error).stack,
    })
    return internalError((error as Error).message)
  }
}

/** As Kubernetes: a second later the store may answer again. */
function retryLater({ status }: StatusError): StatusError {
  return new StatusError({ ...status, details: { ...status.details, retryAfterSeconds } })
}
