import type { Kind } from '../api/kind.ts'
import type { Clock } from '../host/clock.ts'
import type { Random } from '../host/random.ts'
import { type FieldError, forbiddenField, notSupported } from '../machinery/field-error.ts'
import { apiVersionOf } from '../machinery/group-version.ts'
import type { KubeObject, ListMeta } from '../machinery/object.ts'
import { badRequest, expired, invalid, notFound, StatusError } from '../machinery/status.ts'
import { CompactedError, type ListResult, type Store } from '../storage/store.ts'
import { CachedObject } from './cached-object.ts'
import { readContinue, writeContinue } from './continue-token.ts'
import { unreadableKey, unreadableReason } from './encryption/unreadable.ts'
import { type KindCache, kindPrefix } from './kind-cache.ts'
import type { Place } from './objects.ts'
import { type ReadOptions, revisionOf, type WatchOptions } from './request-options.ts'
import { type Selection, selectionOf } from './selection.ts'
import type { WatchCache } from './watch-cache.ts'
import type { WatchForm } from './watch-event.ts'
import { type Selects, Watcher } from './watcher.ts'

interface Deps {
  readonly store: Store
  readonly cache: WatchCache
  readonly clock: Clock
  readonly random: Random
  /** A watch that asks for no time has this, up to twice as much. */
  readonly watchAtLeastMs: number
}

export interface ObjectPage {
  readonly items: readonly CachedObject[]
  readonly metadata: ListMeta
}

const tooOldPage =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'
const tooOldList = 'The resourceVersion for the provided list is too old.'

export class Reads {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  async get({ kind, namespace, name }: Place, resourceVersion: string): Promise<CachedObject> {
    await this.#atLeast(listRevision(resourceVersion))
    const found = this.#deps.cache.kind(kind).get(namespace, name)
    if (!found) throw notFound(kind, name)
    return found
  }

  async list(kind: Kind, namespace: string | undefined, options: ReadOptions): Promise<ObjectPage> {
    checkList(options)
    const { selects, scope } = this.#selection(kind, options)
    const { resourceVersion, limit } = options
    const prefix = prefixOf(kind, namespace)
    if (options.continue) {
      const { revision, after } = readContinue(options.continue, prefix)
      if (resourceVersion !== '' && resourceVersion !== '0') {
        throw badRequest('specifying resource version is not allowed when using continue')
      }
      const goOn = (): Error => expiredPage(writeContinue({ revision: 'newest', after }, prefix))
      const at = revision === 'newest' ? await this.#deps.store.revision() : revision
      return this.#page(kind, prefix, { revision: at, after, limit, selects, gone: goOn })
    }
    const asked = listRevision(resourceVersion)
    const pinned = resourceVersion !== '' && resourceVersion !== '0' && limit > 0 && options.resourceVersionMatch === ''
    if (options.resourceVersionMatch === 'Exact' || pinned) {
      await this.#deps.cache.reached(asked as number)
      return this.#page(kind, prefix, { revision: asked as number, after: undefined, limit, selects, gone: () => expired(tooOldList) })
    }
    await this.#atLeast(asked)
    const { cache } = this.#deps
    const all = cache.kind(kind).list(kind.namespaced ? namespace : undefined, scope)
    const items = selects ? all.filter(selects) : all
    // "Any revision" has never been cut into pages.
    if (limit === 0 || items.length <= limit || resourceVersion === '0') return { items, metadata: versionOf(cache.revision) }
    const page = items.slice(0, limit)
    const more = { continue: writeContinue({ revision: cache.revision, after: page.at(-1)?.key as string }, prefix) }
    const remaining = selects ? {} : { remainingItemCount: items.length - limit }
    return { items: page, metadata: { ...versionOf(cache.revision), ...more, ...remaining } }
  }

  /** `form`: how objects are shown; undefined: as they are. */
  async watch(
    { kind, namespace }: Pick<Place, 'kind' | 'namespace'>,
    options: WatchOptions,
    form: WatchForm | undefined,
    signal: AbortSignal,
  ): Promise<Watcher> {
    checkWatch(options)
    const selection = withinNamespace(kind, namespace, this.#selection(kind, options))
    const { cache, clock } = this.#deps
    const kindCache = cache.kind(kind)
    const start = await this.#start(kindCache, namespace, options, selection)
    const timeoutMs = options.timeoutSeconds ? options.timeoutSeconds * 1000 : this.#deps.watchAtLeastMs * (1 + this.#deps.random.float())
    const cancelTimeout = clock.after(timeoutMs, () => watcher.timeOut())
    const watcher = new Watcher({
      ...start,
      ...selection,
      history: kindCache.history,
      form,
      bookmarks: options.bookmarks,
      markInitialEnd: options.sendInitialEvents === true,
      revision: () => cache.revision,
      bookmarkOf: (revision, initialEnd) => bookmark(kind, revision, initialEnd),
      expired: (revision) => expired(`too old resource version: ${revision} (${kindCache.history.oldest})`),
      onEnd: cancelTimeout,
      signal,
    })
    return watcher
  }

  #selection(kind: Kind, options: { labelSelector: string; fieldSelector: string }): Selection {
    const { selects, scope } = selectionOf(kind, options.labelSelector, options.fieldSelector)
    return { selects, scope: scope && this.#deps.cache.kind(kind).knows(scope, kind) ? scope : undefined }
  }

  async #start(
    kindCache: KindCache,
    namespace: string | undefined,
    options: WatchOptions,
    { selects, scope }: Selection,
  ): Promise<{ initial: readonly CachedObject[]; position: number; after: number }> {
    const { history } = kindCache
    const fromState = options.sendInitialEvents === true
    const asked = watchRevision(kindCache.kind, options.resourceVersion)
    if (!fromState && asked) {
      const after = asked
      return { initial: [], position: after < history.oldest ? -1 : history.positionAfter(after), after }
    }
    await this.#atLeast(asked)
    const all = fromState ? kindCache.list(namespace, scope) : []
    return { initial: selects ? all.filter(selects) : all, position: history.next, after: this.#deps.cache.revision }
  }

  /** Undefined: as new as the newest write; 0: whatever there is. */
  async #atLeast(revision: number | undefined): Promise<void> {
    if (revision === undefined) await this.#deps.cache.fresh()
    else if (revision > 0) await this.#deps.cache.reached(revision)
  }

  /** Reads the store itself, at a revision. A selection is filled up page by page. */
  async #page(
    kind: Kind,
    prefix: string,
    from: { revision: number; after: string | undefined; limit: number; selects: Selects | undefined; gone: () => Error },
  ): Promise<ObjectPage> {
    const { revision, limit, selects } = from
    const items: CachedObject[] = []
    let { after } = from
    for (;;) {
      const found = await this.#storeList(prefix, { revision, after, limit }, from.gone)
      for (const entry of found.entries) {
        const reason = unreadableReason(entry.value)
        if (reason !== undefined) throw unreadableKey(entry.key, reason)
        const item = new CachedObject(entry.key, placeOf(kind, entry.key), entry.value, entry.modRevision)
        if (!selects || selects(item)) items.push(item)
        after = entry.key
        if (limit > 0 && items.length === limit) break
      }
      const last = found.entries.at(-1)?.key
      const isMore = found.more || after !== last
      if (!isMore || after === undefined) return { items, metadata: versionOf(revision) }
      if (items.length >= limit) {
        const metadata = { ...versionOf(revision), continue: writeContinue({ revision, after }, prefix) }
        return { items, metadata: selects ? metadata : { ...metadata, remainingItemCount: found.remaining } }
      }
    }
  }

  async #storeList(
    prefix: string,
    { revision, after, limit }: { revision: number; after: string | undefined; limit: number },
    gone: () => Error,
  ): Promise<ListResult> {
    try {
      return await this.#deps.store.list(prefix, {
        revision,
        ...(limit > 0 ? { limit } : {}),
        ...(after === undefined ? {} : { after }),
      })
    } catch (error) {
      if (error instanceof CompactedError) throw gone()
      throw error
    }
  }
}

function placeOf(kind: Kind, key: string): { namespace: string; name: string } {
  const [namespace = '', name = ''] = key.slice(kindPrefix(kind).length).split('/')
  return kind.namespaced ? { namespace, name } : { namespace: '', name: namespace }
}

const versionOf = (revision: number): ListMeta => ({ resourceVersion: String(revision) })

function prefixOf(kind: Kind, namespace: string | undefined): string {
  return namespace === undefined || !kind.namespaced ? kindPrefix(kind) : `${kindPrefix(kind)}${namespace}/`
}

/** 410, with what it takes to go on all the same. */
function expiredPage(token: string): StatusError {
  const { status } = expired(tooOldPage)
  return new StatusError({ ...status, metadata: { ...status.metadata, continue: token } })
}

/** Undefined: none is given. Throws BadRequest for what is none. */
function listRevision(resourceVersion: string): number | undefined {
  if (resourceVersion === '') return undefined
  const revision = revisionOf(resourceVersion)
  if (typeof revision === 'number') return revision
  throw badRequest(`invalid resource version: ${revision.field}: ${revision.message}`)
}

/** The same for a watch, which says it differently. */
function watchRevision({ group, plural }: Kind, resourceVersion: string): number | undefined {
  if (resourceVersion === '') return undefined
  const revision = revisionOf(resourceVersion)
  if (typeof revision === 'number') return revision
  throw invalid({ group, kind: plural }, '', [revision])
}

function withinNamespace(kind: Kind, namespace: string | undefined, { selects, scope }: Selection): Selection {
  if (!kind.namespaced || namespace === undefined) return { selects, scope }
  return {
    selects: selects ? (item) => item.namespace === namespace && selects(item) : (item) => item.namespace === namespace,
    scope: scope ?? { by: 'namespace', value: namespace },
  }
}

const matches = ['Exact', 'NotOlderThan']
const matchField = 'resourceVersionMatch'

/** What resourceVersionMatch and sendInitialEvents may go together with: throws Invalid with all that is wrong. */
function checkList({ resourceVersionMatch: match, resourceVersion, continue: next, sendInitialEvents }: ReadOptions): void {
  const faults: FieldError[] = []
  if (sendInitialEvents !== undefined) faults.push(forbiddenField('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
  if (match) {
    if (!resourceVersion) faults.push(forbiddenField(matchField, 'resourceVersionMatch is forbidden unless resourceVersion is provided'))
    if (next) faults.push(forbiddenField(matchField, 'resourceVersionMatch is forbidden when continue is provided'))
    if (!matches.includes(match)) faults.push(notSupported(matchField, match, [...matches, '']))
    if (match === 'Exact' && resourceVersion === '0') {
      faults.push(forbiddenField(matchField, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    }
  }
  refuseOptions(faults)
}

function checkWatch({ resourceVersionMatch: match, continue: next, sendInitialEvents }: WatchOptions): void {
  const faults: FieldError[] = []
  const newer = 'NotOlderThan'
  if (sendInitialEvents !== undefined && match !== newer) {
    faults.push(forbiddenField(matchField, `sendInitialEvents requires setting resourceVersionMatch to ${newer}`))
  }
  if (match) {
    if (sendInitialEvents === undefined) {
      faults.push(forbiddenField(matchField, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'))
    }
    if (match !== newer) faults.push(notSupported(matchField, match, [newer]))
    if (next) faults.push(forbiddenField(matchField, 'resourceVersionMatch is forbidden when continue is provided'))
  }
  refuseOptions(faults)
}

function refuseOptions(faults: readonly FieldError[]): void {
  if (faults.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', faults)
}

function bookmark(kind: Kind, revision: number, initialEnd: boolean): KubeObject {
  const annotations = initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}
  const metadata = { resourceVersion: String(revision), ...annotations } as KubeObject['metadata']
  return { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata }
}
