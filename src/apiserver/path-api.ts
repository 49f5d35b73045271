import type { ApiRequest, ApiResponse } from '../machinery/api-request.ts'
import { methodNotAllowed, pathNotFound } from '../machinery/status.ts'
import type { Store } from '../storage/store.ts'
import type { ServiceAccountTokens } from './access/service-account-tokens.ts'
import { type Answer, objectAnswer, textAnswer } from './answer.ts'
import { type Discovery, version } from './discovery.ts'
import { healthAnswer } from './health.ts'
import { negotiate } from './negotiation.ts'
import { openApiAnswer } from './openapi.ts'
import type { WatchCache } from './watch-cache.ts'

interface Deps {
  readonly discovery: Discovery
  readonly metrics: () => string
  readonly isClosing: () => boolean
  readonly store: Store
  readonly cache: WatchCache
  readonly tokens: ServiceAccountTokens
  readonly serverAddress: () => string
}

/** Everything that is no resource: discovery, versions, health, OpenAPI, metrics. */
export async function pathAnswer(path: string, request: ApiRequest, deps: Deps): Promise<Answer> {
  if (request.method !== 'GET') {
    if (/^\/(api|apis|version|healthz|livez|readyz|openapi|metrics)(\/|$)/.test(path)) throw methodNotAllowed()
    throw pathNotFound()
  }
  const [root, ...rest] = path.split('/').filter(Boolean)
  switch (root) {
    case undefined:
      return objectAnswer(200, { paths: allPaths(deps.discovery) })
    case 'api':
    case 'apis':
      return discovered(root, rest, request, deps)
    case 'version':
      if (rest.length > 0) throw pathNotFound()
      return objectAnswer(200, version)
    case 'healthz':
    case 'livez':
    case 'readyz':
      return healthAnswer(root, rest, request, deps)
    case 'openapi':
      return openApiAnswer(rest, request)
    case '.well-known':
      if (path !== '/.well-known/openid-configuration') throw pathNotFound()
      return objectAnswer(200, deps.tokens.discoveryDocument())
    case 'openid':
      if (path !== '/openid/v1/jwks') throw pathNotFound()
      return objectAnswer(200, deps.tokens.publicKeys())
    case 'metrics':
      return textAnswer(200, deps.metrics(), 'text/plain; version=0.0.4; charset=utf-8')
    default:
      throw pathNotFound()
  }
}

function allPaths(discovery: Discovery): string[] {
  const paths = new Set([
    '/.well-known/openid-configuration',
    '/api',
    '/api/v1',
    '/apis',
    '/healthz',
    '/livez',
    '/metrics',
    '/openapi/v2',
    '/openapi/v3',
    '/openid/v1/jwks',
    '/readyz',
    '/version',
  ])
  for (const { group, version } of discovery.groupVersions()) if (group) paths.add(`/apis/${group}`).add(`/apis/${group}/${version}`)
  return [...paths].sort()
}

function discovered(root: 'api' | 'apis', rest: readonly string[], request: ApiRequest, deps: Deps): ApiResponse {
  const { discovery } = deps
  const aggregated = rest.length === 0 && negotiate(request.accept).as === 'APIGroupDiscoveryList'
  if (aggregated) return objectAnswer(200, discovery.aggregated(root === 'api'))
  const [first = '', second] = rest
  let found: object | undefined
  if (root === 'api') {
    if (rest.length === 0) found = discovery.coreVersions(deps.serverAddress())
    else if (rest.length === 1) found = discovery.resources({ group: '', version: first })
  } else if (rest.length === 0) found = discovery.groupList()
  else if (rest.length === 1) found = discovery.group(first)
  else if (rest.length === 2 && first) found = discovery.resources({ group: first, version: second as string })
  if (!found) throw pathNotFound()
  return objectAnswer(200, found)
}
