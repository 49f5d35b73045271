import type { Kind } from '../api/kind.ts'
import type { ApiWatchEvent } from '../machinery/api-request.ts'
import type { KubeObject, ListMeta } from '../machinery/object.ts'
import { badRequest } from '../machinery/status.ts'
import { objectList } from './cached-object.ts'
import type { WatchForm } from './watch-event.ts'

/** How objects of a kind are shown to one caller: as they are, as rows of a table, or by their metadata alone. */
export interface Presentation {
  one(object: KubeObject): object
  list(list: { items: readonly { readonly object: KubeObject }[]; metadata: ListMeta }): object
  /** For the lines of a watch; undefined: objects as they are. */
  readonly form: WatchForm | undefined
}

/** What of a kind matters to how it is shown. */
export type Shown = Pick<Kind, 'group' | 'version' | 'listKind' | 'columns'>

type RowObject = 'None' | 'Metadata' | 'Object'

/** `as` from the Accept header, `includeObject` from the query. */
export function presentationOf(kind: Shown, as: string | undefined, includeObject: string | null, nowMs: () => number): Presentation {
  switch (as) {
    case 'Table':
      return tables(kind, rowObjectOf(includeObject), nowMs)
    case 'PartialObjectMetadata':
    case 'PartialObjectMetadataList':
      return metadataOnly
    default:
      return asIs(kind)
  }
}

function rowObjectOf(text: string | null): RowObject {
  if (text === null || text === '') return 'Metadata'
  if (text === 'None' || text === 'Metadata' || text === 'Object') return text
  throw badRequest(`includeObject: Invalid value: ${JSON.stringify(text)}: must be one of Metadata, Object, None`)
}

function asIs(kind: Shown): Presentation {
  const apiVersion = kind.group ? `${kind.group}/${kind.version}` : kind.version
  return {
    one: (object) => object,
    list: ({ items, metadata }) => objectList({ kind: kind.listKind, apiVersion, metadata }, items),
    form: undefined,
  }
}

const partial = (object: KubeObject): object => ({
  kind: 'PartialObjectMetadata',
  apiVersion: 'meta.k8s.io/v1',
  metadata: object.metadata,
})

const metadataOnly: Presentation = {
  one: partial,
  list: ({ items, metadata }) => ({
    kind: 'PartialObjectMetadataList',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    items: items.map(({ object }) => partial(object)),
  }),
  form: {
    name: 'metadata',
    present: (event) => (event.type === 'ERROR' ? event : { type: event.type, object: partial(event.object as KubeObject) }),
  },
}

function tables(kind: Shown, rowObject: RowObject, nowMs: () => number): Presentation {
  const columnDefinitions = kind.columns.map(({ name, type, format, description, priority }) => ({
    name,
    type,
    format: format ?? '',
    description,
    priority,
  }))
  const rowOf = (object: KubeObject): object => ({
    cells: kind.columns.map((column) => column.value(object, nowMs())),
    object: rowObject === 'None' ? null : rowObject === 'Object' ? object : partial(object),
  })
  const table = (metadata: ListMeta, rows: object[], heads = true): object => ({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: heads ? columnDefinitions : null,
    rows,
  })
  const oneRow = (object: KubeObject, heads: boolean): object =>
    table({ resourceVersion: object.metadata.resourceVersion }, [rowOf(object)], heads)
  return {
    one: (object) => oneRow(object, true),
    list: ({ items, metadata }) =>
      table(
        metadata,
        items.map(({ object }) => rowOf(object)),
      ),
    form: { name: `table ${rowObject}`, present: lineOf },
  }

  function lineOf(event: ApiWatchEvent, first: boolean): ApiWatchEvent {
    if (event.type === 'ERROR') return event
    const object = event.object as KubeObject
    if (event.type !== 'BOOKMARK') return { type: event.type, object: oneRow(object, first) }
    // The end of the initial events is an annotation of the row's object: clients read it there.
    const row = { cells: kind.columns.map(() => null), object: partial(object) }
    return { type: 'BOOKMARK', object: table({ resourceVersion: object.metadata.resourceVersion }, [row], first) }
  }
}
