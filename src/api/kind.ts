import type { UserInfo } from '../machinery/api-request.ts'
import type { FieldError } from '../machinery/field-error.ts'
import type { ResourceName } from '../machinery/group-version.ts'
import type { KubeObject } from '../machinery/object.ts'
import type { Schema } from '../machinery/schema.ts'

/**
 * A kind of the API: a row of data and a few pure functions. The generic server does everything else.
 * Functions that change an object (`setDefaults`, `prepare...`) get a private copy and change it in place.
 */
export interface Kind<T extends KubeObject = KubeObject> extends ResourceName {
  readonly listKind: string
  readonly singular: string
  readonly shortNames: readonly string[]
  /** `all` makes it part of `kubectl get all`. */
  readonly categories: readonly string[]
  readonly schema: Schema
  /** What `metadata.name` must be. */
  readonly nameRule: NameRule
  /** True: `status` is a subresource: writes to the object leave it, writes to /status change nothing else but metadata. */
  readonly hasStatus: boolean
  /** The metadata that writes to /status leave as they are. */
  readonly statusKeeps: readonly ('labels' | 'annotations' | 'finalizers' | 'ownerReferences')[]
  /** Set where `kubectl scale` works: JSON paths as custom resources write them. */
  readonly scale?: { readonly specReplicas: string; readonly statusReplicas: string; readonly selector: string }
  /** Further subresources and what they answer, for discovery; handlers live in the API server. */
  readonly subresources: readonly Subresource[]
  /** True: metadata.generation counts changes of what is not metadata or status. */
  readonly countsGeneration: boolean
  /** With `countsGeneration`: what else a change has to be, or need not be, to be counted. */
  readonly isNewGeneration?: (object: T, previous: T) => boolean
  /** True: an object goes by itself when nobody has written it for the API server's --event-ttl. */
  readonly expires: boolean
  readonly columns: readonly Column<T>[]
  /** Said as a warning with every answer, of a kind that has a successor. */
  readonly deprecation?: string
  /** Beyond metadata.name and metadata.namespace: path and value, such as spec.nodeName. */
  readonly selectableFields: Readonly<Record<string, (object: T) => string>>
  /** What is said of a field that cannot be selected by, where a kind has words of its own for it. */
  readonly unknownField?: (field: string) => string
  /** What may be done with its objects; undefined: every verb. */
  readonly verbs?: readonly string[]
  /** Set where the same objects are served in a second version or group: they are stored as the other kind. */
  readonly storedAs?: StoredForm<T>
  /** True: a deletion that says nothing of dependents leaves them, as it did before garbage collection. */
  readonly orphansByDefault: boolean
  /** Upstream's defaults, applied to what comes in before validation and to what was stored by older versions. */
  setDefaults(object: T): void
  /** Empties what a client may not set at creation, and notes what only the server knows (`by`: who asks). */
  prepareForCreate(object: T, by?: UserInfo): void
  /** Carries over what a client may not change. `previous` is as stored. */
  prepareForUpdate(object: T, previous: T): void
  /** The same for a change of the status or of a decision on the object (`part`); `time` is now. */
  prepareForStatusUpdate(object: T, previous: T, at: StatusUpdate): void
  /** Faults of the object itself, metadata aside (the server checks that for all kinds alike). */
  validate(object: T): FieldError[]
  /** Faults that matter in a new object alone. */
  readonly validateCreate?: (object: T) => FieldError[]
  /** Faults of the change, such as of immutable fields. `validate` runs as well. */
  validateUpdate(object: T, previous: T): FieldError[]
  validateStatusUpdate(object: T, previous: T, part: StatusUpdate['part']): FieldError[]
  /** What is sound but hardly meant, told beside the answer to a write; `previous` is undefined for a creation. */
  warnings(object: T, previous: T | undefined): string[]
  /** Parts that clients change by a subresource of their own, by its name: what else they send of the object is not looked at. */
  readonly parts: Readonly<Partial<Record<PartName, ObjectPart<T>>>>
  /** Seconds that deletion waits if the caller doesn't say; 0 deletes at once. Pods answer their terminationGracePeriodSeconds. */
  gracePeriodSeconds(object: T): number
}

export type PartName = 'ephemeralcontainers' | 'resize'

export interface ObjectPart<T extends KubeObject = KubeObject> {
  /** Takes the part from `asked` into `object`, which is as stored but for that. */
  take(object: T, asked: T): void
  /** Faults of the change; `validate` runs as well. */
  validate(object: T, previous: T): FieldError[]
}

/** The other form of an object: pure conversions, each of which may change what it is given and answers the result. */
export interface StoredForm<T extends KubeObject = KubeObject> {
  readonly kind: Kind
  toStored(object: T): KubeObject
  fromStored(object: KubeObject): T
  /** What is asked of the stored form beyond what its own kind asks, where it is written through this one. */
  readonly validateCreate?: (stored: KubeObject) => FieldError[]
  readonly validateUpdate?: (stored: KubeObject, previous: KubeObject) => FieldError[]
}

export interface StatusUpdate {
  readonly part: 'status' | 'approval'
  /** RFC 3339. */
  readonly time: string
}

/** Of kinds whose status is written by others than those who may change the object. */
export const allMetadata = ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const

export type NameRule = 'dns-subdomain' | 'dns-label' | 'path-segment'

export interface Subresource {
  readonly name: string
  readonly kind: string
  readonly group: string
  readonly version: string
  readonly verbs: readonly string[]
}

/** A column of `kubectl get`: https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables */
export interface Column<T extends KubeObject = KubeObject> {
  readonly name: string
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  readonly format?: 'name'
  /** 0: always shown; 1: with -o wide. */
  readonly priority: 0 | 1
  readonly description: string
  /** `nowMs` serves ages, which are texts such as `5m`. */
  readonly value: (object: T, nowMs: number) => string | number | boolean | null
}
