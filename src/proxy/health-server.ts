import { timestamp } from '../host/clock.ts'
import type { Answer } from './listen.ts'

/** What the health endpoints tell. Times are ms since the epoch, 0 for never. */
export interface ProxyHealth {
  readonly lastUpdatedMs: number
  readonly nowMs: number
  /** Rules are up to date, or have been behind for only a short while. */
  readonly healthy: boolean
  /** False: the node is going away, so load balancers shall choose others, though the proxy works. */
  readonly nodeEligible: boolean
}

/**
 * /healthz and /livez as kube-proxy answers them: 200 or 503 with a JSON body. /healthz is for load balancers, and fails
 * on a node that is going away (KEP-3836); /livez is for whoever restarts the proxy. A proxy that is healthy was, in effect,
 * updated now; one that isn't tells since when.
 */
export function healthAnswer(health: () => ProxyHealth, count: (path: 'healthz' | 'livez', code: number) => void): Answer {
  return (path, response) => {
    if (path !== '/healthz' && path !== '/livez') return false
    const { lastUpdatedMs, nowMs, healthy, nodeEligible } = health()
    const code = healthy && (nodeEligible || path === '/livez') ? 200 : 503
    const body = {
      lastUpdated: timestamp(code === 200 ? nowMs : lastUpdatedMs),
      currentTime: timestamp(nowMs),
      ...(path === '/healthz' ? { nodeEligible } : {}),
    }
    count(path.slice(1) as 'healthz' | 'livez', code)
    response.writeHead(code, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
    response.end(JSON.stringify(body))
    return true
  }
}

/** /metrics in Prometheus' text format, /healthz and /proxyMode. */
export function metricsAnswer(mode: string, metrics: () => string): Answer {
  return (path, response) => {
    const text = path === '/metrics' ? metrics() : path === '/proxyMode' ? mode : path === '/healthz' ? 'ok' : undefined
    if (text === undefined) return false
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'x-content-type-options': 'nosniff' }).end(text)
    return true
  }
}
