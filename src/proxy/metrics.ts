import type { AddressFamily } from './service-port.ts'

const exponential = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i)
const linear = (from: number, step: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i * step)
/** Upstream's own, so that its alerts and boards fit: half a second to five minutes. */
const programmingBuckets = [0, ...linear(0.25, 0.25, 2), ...linear(1, 1, 59), ...linear(60, 5, 12), ...linear(120, 30, 7)]

class Histogram {
  readonly #limits: readonly number[]
  readonly #counts: number[]
  #sum = 0
  #count = 0

  constructor(limits: readonly number[]) {
    this.#limits = limits
    this.#counts = limits.map(() => 0)
  }

  observe(seconds: number): void {
    this.#sum += seconds
    this.#count++
    this.#limits.forEach((limit, i) => {
      if (seconds <= limit) this.#counts[i]!++
    })
  }

  lines(name: string, labels = ''): string[] {
    const own = labels === '' ? '' : `{${labels}}`
    const rest = labels === '' ? '' : `${labels},`
    return [
      ...this.#limits.map((limit, i) => `${name}_bucket{${rest}le="${Number(limit.toPrecision(12))}"} ${this.#counts[i]}`),
      `${name}_bucket{${rest}le="+Inf"} ${this.#count}`,
      `${name}_sum${own} ${this.#sum}`,
      `${name}_count${own} ${this.#count}`,
    ]
  }
}

/** What is counted for one address family. */
class FamilyMetrics {
  readonly syncSeconds = new Histogram(exponential)
  readonly programmingSeconds = new Histogram(programmingBuckets)
  lastSyncMs = 0
  failures = 0
  lastRules = 0
}

/** What the proxy holds at the moment of asking. */
export interface ProxyCounts {
  readonly family: AddressFamily
  /** Rules by table, or elements by set. */
  readonly rules: ReadonlyMap<string, number>
  /** Service ports whose policy is Local while nobody here serves them. */
  readonly noLocal: { readonly internal: number; readonly external: number }
}

/** Changes ever seen, and those of them that are not in the kernel yet. */
export interface ChangeCounts {
  readonly services: number
  readonly endpoints: number
  readonly pendingServices: number
  readonly pendingEndpoints: number
}

type Kind = 'counter' | 'gauge' | 'histogram'

/** The text that Prometheus reads, version 0.0.4: what the proxy counts, under kube-proxy's names. */
export class ProxyMetrics {
  readonly #families = new Map<AddressFamily, FamilyMetrics>()
  readonly #probes = new Map<string, number>()
  readonly flowsSeconds = new Histogram(exponential)
  lastQueuedMs = 0
  repairs = 0
  staleFlowsRemoved = 0

  of(family: AddressFamily): FamilyMetrics {
    const found = this.#families.get(family) ?? new FamilyMetrics()
    this.#families.set(family, found)
    return found
  }

  countProbe(path: 'healthz' | 'livez', code: number): void {
    const key = `${path} ${code}`
    this.#probes.set(key, (this.#probes.get(key) ?? 0) + 1)
  }

  text(mode: string, changes: ChangeCounts, counts: readonly ProxyCounts[]): string {
    const page = new MetricsPage()
    this.#syncs(page, mode)
    page.one('sync_proxy_rules_service_changes_total', 'counter', 'Changes of Services seen', changes.services)
    page.one('sync_proxy_rules_service_changes_pending', 'gauge', 'Of them, not in the kernel yet', changes.pendingServices)
    page.one('sync_proxy_rules_endpoint_changes_total', 'counter', 'Changes of EndpointSlices seen', changes.endpoints)
    page.one('sync_proxy_rules_endpoint_changes_pending', 'gauge', 'Of them, not in the kernel yet', changes.pendingEndpoints)
    this.#rules(page, mode, counts)
    for (const path of ['healthz', 'livez'] as const) {
      page.add(`proxy_${path}_total`, 'counter', `Answers of /${path}, by code`, (full) =>
        [...this.#probes].filter(([key]) => key.startsWith(path)).map(([key, count]) => `${full}{code="${key.split(' ')[1]}"} ${count}`),
      )
    }
    page.add('conntrack_reconciler_sync_duration_seconds', 'histogram', 'Time of one look for stale flows', (full) =>
      this.flowsSeconds.lines(full),
    )
    page.one('conntrack_reconciler_deleted_entries_total', 'counter', 'Stale flows that were forgotten', this.staleFlowsRemoved)
    page.one('rule_repairs_total', 'counter', 'Times that rules changed by someone else were put back', this.repairs)
    return page.text()
  }

  #syncs(page: MetricsPage, mode: string): void {
    const each = (name: string, type: Kind, help: string, lines: (full: string, labels: string, of: FamilyMetrics) => string[]): void =>
      page.add(name, type, help, (full) => [...this.#families].flatMap(([family, of]) => lines(full, `ip_family="${family}"`, of)))
    each('sync_proxy_rules_duration_seconds', 'histogram', 'Time of one change of the rules', (full, labels, of) =>
      of.syncSeconds.lines(full, labels),
    )
    each(
      'network_programming_duration_seconds',
      'histogram',
      'Time from the cause of an endpoint change to the rules',
      (full, labels, of) => of.programmingSeconds.lines(full, labels),
    )
    each('sync_proxy_rules_last_timestamp_seconds', 'gauge', 'When the rules were last brought up to date', (full, labels, of) => [
      `${full}{${labels}} ${of.lastSyncMs / 1000}`,
    ])
    each('sync_proxy_rules_last_queued_timestamp_seconds', 'gauge', 'When a change last came in', (full, labels) => [
      `${full}{${labels}} ${this.lastQueuedMs / 1000}`,
    ])
    const failures =
      mode === 'iptables' ? 'sync_proxy_rules_iptables_restore_failures_total' : 'sync_proxy_rules_nftables_sync_failures_total'
    each(failures, 'counter', 'Changes that the kernel refused', (full, labels, of) => [`${full}{${labels}} ${of.failures}`])
  }

  #rules(page: MetricsPage, mode: string, counts: readonly ProxyCounts[]): void {
    // For nftables upstream has no such numbers: sets take the place of tables.
    const label = mode === 'iptables' ? 'table' : 'set'
    page.add(`sync_proxy_rules_${mode}_total`, 'gauge', `Rules of the proxy, by ${label}`, (full) =>
      counts.flatMap(({ family, rules }) => [...rules].map(([of, count]) => `${full}{ip_family="${family}",${label}="${of}"} ${count}`)),
    )
    page.add(`sync_proxy_rules_${mode}_last`, 'gauge', 'Rules written by the last change', (full) =>
      [...this.#families].map(([family, { lastRules }]) => `${full}{ip_family="${family}"} ${lastRules}`),
    )
    const help = 'Service ports with a Local policy and no endpoint here, while there are some elsewhere'
    page.add('sync_proxy_rules_no_local_endpoints_total', 'gauge', help, (full) =>
      counts.flatMap(({ family, noLocal }) =>
        (['internal', 'external'] as const).map((policy) => `${full}{ip_family="${family}",traffic_policy="${policy}"} ${noLocal[policy]}`),
      ),
    )
  }
}

class MetricsPage {
  readonly #lines: string[] = []

  add(name: string, type: Kind, help: string, samples: (full: string) => string[]): void {
    const full = `kubeproxy_${name}`
    this.#lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...samples(full))
  }

  one(name: string, type: Kind, help: string, value: number): void {
    this.add(name, type, help, (full) => [`${full} ${value}`])
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`
  }
}
