import type { ApiRequest, ApiResponse } from '../machinery/api-request.ts'
import { pathNotFound } from '../machinery/status.ts'
import type { Store } from '../storage/store.ts'
import { textAnswer } from './answer.ts'
import type { WatchCache } from './watch-cache.ts'

interface Deps {
  readonly store: Store
  readonly cache: WatchCache
  /** The server is going away. */
  readonly isClosing: () => boolean
}

export type HealthPath = 'healthz' | 'livez' | 'readyz'

interface Check {
  readonly name: string
  readonly at: readonly HealthPath[]
  readonly run: (deps: Deps) => Promise<void> | void
}

const everywhere = ['healthz', 'livez', 'readyz'] as const

/** By upstream's names and in its order: https://kubernetes.io/docs/reference/using-api/health-checks/. */
const checks: readonly Check[] = [
  { name: 'ping', at: everywhere, run: () => {} },
  { name: 'etcd', at: everywhere, run: ({ store }) => store.healthy() },
  { name: 'etcd-readiness', at: ['readyz'], run: ({ store }) => store.healthy() },
  { name: 'informer-sync', at: ['readyz'], run: ({ cache }) => cache.fresh() },
  {
    name: 'shutdown',
    at: ['readyz'],
    run({ isClosing }) {
      if (isClosing()) throw new Error('process is shutting down')
    },
  },
]

async function faultOf(check: Check, deps: Deps): Promise<string | undefined> {
  try {
    await check.run(deps)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** `ok`, or which checks failed; `?verbose` lists all, `?exclude=` leaves out; `/readyz/etcd` asks one. */
export async function healthAnswer(path: HealthPath, rest: readonly string[], { query }: ApiRequest, deps: Deps): Promise<ApiResponse> {
  const here = checks.filter(({ at }) => at.includes(path))
  if (rest.length > 0) {
    const asked = here.find(({ name }) => name === rest.join('/'))
    if (!asked) throw pathNotFound()
    const fault = await faultOf(asked, deps)
    return fault === undefined ? textAnswer(200, 'ok') : textAnswer(500, `internal server error: ${fault}\n`)
  }
  const excluded = new Set(query.getAll('exclude'))
  const lines: string[] = []
  let failed = false
  for (const check of here) {
    const { name } = check
    if (excluded.delete(name)) {
      lines.push(`[+]${name} excluded: ok`)
      continue
    }
    const fault = await faultOf(check, deps)
    failed ||= fault !== undefined
    // Why is for those who may ask for the one check: this page is public.
    lines.push(fault === undefined ? `[+]${name} ok` : `[-]${name} failed: reason withheld`)
  }
  if (excluded.size > 0) {
    const unknown = [...excluded].sort().map((name) => JSON.stringify(name))
    lines.push(`warn: some health checks cannot be excluded: no matches for ${unknown.join(',')}`)
  }
  if (failed) return textAnswer(500, `${lines.join('\n')}\n${path} check failed\n`)
  return textAnswer(200, query.has('verbose') ? `${lines.join('\n')}\n${path} check passed\n` : 'ok')
}
