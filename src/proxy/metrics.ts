/** The Prometheus text format, version 0.0.4: just what the proxy counts, under kube-proxy's names. */
const buckets = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384]

class Histogram {
  readonly #counts = buckets.map(() => 0)
  #sum = 0
  #count = 0

  observe(seconds: number): void {
    this.#sum += seconds
    this.#count++
    buckets.forEach((limit, i) => {
      if (seconds <= limit) this.#counts[i]!++
    })
  }

  lines(name: string): string[] {
    return [
      ...buckets.map((limit, i) => `${name}_bucket{le="${limit}"} ${this.#counts[i]}`),
      `${name}_bucket{le="+Inf"} ${this.#count}`,
      `${name}_sum ${this.#sum}`,
      `${name}_count ${this.#count}`,
    ]
  }
}

export class ProxyMetrics {
  readonly syncSeconds = new Histogram()
  readonly programmingSeconds = new Histogram()
  lastSyncMs = 0
  lastQueuedMs = 0
  restoreFailures = 0
  repairs = 0
  staleFlowsRemoved = 0
  serviceChanges = 0
  endpointChanges = 0
  lastRules = 0

  /** `rules`: how many there are by table, of all address families. */
  text(rules: ReadonlyMap<string, number>): string {
    const lines: string[] = []
    const add = (name: string, type: string, help: string, samples: (full: string) => string[]): void => {
      const full = `kubeproxy_${name}`
      lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...samples(full))
    }
    const one = (name: string, type: 'counter' | 'gauge', help: string, value: number): void =>
      add(name, type, help, (full) => [`${full} ${value}`])
    add('sync_proxy_rules_duration_seconds', 'histogram', 'Time of one change of the rules, in seconds', (full) =>
      this.syncSeconds.lines(full),
    )
    add('network_programming_duration_seconds', 'histogram', 'Time from the cause of an endpoint change to the rules, in seconds', (full) =>
      this.programmingSeconds.lines(full),
    )
    one('sync_proxy_rules_last_timestamp_seconds', 'gauge', 'When the rules were last brought up to date', this.lastSyncMs / 1000)
    one('sync_proxy_rules_last_queued_timestamp_seconds', 'gauge', 'When a change last came in', this.lastQueuedMs / 1000)
    one('sync_proxy_rules_service_changes_total', 'counter', 'Changes of Services seen', this.serviceChanges)
    one('sync_proxy_rules_endpoint_changes_total', 'counter', 'Changes of EndpointSlices seen', this.endpointChanges)
    one('sync_proxy_rules_iptables_restore_failures_total', 'counter', 'Changes that iptables refused', this.restoreFailures)
    one('sync_proxy_rules_iptables_last', 'gauge', 'Rules written by the last change', this.lastRules)
    add('sync_proxy_rules_iptables_total', 'gauge', 'Rules of the proxy by table', (full) => [
      ...[...rules].map(([table, count]) => `${full}{table="${table}"} ${count}`),
    ])
    one('rule_repairs_total', 'counter', 'Times that rules changed by someone else were put back', this.repairs)
    one('stale_udp_flows_removed_total', 'counter', 'Groups of UDP flows to former endpoints that were forgotten', this.staleFlowsRemoved)
    return `${lines.join('\n')}\n`
  }
}
