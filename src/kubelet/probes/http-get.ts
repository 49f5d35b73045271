import type { IncomingMessage } from 'node:http'
import type { Container, HTTPGetAction } from '../../api/generated/types.ts'

/** A port by number or by the name that the container gives it. Throws where there is no such name. */
export function portOf(port: number | string, container: Container): number {
  const number = typeof port === 'number' ? port : /^\d+$/.test(port) ? Number(port) : undefined
  const found = number ?? container.ports?.find(({ name }) => name === port)?.containerPort
  if (found === undefined || found < 1 || found > 65_535)
    throw new Error(`unable to find named port ${JSON.stringify(port)} in container ${container.name}`)
  return found
}

export interface HttpAnswer {
  status: number
  body: string
}

/** The GET of a probe or hook: certificates unchecked, redirects to the same host followed. Body cut at 10 KiB. */
export async function httpGet(action: HTTPGetAction, container: Container, podIp: string, signal: AbortSignal): Promise<HttpAnswer> {
  const host = action.host || podIp
  const scheme = (action.scheme ?? 'HTTP').toLowerCase()
  const path = action.path || '/'
  let url = new URL(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${portOf(action.port, container)}`)
  url = new URL(path.startsWith('/') ? path : `/${path}`, url)
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.37', accept: '*/*', connection: 'close' }
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value
  for (let hop = 0; hop < 10; hop++) {
    const answer = await once(url, headers, signal)
    const location = answer.location === undefined ? undefined : new URL(answer.location, url)
    if (answer.status < 300 || answer.status >= 400 || location?.hostname !== url.hostname) return answer
    url = location
  }
  return { status: 310, body: 'stopped after 10 redirects' }
}

async function once(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<HttpAnswer & { location?: string }> {
  const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http')
  return new Promise((resolve, reject) => {
    const options = { headers, signal, agent: false as const, rejectUnauthorized: false }
    const sent = request(url, options, (answer: IncomingMessage) => {
      const chunks: Buffer[] = []
      let size = 0
      const done = (): void => {
        const { location } = answer.headers
        const body = Buffer.concat(chunks).subarray(0, 10_240).toString()
        resolve({ status: answer.statusCode ?? 0, body, ...(location === undefined ? {} : { location }) })
        answer.destroy()
      }
      answer.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size >= 10_240) done()
      })
      answer.on('end', done)
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}
