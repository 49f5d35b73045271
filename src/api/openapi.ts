import { createHash } from 'node:crypto'
import { apiVersionOf } from '../machinery/group-version.ts'
import type { Kind } from './kind.ts'
import { Definitions } from './openapi-definitions.ts'
import { pathsOf } from './openapi-paths.ts'
import { forgetDescriptions } from './schema.ts'

export { openApiV2Protobuf } from './openapi-protobuf.ts'

/** What clients ask for; it is no valid media type (`@`), so the answer goes by the other name, as upstream's does. */
export const openApiV2ProtobufTypes = {
  accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  answer: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
}

const info = { title: 'Kubernetes', version: 'v1.36.0' }

export interface OpenApiDocument {
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly [part: string]: unknown
}

/** GET /openapi/v2: one document for all groups. Costly (some ten milliseconds, a megabyte): keep what it is encoded to. */
export function openApiV2(kinds: readonly Kind[]): OpenApiDocument {
  const definitions = new Definitions(2, kinds)
  const schemas = definitions.schemas(kinds, kinds)
  const document = { swagger: '2.0', info, paths: pathsOf(definitions, kinds), definitions: schemas }
  forgetDescriptions()
  return document
}

/** GET /openapi/v3/api/v1 or /openapi/v3/apis/{group}/{version}; undefined where no kind has that group and version. */
export function openApiV3(kinds: readonly Kind[], group: string, version: string): OpenApiDocument | undefined {
  const document = documentV3(kinds, group, version)
  forgetDescriptions()
  return document
}

function documentV3(kinds: readonly Kind[], group: string, version: string): OpenApiDocument | undefined {
  const own = kinds.filter((kind) => kind.group === group && kind.version === version)
  if (own.length === 0) return undefined
  const definitions = new Definitions(3, kinds)
  return { openapi: '3.0.0', info, paths: pathsOf(definitions, own), components: { schemas: definitions.schemas(own, kinds) } }
}

export interface OpenApiV3Index {
  readonly paths: Readonly<Record<string, { readonly serverRelativeURL: string }>>
}

const indexes = new WeakMap<readonly Kind[], OpenApiV3Index>()

/**
 * GET /openapi/v3: where each group version's document lies. The hash in the address changes when the document does, so
 * that clients may keep documents for ever. Computed once for one list of kinds.
 */
export function openApiV3Index(kinds: readonly Kind[]): OpenApiV3Index {
  const known = indexes.get(kinds)
  if (known) return known
  const paths: Record<string, { serverRelativeURL: string }> = {}
  const groupVersions = new Map(kinds.map((kind) => [apiVersionOf(kind), kind]))
  for (const [apiVersion, { group, version }] of groupVersions) {
    const path = `${group ? 'apis' : 'api'}/${apiVersion}`
    const text = JSON.stringify(documentV3(kinds, group, version))
    const hash = createHash('sha256').update(text).digest('hex').toUpperCase()
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }
  }
  forgetDescriptions()
  const index = { paths }
  indexes.set(kinds, index)
  return index
}
