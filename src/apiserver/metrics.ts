import type { Clock } from '../host/clock.ts'
import type { Store } from '../storage/store.ts'
import type { Fairness } from './fairness/fairness.ts'
import { histogramLines } from './metric-families.ts'
import type { WatchCache } from './watch-cache.ts'

const buckets: readonly number[] = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]

interface Latency {
  readonly counts: number[]
  sum: number
  count: number
}

/** What counts for itself. */
export interface MetricSource {
  /** Whole families, as Prometheus reads them. */
  lines(): readonly string[]
}

interface Labels {
  readonly verb: string
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly subresource: string
}

/** The basics under upstream's names, as text that Prometheus reads. */
export class Metrics {
  readonly #clock: Clock
  readonly #fairness: Fairness
  readonly #sources: readonly MetricSource[]
  readonly #requests = new Map<string, number>()
  readonly #latencies = new Map<string, Latency>()
  inFlight = 0

  constructor(clock: Clock, fairness: Fairness, sources: readonly MetricSource[]) {
    this.#clock = clock
    this.#fairness = fairness
    this.#sources = sources
  }

  /** Milliseconds to give back to {@link finished}. */
  started(): number {
    this.inFlight++
    return this.#clock.monotonic()
  }

  finished(labels: Labels, code: number, startedMs: number): void {
    this.inFlight--
    const base = labelText(labels)
    const key = `${base},code="${code}"`
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1)
    if (labels.verb === 'WATCH') return
    const seconds = (this.#clock.monotonic() - startedMs) / 1000
    let latency = this.#latencies.get(base)
    if (!latency) {
      latency = { counts: new Array<number>(buckets.length).fill(0), sum: 0, count: 0 }
      this.#latencies.set(base, latency)
    }
    latency.count++
    latency.sum += seconds
    const bucket = buckets.findIndex((limit) => seconds <= limit)
    if (bucket >= 0) latency.counts[bucket] = (latency.counts[bucket] as number) + 1
  }

  text(cache: WatchCache, store: Store): string {
    const lines: string[] = []
    const family = (name: string, type: string, help: string): void => void lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
    family('apiserver_request_total', 'counter', 'Requests by verb, resource and HTTP response code.')
    for (const [labels, count] of this.#requests) lines.push(`apiserver_request_total{${labels}} ${count}`)
    family('apiserver_request_duration_seconds', 'histogram', 'Response latency in seconds by verb and resource.')
    for (const [labels, latency] of this.#latencies)
      lines.push(...histogramLines('apiserver_request_duration_seconds', labels, latency, buckets))
    family('apiserver_current_inflight_requests', 'gauge', 'Requests being served.')
    lines.push(`apiserver_current_inflight_requests ${this.inFlight}`)
    lines.push(...this.#fairness.metricLines(), ...this.#sources.flatMap((source) => source.lines()))
    family('apiserver_storage_objects', 'gauge', 'Stored objects by kind.')
    family('apiserver_longrunning_requests', 'gauge', 'Open watches by kind.')
    for (const { kind, size, history } of cache.kinds()) {
      lines.push(`apiserver_storage_objects{resource="${kind.plural}",group="${kind.group}"} ${size}`)
      lines.push(`apiserver_longrunning_requests{verb="WATCH",resource="${kind.plural}",group="${kind.group}"} ${history.followers.size}`)
    }
    const { bytesOnDisk, bytesInMemory, commits, fsyncs, revision, latency: storeLatency } = store.metrics()
    family('apiserver_storage_size_bytes', 'gauge', 'Size of the storage on disk in bytes.')
    lines.push(`apiserver_storage_size_bytes ${bytesOnDisk}`)
    family('ownkube_storage_commits_total', 'counter', 'Commits since the start.')
    lines.push(`ownkube_storage_commits_total ${commits}`, `ownkube_storage_fsyncs_total ${fsyncs}`, `ownkube_storage_revision ${revision}`)
    family('ownkube_storage_memory_bytes', 'gauge', 'Keys and values in memory, history included.')
    lines.push(`ownkube_storage_memory_bytes ${bytesInMemory}`)
    family(
      'ownkube_storage_duration_seconds',
      'histogram',
      'Latency of the store: commits, lists, and from a commit to the reader of a watch.',
    )
    for (const [operation, { boundsSeconds, counts, sumSeconds, count }] of Object.entries(storeLatency)) {
      const latency = { counts, sum: sumSeconds, count }
      lines.push(...histogramLines('ownkube_storage_duration_seconds', `operation="${operation}"`, latency, boundsSeconds))
    }
    family('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.')
    lines.push(`process_resident_memory_bytes ${process.memoryUsage.rss()}`)
    return `${lines.join('\n')}\n`
  }
}

function labelText({ verb, group, version, resource, subresource }: Labels): string {
  return `verb="${verb}",group="${group}",version="${version}",resource="${resource}",subresource="${subresource}"`
}
