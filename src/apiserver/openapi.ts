import { kinds } from '../api/registry.ts'
import type { ApiRequest, ApiResponse } from '../machinery/api-request.ts'
import { notAcceptable, pathNotFound } from '../machinery/status.ts'
import { type Answer, objectAnswer } from './answer.ts'

/**
 * /openapi/v2 and /openapi/v3/...: the documents are large and seldom asked for (clients keep them by the hash in their
 * address), so the code that makes them is loaded when first needed and nothing is kept.
 */
export async function openApiAnswer(rest: readonly string[], request: ApiRequest): Promise<Answer> {
  const openapi = await import('../api/openapi.ts')
  const [version, root, ...place] = rest
  if (version === 'v2' && root === undefined) {
    const document = openapi.openApiV2(kinds)
    if (!request.accept.includes('proto-openapi.spec.v2')) return objectAnswer(200, document)
    const bytes = openapi.openApiV2Protobuf(document)
    return { type: 'bytes', code: 200, contentType: openapi.openApiV2ProtobufTypes.answer, bytes }
  }
  if (version !== 'v3') throw pathNotFound()
  if (root === undefined) return objectAnswer(200, openapi.openApiV3Index(kinds))
  if (request.accept !== '' && !/json|\*\/\*/.test(request.accept)) throw notAcceptable('application/json')
  const [group, apiVersion] = root === 'api' ? ['', place[0]] : [place[0], place[1]]
  const isWhole = place.length === (root === 'api' ? 1 : 2) && (root === 'api' || root === 'apis')
  const document = isWhole ? openapi.openApiV3(kinds, group as string, apiVersion as string) : undefined
  if (!document) throw pathNotFound()
  const { serverRelativeURL } = openapi.openApiV3Index(kinds).paths[rest.slice(1).join('/')] as { serverRelativeURL: string }
  return { ...objectAnswer(200, document), hash: serverRelativeURL.slice(serverRelativeURL.indexOf('=') + 1) } as ApiResponse
}
