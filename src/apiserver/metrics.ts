import type { Clock } from '../host/clock.ts'
import { headOf, histogramLines, labelText } from '../host/metric-families.ts'
import type { Store } from '../storage/store.ts'
import { version } from './discovery.ts'
import type { WatchCache } from './watch-cache.ts'

/** What counts for itself. */
export interface MetricSource {
  /** Whole families, as Prometheus reads them. */
  lines(): readonly string[]
}

interface Deps {
  readonly clock: Clock
  readonly cache: WatchCache
  readonly store: Store
}

/** All that there is to tell, under upstream's names where there is one (https://kubernetes.io/docs/reference/instrumentation/metrics/). */
export function metricsText(sources: readonly MetricSource[], { clock, cache, store }: Deps): string {
  const lines = [...sources.flatMap((source) => source.lines()), ...objectLines(cache), ...storeLines(store), ...processLines(clock)]
  return `${lines.join('\n')}\n`
}

function objectLines(cache: WatchCache): string[] {
  const kinds = [...cache.kinds()]
  const named = ({ group, plural }: { group: string; plural: string }): string => (group ? `${plural}.${group}` : plural)
  return [
    ...headOf('apiserver_resource_objects', 'gauge', 'Stored objects by kind.'),
    ...kinds.map(({ kind, size }) => `apiserver_resource_objects{${labelText(['group', 'resource'], [kind.group, kind.plural])}} ${size}`),
    ...headOf('apiserver_storage_objects', 'gauge', 'Stored objects by kind, under the older name.'),
    ...kinds.map(({ kind, size }) => `apiserver_storage_objects{resource="${named(kind)}"} ${size}`),
  ]
}

function storeLines(store: Store): string[] {
  const { bytesOnDisk, bytesInMemory, commits, fsyncs, revision, latency } = store.metrics()
  const own = 'ownkube_storage_duration_seconds'
  return [
    ...headOf('apiserver_storage_size_bytes', 'gauge', 'Size of the storage on disk in bytes.'),
    `apiserver_storage_size_bytes{storage_cluster_id="etcd-0"} ${bytesOnDisk}`,
    ...headOf('ownkube_storage_commits_total', 'counter', 'Commits since the start.'),
    `ownkube_storage_commits_total ${commits}`,
    ...headOf('ownkube_storage_fsyncs_total', 'counter', 'Writes that the disk was waited for.'),
    `ownkube_storage_fsyncs_total ${fsyncs}`,
    ...headOf('ownkube_storage_revision', 'gauge', 'The newest revision.'),
    `ownkube_storage_revision ${revision}`,
    ...headOf('ownkube_storage_memory_bytes', 'gauge', 'Keys and values in memory, history included.'),
    `ownkube_storage_memory_bytes ${bytesInMemory}`,
    ...headOf(own, 'histogram', 'Latency of the store: commits, lists, and from a commit to the reader of a watch.'),
    ...Object.entries(latency).flatMap(([operation, { boundsSeconds, counts, sumSeconds, count }]) =>
      histogramLines(own, `operation="${operation}"`, { counts, sum: sumSeconds, count }, boundsSeconds),
    ),
  ]
}

function processLines(clock: Clock): string[] {
  const { user, system } = process.cpuUsage()
  const { major, minor, gitVersion, gitCommit, platform } = version
  const build = labelText(['major', 'minor', 'git_version', 'git_commit', 'platform'], [major, minor, gitVersion, gitCommit, platform])
  return [
    ...headOf('kubernetes_build_info', 'gauge', 'Which version this is.'),
    `kubernetes_build_info{${build}} 1`,
    ...headOf('process_cpu_seconds_total', 'counter', 'Processor time in seconds.'),
    `process_cpu_seconds_total ${(user + system) / 1e6}`,
    ...headOf('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.'),
    `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
    ...headOf('process_start_time_seconds', 'gauge', 'When the process began, in seconds since the epoch.'),
    `process_start_time_seconds ${clock.now() / 1000 - process.uptime()}`,
  ]
}
