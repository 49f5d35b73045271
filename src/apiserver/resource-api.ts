import { withDisruptionTarget } from '../api/core/disruption-target.ts'
import type { EndpointSlice, Node, Pod, PodDisruptionBudget, Service, ServiceAccount } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import { endpointSlices, nodes, podDisruptionBudgets, pods } from '../api/registry.ts'
import { schemaOf } from '../api/schema.ts'
import { type Clock, timestamp } from '../host/clock.ts'
import type { Random } from '../host/random.ts'
import type { ApiRequest, ApiResponse } from '../machinery/api-request.ts'
import { deepCopy, isObject } from '../machinery/equality.ts'
import type { KubeObject } from '../machinery/object.ts'
import { badRequest, isNotFound, methodNotAllowed, pathNotFound } from '../machinery/status.ts'
import { type Access, boundObjectsIn } from './access/access.ts'
import { answerTokenRequest } from './access/token-request.ts'
import type { Admission } from './admission/admission.ts'
import { bodyForm, connectionForm, type RequestForm } from './admission/request-form.ts'
import { type Answer, objectAnswer, textAnswer } from './answer.ts'
import { plainBody } from './body.ts'
import type { CachedObject } from './cached-object.ts'
import { type ComponentStatuses, componentStatusKind } from './component-statuses.ts'
import { checkPreconditions } from './deletion.ts'
import { evictionStep, takeDisruption } from './eviction.ts'
import { kubeletRequestOf } from './kubelet-request.ts'
import { negotiate } from './negotiation.ts'
import type { Place } from './objects.ts'
import { patchedObject, patchedValue, readPatch } from './patching.ts'
import { bind, bindingTargetOf, success } from './pod-subresources.ts'
import type { UpdatedPart } from './prepare.ts'
import { type Presentation, presentationOf } from './presentation.ts'
import { nodeTarget, parseProxyName, pathBehindProxy, podTarget, serviceTarget } from './proxying/proxy-target.ts'
import type { Reads } from './reads.ts'
import { type DeleteRequest, deleteRequestOf, readOptionsOf, type WriteOptions, watchOptionsOf, writeOptionsOf } from './request-options.ts'
import type { ResourceRoute } from './route.ts'
import { applyScale, scaleOf, scaleShown } from './scale.ts'
import { inForm, readStored, storedKindOf } from './served-form.ts'
import type { WatchCache } from './watch-cache.ts'
import type { UpdateOptions, Writes } from './writes.ts'

interface Deps {
  readonly admission: Admission
  readonly reads: Reads
  readonly writes: Writes
  readonly cache: WatchCache
  readonly access: Access
  readonly components: ComponentStatuses
  readonly clock: Clock
  readonly random: Random
}

/** One request for a resource, on its way: what all its handlers need. */
interface Call {
  readonly route: ResourceRoute
  /** As which the objects are stored. */
  readonly kind: Kind
  /** As which they are asked for; most often the same. */
  readonly served: Kind
  readonly request: ApiRequest
  readonly show: Presentation
}

const anyPod = pods as unknown as Kind
/** Kinds that answer a deletion with the object that is gone; the others with a Status. */
const returnsDeleted = new Set([
  'csidrivers',
  'csinodes',
  'persistentvolumeclaims',
  'persistentvolumes',
  'pods',
  'podtemplates',
  'resourcequotas',
  'serviceaccounts',
  'services',
  'storageclasses',
  'volumeattachments',
  'volumeattributesclasses',
])
const streamed = new Set(['log', 'exec', 'attach', 'portforward'])

/** Every verb of every kind: written once. */
export class ResourceApi {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  async handle(route: ResourceRoute, kind: Kind, request: ApiRequest): Promise<Answer> {
    if (!kind.namespaced && route.namespace !== undefined) throw pathNotFound()
    if (kind.namespaced && route.namespace === undefined && (route.name !== undefined || !'list watch'.includes(route.verb))) {
      if (route.verb === 'create') throw badRequest('an empty namespace may not be set during creation')
      throw pathNotFound()
    }
    const { as } = negotiate(request.accept)
    const shown = route.subresource === 'scale' ? scaleShown : kind
    const show = presentationOf(shown, as, request.query.get('includeObject'), () => this.#deps.clock.now())
    if (route.subresource === undefined && kind.verbs && !kind.verbs.includes(route.verb)) throw methodNotAllowed()
    const call = { route, kind: storedKindOf(kind), served: kind, request, show: kind.storedAs ? inForm(kind, kind.storedAs, show) : show }
    const answer = await (route.subresource === undefined ? this.#object(call) : this.#subresource(call, route.subresource))
    if (kind.deprecation === undefined || answer.type !== 'object') return answer
    return { ...answer, warnings: [kind.deprecation, ...answer.warnings] }
  }

  #object(call: Call): Promise<Answer> {
    const { route } = call
    if (call.kind === componentStatusKind) return this.#component(call)
    const isNamed = route.name !== undefined
    switch (route.verb) {
      case 'get':
        return this.#get(call)
      case 'list':
        return this.#list(call)
      case 'watch':
        return this.#watch(call)
      case 'create':
        if (isNamed) throw methodNotAllowed()
        return this.#create(call)
      case 'update':
        if (!isNamed) throw methodNotAllowed()
        return this.#update(call, undefined)
      case 'patch':
        if (!isNamed) throw methodNotAllowed()
        return this.#patch(call, undefined)
      case 'delete':
        return this.#delete(call)
      case 'deletecollection':
        return this.#deleteCollection(call)
    }
  }

  async #component({ route, request, show }: Call): Promise<ApiResponse> {
    const { components } = this.#deps
    if (route.name !== undefined) return objectAnswer(200, show.one(await components.get(route.name)))
    const found = await components.list(readOptionsOf(request))
    return objectAnswer(200, show.list({ items: found.map((object) => ({ object })), metadata: {} }))
  }

  #subresource(call: Call, subresource: string): Promise<Answer> {
    const { kind } = call
    if (subresource === 'status' && kind.hasStatus) return this.#part(call, 'status')
    if (subresource === 'scale' && kind.scale) return this.#scale(call)
    const declared = kind.subresources.find((one) => one.name === subresource)
    if (!declared) throw pathNotFound()
    if (!declared.verbs.includes(call.route.verb)) throw methodNotAllowed()
    if (subresource === 'ephemeralcontainers' || subresource === 'resize') return this.#part(call, subresource)
    if (subresource === 'finalize') return this.#finalize(call)
    if (subresource === 'approval') return this.#part(call, 'approval')
    if (subresource === 'binding') return this.#bind(call)
    if (subresource === 'eviction') return this.#evict(call)
    if (subresource === 'token') return this.#token(call)
    if (subresource === 'proxy') return this.#proxy(call)
    if (streamed.has(subresource)) return this.#kubelet(call, subresource)
    throw pathNotFound()
  }

  async #get(call: Call): Promise<ApiResponse> {
    const item = await this.#deps.reads.get(placeOf(call), call.request.query.get('resourceVersion') ?? '')
    return itemAnswer(200, item, call.show)
  }

  async #list({ route, kind, request, show }: Call): Promise<ApiResponse> {
    const { items, metadata } = await this.#deps.reads.list(kind, route.namespace, readOptionsOf(request))
    return objectAnswer(200, show.list({ items, metadata }))
  }

  async #watch({ route, kind, request, show }: Call): Promise<ApiResponse> {
    const place = { kind, namespace: route.namespace }
    return { type: 'watch', events: await this.#deps.reads.watch(place, watchOptionsOf(request), show.form, request.signal) }
  }

  async #create({ route, kind, served, request, show }: Call): Promise<ApiResponse> {
    const options = writeOptionsOf(request, 'CreateOptions')
    const { object, warnings } = await readStored(request, served, options.fieldValidation)
    checkNamespace(kind, route.namespace, object)
    const to = writeTo(undefined, options)
    const item = await this.#deps.writes.create(kind, route.namespace, object, to)
    return itemAnswer(201, item, show, [...warnings, ...to.warnings])
  }

  async #update(call: Call, subresource: UpdatedPart | undefined): Promise<ApiResponse> {
    const { served, request, show } = call
    const options = writeOptionsOf(request, 'UpdateOptions')
    const { object, warnings } = await readStored(request, served, options.fieldValidation)
    const place = placeOf(call)
    checkName(place, object)
    const to = writeTo(subresource, options)
    const item = await this.#deps.writes.update(place, to, () => deepCopy(object))
    return itemAnswer(200, item, show, [...warnings, ...to.warnings])
  }

  async #patch(call: Call, subresource: UpdatedPart | undefined): Promise<ApiResponse> {
    const { kind, served, request, show } = call
    const options = { ...writeOptionsOf(request, 'PatchOptions'), subresource, time: timestamp(this.#deps.clock.now()) }
    const patch = await readPatch(request, options)
    const place = placeOf(call)
    let warnings: readonly string[] = []
    const change = (current: KubeObject | undefined): KubeObject => {
      const patched = patchedObject(served, patch, current, options)
      warnings = patched.warnings
      checkName(place, patched.object)
      return patched.object
    }
    const { writes } = this.#deps
    const to = writeTo(subresource, options, patch.type)
    const update = (): Promise<CachedObject> => writes.update(place, to, (current) => change(current.object))
    const answer = (code: number, item: CachedObject): ApiResponse => itemAnswer(code, item, show, [...warnings, ...to.warnings])
    if (patch.type !== 'apply' || subresource !== undefined) return answer(200, await update())
    const { item, created } = await writes.updateOrCreate(update, () => writes.create(kind, place.namespace, change(undefined), to))
    return answer(created ? 201 : 200, item)
  }

  #part(call: Call, part: UpdatedPart): Promise<ApiResponse> {
    switch (call.route.verb) {
      case 'get':
        return this.#get(call)
      case 'update':
        return this.#update(call, part)
      case 'patch':
        return this.#patch(call, part)
      default:
        throw methodNotAllowed()
    }
  }

  #finalize(call: Call): Promise<ApiResponse> {
    if (call.route.verb !== 'update') throw methodNotAllowed()
    return this.#update(call, 'finalize')
  }

  async #delete(call: Call): Promise<ApiResponse> {
    const { kind, request, show } = call
    const place = placeOf(call)
    const asked = deleteRequestOf(request, await plainBody(request))
    const warnings = kind.plural === 'jobs' && asked.propagation === undefined ? [podsStay] : []
    const { item, removed } = await this.#deps.writes.delete(place, withDefaultOf(kind, asked))
    if (!removed || returnsDeleted.has(kind.plural)) return objectAnswer(200, show.one(item.object), warnings)
    const details = { name: place.name, ...(kind.group ? { group: kind.group } : {}), kind: kind.plural, uid: item.object.metadata.uid }
    return objectAnswer(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }, warnings)
  }

  async #deleteCollection({ route, kind, request, show }: Call): Promise<ApiResponse> {
    const options = withDefaultOf(kind, deleteRequestOf(request, await plainBody(request)))
    const { items, metadata } = await this.#deps.reads.list(kind, route.namespace, readOptionsOf(request))
    const deleted: CachedObject[] = []
    for (const item of items) {
      const place = { kind, namespace: kind.namespaced ? item.namespace : undefined, name: item.name }
      try {
        deleted.push((await this.#deps.writes.delete(place, options)).item)
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    }
    return objectAnswer(200, show.list({ items: deleted, metadata }))
  }

  async #scale(call: Call): Promise<ApiResponse> {
    const { kind, request, route, show } = call
    const place = placeOf(call)
    if (route.verb === 'get') {
      const item = await this.#deps.reads.get(place, request.query.get('resourceVersion') ?? '')
      return objectAnswer(200, show.one(scaleOf(kind, item.object)))
    }
    if (route.verb !== 'update' && route.verb !== 'patch') throw methodNotAllowed()
    const options = writeOptionsOf(request, route.verb === 'update' ? 'UpdateOptions' : 'PatchOptions')
    const patch = route.verb === 'patch' ? await readPatch(request, options) : undefined
    const body = patch ? undefined : await requiredBody(request)
    const item = await this.#deps.writes.update(place, { ...writeTo(undefined, options), accountedTo: 'scale' }, (current) => {
      const scale = patch ? (patchedValue(patch, schemaOf('Scale'), scaleOf(kind, current.object)) as Body) : (body as Body)
      return applyScale(kind, current.copy(), scale)
    })
    return objectAnswer(200, show.one(scaleOf(kind, item.object)))
  }

  async #bind(call: Call): Promise<ApiResponse> {
    if (call.route.verb !== 'create') throw methodNotAllowed()
    return this.bindPod(placeOf(call), call.request)
  }

  /** POST to bindings, whose pod is named in the body: an older form of the same. */
  async bindByBody(namespace: string, request: ApiRequest): Promise<ApiResponse> {
    const body = await requiredBody(request)
    const name = isObject(body.metadata) && typeof body.metadata.name === 'string' ? body.metadata.name : ''
    if (!name) throw badRequest('metadata.name: Required value: names the pod to bind')
    return this.bindPod({ kind: anyPod, namespace, name }, { ...request, body })
  }

  async bindPod(place: Place, request: ApiRequest): Promise<ApiResponse> {
    const { dryRun } = writeOptionsOf(request, 'CreateOptions')
    const body = await requiredBody(request)
    const target = bindingTargetOf(body)
    const warnings = this.#judged(place, request, bodyForm('binding', body), dryRun)
    await this.#deps.writes.rewrite(place, dryRun, (pod) => bind(pod, target, this.#deps.clock.now()))
    return objectAnswer(201, success(201), warnings)
  }

  async #evict(call: Call): Promise<ApiResponse> {
    if (call.route.verb !== 'create') throw methodNotAllowed()
    const body = await requiredBody(call.request)
    const options = isObject(body.deleteOptions) ? body.deleteOptions : undefined
    const request = deleteRequestOf(call.request, options)
    const place = placeOf(call)
    const { reads, writes, cache, clock } = this.#deps
    const pod = (await reads.get(place, '')).object as Pod
    const warnings = this.#judged(place, call.request, bodyForm('eviction', body), request.dryRun)
    const budgets = cache.kind(podDisruptionBudgets).list(place.namespace)
    const { budget, resourceVersion } = evictionStep(
      pod,
      budgets.map(({ object }) => object as PodDisruptionBudget),
    )
    if (budget) {
      const at = { kind: podDisruptionBudgets as unknown as Kind, namespace: place.namespace, name: budget.metadata.name }
      await writes.rewrite(at, request.dryRun, (copy) => takeDisruption(copy as PodDisruptionBudget, place.name, clock.now()))
    }
    const asDecided: DeleteRequest = { ...request, resourceVersion: request.resourceVersion ?? resourceVersion, isJudged: true }
    const marked = await writes.rewrite(place, request.dryRun, (copy) => {
      checkPreconditions(place.kind, copy, asDecided)
      return withDisruptionTarget(copy as Pod, {
        ...{ reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting', time: timestamp(clock.now()) },
      })
    })
    const isHeld = asDecided.resourceVersion !== undefined && !request.dryRun
    await writes.delete(place, isHeld ? { ...asDecided, resourceVersion: marked.object.metadata.resourceVersion } : asDecided)
    return objectAnswer(201, success(201), warnings)
  }

  async #token(call: Call): Promise<ApiResponse> {
    if (call.route.verb !== 'create') throw methodNotAllowed()
    const { dryRun } = writeOptionsOf(call.request, 'CreateOptions')
    const body = await requiredBody(call.request)
    const account = await this.#deps.reads.get(placeOf(call), '')
    const warnings = this.#judged(placeOf(call), call.request, bodyForm('token', body), dryRun)
    const { access, cache, clock } = this.#deps
    const deps = { user: call.request.user, tokens: access.tokens, facts: boundObjectsIn(cache), dryRun, nowMs: clock.now() }
    return objectAnswer(201, await answerTokenRequest(account.object as ServiceAccount, body, deps), warnings)
  }

  /** Throws what admission says of a request that is about an object and does not change it. What it warns of is answered. */
  #judged(place: Place, { user, audit }: ApiRequest, form: RequestForm | undefined, dryRun = false): readonly string[] {
    if (!form) return []
    const warnings = new Set<string>()
    const operation = form.kind.endsWith('Options') ? 'connect' : 'create'
    const nothing = { object: undefined, previous: undefined, subresource: undefined }
    this.#deps.admission.judgeForm({ ...place, ...nothing, user, audit, form, operation, warnings, dryRun })
    return [...warnings]
  }

  async #proxy({ kind, route, request }: Call): Promise<Answer> {
    const { reads, cache, random } = this.#deps
    const asked = parseProxyName(route.name as string)
    const place = { kind, namespace: route.namespace, name: asked.name }
    this.#judged({ ...place, name: route.name as string }, request, connectionForm(kind, 'proxy', request))
    const { object } = await reads.get(place, '')
    const rest = pathBehindProxy(request.path)
    const query = request.query.toString()
    const suffix = query ? `?${query}` : ''
    const prefix = rest === undefined ? request.path : request.path.slice(0, -rest.length)
    if (rest === undefined && request.method === 'GET') return { type: 'redirect', code: 301, location: `${prefix}/${suffix}` }
    const slices = (): EndpointSlice[] =>
      cache
        .kind(endpointSlices)
        .list(route.namespace)
        .map((item) => item.object as EndpointSlice)
        .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === asked.name)
    const target =
      kind.plural === 'services'
        ? serviceTarget(object as Service, slices(), asked, random)
        : kind.plural === 'nodes'
          ? nodeTarget(object as Node, asked)
          : podTarget(object as Pod, asked)
    const body = request.body instanceof Uint8Array ? request.body : undefined
    return { type: 'proxy', target, path: `${rest ?? '/'}${suffix}`, prefix, body }
  }

  async #kubelet(call: Call, subresource: string): Promise<Answer> {
    const pod = await this.#deps.reads.get(placeOf(call), '')
    this.#judged(placeOf(call), call.request, connectionForm(call.kind, subresource, call.request))
    // Nothing has been written where nothing has run.
    if (subresource === 'log' && !(pod.object as Pod).spec.nodeName) return textAnswer(200, '')
    const nodeOf = (name: string): Node | undefined => this.#deps.cache.kind(nodes).get(undefined, name)?.object as Node | undefined
    return kubeletRequestOf(pod.object as Pod, subresource, call.request.query, nodeOf)
  }
}

function writeTo(
  subresource: UpdateOptions['subresource'],
  { user, dryRun, fieldManager, audit }: WriteOptions,
  patch?: string,
): UpdateOptions {
  return { user, subresource, dryRun, manager: fieldManager, applies: patch === 'apply', warnings: new Set(), audit }
}

function placeOf({ route, kind }: Call): Place {
  return { kind, namespace: route.namespace, name: route.name as string }
}

const podsStay =
  'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning'

/** Kinds from before there was garbage collection leave their dependents unless the caller says otherwise. */
function withDefaultOf(kind: Kind, request: DeleteRequest): DeleteRequest {
  return kind.orphansByDefault && request.propagation === undefined ? { ...request, propagation: 'Orphan' } : request
}

/** Shown as it is, an object goes out as the bytes that are stored; in process it is decoded when somebody looks. */
function itemAnswer(code: number, item: CachedObject, show: Presentation, warnings: readonly string[] = []): ApiResponse {
  if (show.form) return objectAnswer(code, show.one(item.object), warnings)
  return {
    ...{ type: 'object', code, warnings, json: () => item.json() },
    get object() {
      return item.object
    },
  }
}

type Body = Readonly<Record<string, unknown>>

async function requiredBody(request: ApiRequest): Promise<Body> {
  const body = await plainBody(request)
  if (!body) throw badRequest('the request has no body')
  return body
}

function checkNamespace(kind: Kind, namespace: string | undefined, object: KubeObject): void {
  const given = object.metadata.namespace
  if (!kind.namespaced || !given || given === namespace) return
  throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
}

function checkName({ kind, namespace, name }: Place, object: KubeObject): void {
  checkNamespace(kind, namespace, object)
  const given = object.metadata.name
  if (given === name) return
  if (!given) throw badRequest('name must be provided')
  throw badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`)
}
