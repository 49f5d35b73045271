import type { ApiHandler, ApiRequest, UserInfo } from '../machinery/api-request.ts'
import { internalError } from '../machinery/status.ts'
import type { Client } from './client.ts'
import { type Call, clientOver, errorOf, type Transport } from './resource-client.ts'

/**
 * A client inside the server's own process: requests go to the handler as values, without encoding. What it answers
 * may be the server's own objects, so it is never changed in place; what it is given is not changed by the server.
 */
export function directClient(handler: ApiHandler, user: UserInfo, userAgent: string): Client {
  const closed = new AbortController()
  const requestOf = (call: Call): ApiRequest => ({
    method: call.method,
    path: call.path,
    query: call.query,
    contentType: call.contentType,
    accept: 'application/json',
    userAgent,
    body: call.body,
    user,
    signal: call.signal ?? closed.signal,
  })
  const transport: Transport = {
    async call(call) {
      const response = await handler(requestOf(call))
      if (response.type === 'watch') throw internalError(`${call.path} answered with a watch that was not asked for`)
      if (response.type === 'text') {
        if (response.code >= 400) throw errorOf(response.code, undefined, response.text)
        return JSON.parse(response.text) as object
      }
      if (response.code >= 400) throw errorOf(response.code, response.object)
      return response.object
    },
    async *watch(call) {
      const response = await handler(requestOf(call))
      if (response.type === 'object') throw errorOf(response.code, response.object)
      if (response.type === 'text') throw errorOf(response.code, undefined, response.text)
      yield* response.events
    },
    async text(path, signal) {
      const url = new URL(path, 'https://in.process')
      const call: Call = { method: 'GET', path: url.pathname, query: url.searchParams, contentType: '', body: undefined, signal }
      const response = await handler(requestOf(call))
      if (response.type === 'watch') throw internalError(`${path} is a watch`)
      if (response.code >= 400)
        throw errorOf(response.code, response.type === 'object' ? response.object : undefined, 'text' in response ? response.text : '')
      return response.type === 'text' ? response.text : JSON.stringify(response.object)
    },
    async close() {
      closed.abort(new Error('the client was closed'))
    },
  }
  return clientOver(transport)
}
