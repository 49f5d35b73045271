import { kindFor } from '../api/registry.ts'
import type { Clock } from '../host/clock.ts'
import { type Distribution, headOf, histogramLines, labelText, newDistribution, observed } from '../host/metric-families.ts'
import type { ApiRequest } from '../machinery/api-request.ts'
import { mediaType } from '../machinery/parse-body.ts'
import { isLongRunning, type Route } from './route.ts'

const bounds: readonly number[] = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const labelNames = ['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component'] as const
const withoutDryRun = labelNames.filter((name) => name !== 'dry_run')
type Labels = Readonly<Record<(typeof labelNames)[number], string>>

/** All requests that have the same labels. */
interface Series {
  readonly labels: Labels
  readonly codes: Map<number, number>
  readonly duration: Distribution
  /** Answers that go on: watches. */
  open: number
}

/** One request, from its beginning on. */
export interface CountedRequest {
  answered(code: number): void
  /** Its answer goes on; the result is called when it ends. */
  goesOn(): () => void
}

const verbs: Readonly<Record<string, string>> = { create: 'POST', update: 'PUT' }
const connects = new Set(['log', 'exec', 'portforward', 'attach', 'proxy'])
const reading = new Set(['get', 'list', 'watch', 'head', 'options'])
/** Given where the server cannot serve a request, or not in time. */
const terminations = [429, 504]

/** Requests by upstream's labels. */
export class RequestMetrics {
  readonly #clock: Clock
  /** By what their labels are made of, so that a request costs one look-up. */
  readonly #series = new Map<string, Series>()
  readonly #inFlight = { readOnly: 0, mutating: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  began(route: Route, request: ApiRequest): CountedRequest {
    const series = this.#seriesOf(route, request)
    const kind = isLongRunning(route) ? undefined : reading.has(route.verb) ? 'readOnly' : 'mutating'
    if (kind) this.#inFlight[kind]++
    const beganMs = this.#clock.monotonic()
    return {
      answered: (code) => {
        if (kind) {
          this.#inFlight[kind]--
          observed(series.duration, (this.#clock.monotonic() - beganMs) / 1000, bounds)
        }
        series.codes.set(code, (series.codes.get(code) ?? 0) + 1)
      },
      goesOn: () => {
        series.open++
        return () => void series.open--
      },
    }
  }

  #seriesOf(route: Route, request: ApiRequest): Series {
    const key = keyOf(route, request)
    const known = this.#series.get(key)
    if (known) return known
    const labels = labelsOf(route, request)
    const text = labelText(labelNames, valuesOf(labels))
    // Paths and verbs of all kinds may come down to the same labels; then the key is not worth keeping.
    let series = this.#series.get(text)
    if (!series) {
      series = { labels, codes: new Map(), duration: newDistribution(bounds), open: 0 }
      this.#series.set(text, series)
    }
    if (isKept(route, labels)) this.#series.set(key, series)
    return series
  }

  lines(): string[] {
    const all = [...new Set(this.#series.values())]
    const told = all.map((series) => ({ ...series, text: labelText(labelNames, valuesOf(series.labels)) }))
    const requests = told.flatMap(({ text, codes }) =>
      [...codes].map(([code, count]) => `apiserver_request_total{${text},code="${code}"} ${count}`),
    )
    const timed = told.filter(({ duration }) => duration.count > 0)
    const inFlight = Object.entries(this.#inFlight).map(
      ([kind, count]) => `apiserver_current_inflight_requests{request_kind="${kind}"} ${count}`,
    )
    return [
      ...headOf('apiserver_request_total', 'counter', 'Requests by verb, resource and HTTP response code.'),
      ...requests,
      ...headOf('apiserver_request_duration_seconds', 'histogram', 'Response latency in seconds by verb and resource.'),
      ...timed.flatMap(({ text, duration }) => histogramLines('apiserver_request_duration_seconds', text, duration, bounds)),
      ...headOf('apiserver_current_inflight_requests', 'gauge', 'Requests being served.'),
      ...inFlight,
      ...headOf('apiserver_longrunning_requests', 'gauge', 'Open watches by kind.'),
      ...this.#each('apiserver_longrunning_requests', all, ({ labels, open }) => (labels.verb === 'WATCH' ? [['', open]] : [])),
      ...headOf('apiserver_request_terminations_total', 'counter', 'Requests that were given up in self-defence.'),
      ...this.#each('apiserver_request_terminations_total', all, ({ codes }) =>
        terminations.flatMap((code) => (codes.has(code) ? [[`,code="${code}"`, codes.get(code) as number] as const] : [])),
      ),
    ]
  }

  /** Summed over dry runs and others, which these families do not tell apart. */
  #each(name: string, all: readonly Series[], numbersOf: (series: Series) => readonly (readonly [string, number])[]): string[] {
    const sums = new Map<string, number>()
    for (const series of all) {
      const text = labelText(
        withoutDryRun,
        withoutDryRun.map((label) => series.labels[label]),
      )
      for (const [more, number] of numbersOf(series)) sums.set(text + more, (sums.get(text + more) ?? 0) + number)
    }
    return [...sums].map(([labels, number]) => `${name}{${labels}} ${number}`)
  }
}

const valuesOf = (labels: Labels): string[] => labelNames.map((name) => labels[name])

function keyOf(route: Route, request: ApiRequest): string {
  const dry = request.query.has('dryRun') ? ` ${dryRunOf(request)}` : ''
  if (route.type === 'path') return `${route.verb} ${route.path}${dry}`
  const { verb, group, version, plural, subresource } = route
  const apply = verb === 'patch' ? mediaType(request.contentType) : ''
  return `${verb}${apply} ${group}/${version}/${plural}/${subresource ?? ''} ${scopeOf(route)}${dry}`
}

/** What clients make up is not to fill the memory: only what exists is remembered. */
function isKept(route: Route, { verb }: Labels): boolean {
  return route.type === 'resource' && verb !== 'OTHER' && (route.subresource === undefined || isSubresource(route))
}

function dryRunOf({ query }: ApiRequest): string {
  const asked = query.getAll('dryRun')
  return asked.length === 0 ? '' : asked.every((value) => value === 'All') ? 'All' : 'invalid'
}

function scopeOf(route: Route): string {
  if (route.type === 'path') return ''
  if (route.name !== undefined || route.verb === 'create') return 'resource'
  return route.namespace === undefined ? 'cluster' : 'namespace'
}

function isSubresource({ group, version, plural, subresource = '' }: Extract<Route, { type: 'resource' }>): boolean {
  const known = kindFor(group, version, plural)
  return known !== undefined && (['status', 'scale'].includes(subresource) || known.subresources.some(({ name }) => name === subresource))
}

const nothing = { group: '', version: '', resource: '', subresource: '', scope: '', component: 'apiserver' }
const healthPaths = /^\/(?:healthz|livez|readyz|metrics|version|openapi\/v[23])$/

function labelsOf(route: Route, request: ApiRequest): Labels {
  const dryRun = dryRunOf(request)
  if (route.type === 'path') {
    return { ...nothing, verb: request.method, dry_run: dryRun, subresource: healthPaths.test(route.path) ? route.path : '' }
  }
  const { verb, group, version, plural } = route
  if (!kindFor(group, version, plural)) return { ...nothing, verb: 'OTHER', dry_run: '' }
  const subresource = isSubresource(route) ? (route.subresource as string) : ''
  return {
    verb: connects.has(subresource) ? 'CONNECT' : verbOf(verb, request),
    dry_run: dryRun,
    group,
    version,
    resource: plural,
    subresource,
    scope: scopeOf(route),
    component: 'apiserver',
  }
}

function verbOf(verb: string, { contentType }: ApiRequest): string {
  if (verb === 'patch') return mediaType(contentType).startsWith('application/apply-patch') ? 'APPLY' : 'PATCH'
  return verbs[verb] ?? verb.toUpperCase()
}
