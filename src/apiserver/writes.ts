import type { Service } from '../api/generated/types.ts'
import type { Kind } from '../api/kind.ts'
import { validateMetadata } from '../api/metadata-validation.ts'
import { type Clock, timestamp } from '../host/clock.ts'
import type { Random } from '../host/random.ts'
import type { AuditTrail, UserInfo } from '../machinery/api-request.ts'
import { managedFieldsAfterUpdate } from '../machinery/apply/managed-fields.ts'
import { deepEqual } from '../machinery/equality.ts'
import { type FieldError, required } from '../machinery/field-error.ts'
import { apiVersionOf } from '../machinery/group-version.ts'
import type { KubeObject, ManagedFieldsEntry } from '../machinery/object.ts'
import {
  alreadyExists,
  badRequest,
  conflict,
  generatedNameTaken,
  invalid,
  isAlreadyExists,
  isNotFound,
  notFound,
  objectModified,
} from '../machinery/status.ts'
import type { Change } from '../storage/store.ts'
import type { Admission } from './admission/admission.ts'
import type { AdmissionRequest } from './admission/plugin.ts'
import { scaleForm } from './admission/request-form.ts'
import type { QuotaLedger } from './admission/resource-quota/ledger.ts'
import { CachedObject, decodeValue, encodeValue } from './cached-object.ts'
import { checkPreconditions, nextDeletionStep } from './deletion.ts'
import { isStale } from './encryption/unreadable.ts'
import { storageKey } from './kind-cache.ts'
import { isService, type Objects, type Place, type WithCommit } from './objects.ts'
import { beginMetadata, countGeneration, generatedName, isFinished, limitUpdate, partOf, type UpdatedPart } from './prepare.ts'
import type { DeleteRequest } from './request-options.ts'
import { AllocationRaceError } from './services/allocation-guard.ts'
import type { ServiceAddresses } from './services/service-addresses.ts'
import type { WatchCache } from './watch-cache.ts'

interface Deps {
  readonly objects: Objects
  readonly cache: WatchCache
  readonly addresses: ServiceAddresses
  readonly admission: Admission
  readonly quotas: Pick<QuotaLedger, 'charged'>
  readonly clock: Clock
  readonly random: Random
}

export interface CreateOptions {
  readonly user: UserInfo
  readonly dryRun: boolean
  /** Who is said to have set what. */
  readonly manager: string
  /** Server-side apply: what is written has its account of managers with it. */
  readonly applies: boolean
  /** Gets what the client is to be told beside the answer. */
  readonly warnings: Set<string>
  /** Undefined: nothing is told of this request. */
  readonly audit: AuditTrail | undefined
}

export interface UpdateOptions extends CreateOptions {
  readonly subresource: UpdatedPart | undefined
  /** The part by which an object is changed where it is no part of the object itself: a Scale. */
  readonly accountedTo?: 'scale'
}

/** Times a change is tried against what others write at the same moment. */
const attempts = 6
const generatedNameAttempts = 8
/** Other servers write Services one at a time each, so every try that fails is another's success. */
const allocationAttempts = 100

/** Kinds without an account of managers until somebody applies one. */
const unaccounted: ReadonlySet<string> = new Set(['events', 'leases'])

/** What the client sent, where it says anything; a single empty entry clears. */
function accountToContinue(
  given: readonly ManagedFieldsEntry[] | undefined,
  live: readonly ManagedFieldsEntry[] | undefined,
): readonly ManagedFieldsEntry[] {
  if (!given?.length) return live ?? []
  const clears = given.length === 1 && Object.keys(given[0] as object).length === 0
  return clears ? [] : given
}

/** The one pipeline of every write: metadata, defaults, admission, preparation, validation, compare-and-swap. */
export class Writes {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** `object` is private to the call. */
  async create(kind: Kind, namespace: string | undefined, object: KubeObject, options: CreateOptions): Promise<CachedObject> {
    const { metadata } = object
    if (metadata.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created')
    const isGenerated = !metadata.name && Boolean(metadata.generateName)
    if (!metadata.name && !isGenerated) {
      throw invalid(kind, '', [required('metadata.name', 'name or generateName is required')])
    }
    object.apiVersion = apiVersionOf(kind)
    object.kind = kind.kind
    for (let attempt = 1; ; attempt++) {
      // Policies may have put another in the place of its metadata.
      if (isGenerated) object.metadata.name = generatedName(metadata.generateName as string, this.#deps.random)
      const made = await this.#alone(kind, () => this.#insert(kind, namespace, isService(kind) ? structuredClone(object) : object, options))
      if (made) return made
      if (!isGenerated) throw alreadyExists(kind, metadata.name)
      if (attempt === generatedNameAttempts) throw generatedNameTaken(kind, object.metadata.name)
    }
  }

  /** Server-side apply: an object that isn't there is made; one that comes about at the same moment is then updated. */
  async updateOrCreate(
    update: () => Promise<CachedObject>,
    create: () => Promise<CachedObject>,
  ): Promise<{ item: CachedObject; created: boolean }> {
    for (let attempt = 1; ; attempt++) {
      try {
        return { item: await update(), created: false }
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
      try {
        return { item: await create(), created: true }
      } catch (error) {
        if (!isAlreadyExists(error) || attempt === attempts) throw error
      }
    }
  }

  /** `change` makes the new object of the current one; called anew when someone else was faster. */
  async update(place: Place, options: UpdateOptions, change: (current: CachedObject) => KubeObject): Promise<CachedObject> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const written = await this.#alone(place.kind, async () => {
        const current = await this.#deps.objects.read(place)
        return this.#replace(place, current, change(current), options)
      })
      if (written) return written
    }
    throw conflict(place.kind, place.name, objectModified)
  }

  /**
   * Changes any part of an object by the server's own doing, such as binding a pod: nothing but the change is checked, and
   * the generation, which counts what users want, stays.
   */
  async rewrite(place: Place, dryRun: boolean, change: (copy: KubeObject) => KubeObject): Promise<CachedObject> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const current = await this.#deps.objects.read(place)
      const written = await this.#store(place, current, change(current.copy()), { dryRun, counts: false, charges: [] })
      if (written) return written
    }
    throw conflict(place.kind, place.name, objectModified)
  }

  /** `removed` is false while something has yet to be done before the object goes. */
  async delete(place: Place, request: DeleteRequest): Promise<{ item: CachedObject; removed: boolean }> {
    const { objects, clock } = this.#deps
    const { kind, namespace, name } = place
    const asked = { user: request.user, kind, operation: 'delete', subresource: undefined, namespace, name } as const
    const { dryRun, audit } = request
    const deletion = { ...asked, object: undefined, previous: undefined, warnings: new Set<string>(), dryRun, audit }
    this.#deps.admission.admit(deletion)
    for (let attempt = 0; attempt < attempts; attempt++) {
      const current = await objects.find(place)
      // What is not there may be refused, too.
      if (!current) this.#deps.admission.validate(deletion)
      if (!current) throw notFound(kind, name)
      checkPreconditions(kind, current.object, request)
      if (!request.isJudged) this.#deps.admission.validate({ ...deletion, previous: current.object })
      const step = nextDeletionStep(kind, current.copy(), request, clock.now())
      if (step.do === 'nothing') return { item: current, removed: false }
      if (step.do === 'mark') {
        const marked = await objects.replace(place, current, encodeValue(step.object), request.dryRun)
        if (marked) return { item: marked, removed: false }
      } else if (await objects.remove(current, request.dryRun, this.#along(place, current.object, undefined)))
        return { item: current, removed: true }
    }
    throw conflict(kind, name, objectModified)
  }

  /**
   * Services are written one at a time, and the next begins when the cache has what the last one wrote. Where another server
   * was faster, `run` starts anew: it must not change what it was given.
   */
  #alone<T>(kind: Kind, run: () => Promise<T>): Promise<T> {
    if (!isService(kind)) return run()
    const { addresses, cache } = this.#deps
    return addresses.exclusive(async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          const result = await run()
          await cache.fresh()
          return result
        } catch (error) {
          if (!(error instanceof AllocationRaceError) || attempt === allocationAttempts) throw error
        }
      }
    })
  }

  async #insert(kind: Kind, namespace: string | undefined, object: KubeObject, options: CreateOptions): Promise<CachedObject | undefined> {
    const { clock, random, objects, admission } = this.#deps
    const { name } = object.metadata
    await this.#deps.cache.fresh()
    beginMetadata(kind, object, { namespace, nowMs: clock.now(), random })
    kind.setDefaults(object)
    const { user, warnings, dryRun, audit } = options
    const place = { kind, namespace, name }
    const asked = { ...place, user, operation: 'create', subresource: undefined } as const
    const request: AdmissionRequest = { ...asked, object, previous: undefined, warnings, dryRun, audit }
    await admission.provide(request)
    admission.admit(request)
    kind.prepareForCreate(object, user)
    refuse(kind, name, [
      ...(await this.#assign(place, object, undefined)),
      ...validateMetadata(object.metadata, kind),
      ...kind.validate(object),
      ...(kind.validateCreate?.(object) ?? []),
    ])
    for (const warning of kind.warnings(object, undefined)) warnings.add(warning)
    admission.validate(request)
    if (!options.applies) this.#account(kind, object, undefined, object.metadata.managedFields, options)
    return this.#deps.quotas.charged(request, (charges) =>
      objects.insert(place, object, options.dryRun, this.#along(place, undefined, object, charges)),
    )
  }

  async #assign({ kind, namespace, name }: Place, object: KubeObject, previous: KubeObject | undefined): Promise<FieldError[]> {
    if (!isService(kind)) return []
    await this.#deps.cache.fresh()
    const key = storageKey(kind, namespace, name)
    const faults = this.#deps.addresses.assign(object as Service, previous as Service | undefined, key)
    // As upstream: what cannot be allocated is the whole answer.
    refuse(kind, name, faults)
    return []
  }

  /** What goes into the same commit as the object: charges of quotas, and what a Service takes and gives back. */
  #along(
    { kind, namespace, name }: Place,
    before: KubeObject | undefined,
    after: KubeObject | undefined,
    charges: readonly Change[] = [],
  ): WithCommit {
    if (!isService(kind)) return { changes: charges, takesPorts: false }
    const service = { namespace: namespace as string, name }
    const own = this.#deps.addresses.changes(before as Service | undefined, after as Service | undefined, service)
    return { ...own, changes: [...charges, ...own.changes] }
  }

  async #replace(place: Place, current: CachedObject, next: KubeObject, options: UpdateOptions): Promise<CachedObject | undefined> {
    const { kind, name } = place
    const previous = current.object
    this.#checkIdentity(place, next, previous)
    const { managedFields } = next.metadata
    // A copy: what is carried over becomes part of `next`, which defaults may change.
    limitUpdate(kind, next, current.copy(), options.subresource)
    next.apiVersion = previous.apiVersion
    next.kind = previous.kind
    kind.setDefaults(next)
    const { subresource, user, warnings, dryRun, audit } = options
    const form = options.accountedTo && { form: scaleForm(kind, next, previous) }
    const asked = { ...place, user, operation: 'update', subresource, ...form } as const
    const request: AdmissionRequest = { ...asked, object: next, previous, warnings, dryRun, audit }
    const isJudged = subresource === undefined || partOf(kind, subresource) !== undefined
    // What they may not change here is put back.
    if (isJudged && this.#deps.admission.admit(request)) limitUpdate(kind, next, current.copy(), options.subresource)
    if (subresource === undefined) {
      kind.prepareForUpdate(next, previous)
      await this.#assign(place, next, previous)
    }
    if (subresource === 'status' || subresource === 'approval') {
      kind.prepareForStatusUpdate(next, previous, { part: subresource, time: timestamp(this.#deps.clock.now()) })
    }
    if (options.applies) next.metadata = { ...next.metadata, ...(managedFields ? { managedFields } : {}) }
    else this.#account(kind, next, previous, managedFields, { manager: options.manager, part: options.accountedTo ?? subresource })
    refuse(kind, name, this.#updateFaults(kind, next, previous, subresource))
    if (subresource === undefined) for (const warning of kind.warnings(next, previous)) warnings.add(warning)
    this.#deps.admission.validate(request)
    return this.#deps.quotas.charged(request, (charges) =>
      this.#store(place, current, next, { dryRun: options.dryRun, counts: true, charges }),
    )
  }

  /**
   * Who owns which field, from an object's creation on. A client may rewrite the account (csaupgrade of kubectl and helm
   * makes an apply of what was an update) or, with a single empty entry, clear it. Kinds that are written all the time and
   * applied by nobody go without.
   */
  #account(
    kind: Kind,
    next: KubeObject,
    previous: KubeObject | undefined,
    given: readonly ManagedFieldsEntry[] | undefined,
    { manager, part }: { manager: string; part?: string | undefined },
  ): void {
    const entries = accountToContinue(given, previous?.metadata.managedFields)
    const { managedFields: _, ...metadata } = next.metadata
    if (unaccounted.has(kind.plural) && entries.length === 0) {
      next.metadata = metadata
      return
    }
    // A new object's status is the server's own doing.
    const { status: _status, ...withoutStatus } = next as KubeObject & { status?: unknown }
    const account = managedFieldsAfterUpdate({
      schema: kind.schema,
      previous,
      next: previous || !kind.hasStatus ? next : withoutStatus,
      entries,
      manager,
      apiVersion: apiVersionOf(kind),
      subresource: part ?? '',
      time: timestamp(this.#deps.clock.now()),
    })
    next.metadata = account.length > 0 ? { ...metadata, managedFields: account } : metadata
  }

  #updateFaults(kind: Kind, next: KubeObject, previous: KubeObject, subresource: UpdatedPart | undefined): FieldError[] {
    if (subresource === 'status' || subresource === 'approval') {
      const faults = validateMetadata(next.metadata, kind, { update: previous.metadata })
      return [...faults, ...kind.validateStatusUpdate(next, previous, subresource)]
    }
    const part = partOf(kind, subresource)
    if (part) return [...kind.validate(next), ...part.validate(next, previous)]
    if (subresource !== undefined) return []
    return [
      ...validateMetadata(next.metadata, kind, { update: previous.metadata }),
      ...kind.validate(next),
      ...kind.validateUpdate(next, previous),
    ]
  }

  #checkIdentity({ kind, name }: Place, next: KubeObject, previous: KubeObject): void {
    const { uid, resourceVersion } = next.metadata
    if (uid && uid !== previous.metadata.uid) {
      throw conflict(kind, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${previous.metadata.uid}`)
    }
    if (resourceVersion && resourceVersion !== previous.metadata.resourceVersion) throw conflict(kind, name, objectModified)
  }

  async #store(
    place: Place,
    current: CachedObject,
    next: KubeObject,
    { dryRun, counts, charges }: { dryRun: boolean; counts: boolean; charges: readonly Change[] },
  ): Promise<CachedObject | undefined> {
    const { objects } = this.#deps
    // Through JSON once, so that what is undefined is gone before anything is compared.
    const object = decodeValue(encodeValue(next), current.revision)
    if (counts) countGeneration(place.kind, object, current.object)
    const value = encodeValue(object)
    if (isFinished(object)) {
      if (!(await objects.remove(current, dryRun, this.#along(place, current.object, undefined)))) return undefined
      // What it was at the end, without the last of its finalizers.
      const { key, namespace, name, revision } = current
      return new CachedObject(key, { namespace, name }, value, revision)
    }
    if (deepEqual(object, current.object) && !isStale(current.value)) return current
    return objects.replace(place, current, value, dryRun, this.#along(place, current.object, object, charges))
  }
}

function refuse(kind: Kind, name: string, faults: readonly FieldError[]): void {
  if (faults.length > 0) throw invalid(kind, name, faults)
}
