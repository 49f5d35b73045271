/** Families of metrics as Prometheus reads them: https://prometheus.io/docs/instrumenting/exposition_formats/. */

type Labels = readonly string[]

function escaped(value: string): string {
  return /["\\\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value
}

export function labelText(names: Labels, values: Labels): string {
  return names.map((name, index) => `${name}="${escaped(values[index] as string)}"`).join()
}

export function headOf(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]
}

/** One number for each combination of labels, which only grows. */
export class Counter {
  readonly #counts = new Map<string, number>()
  readonly #head: readonly string[]
  readonly #name: string
  readonly #labels: Labels

  constructor(name: string, labels: Labels, help: string) {
    this.#name = name
    this.#labels = labels
    this.#head = headOf(name, 'counter', help)
  }

  add(values: Labels, by = 1): void {
    const key = labelText(this.#labels, values)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by)
  }

  lines(): string[] {
    return [...this.#head, ...[...this.#counts].map(([labels, count]) => `${this.#name}{${labels}} ${count}`)]
  }
}

export interface Distribution {
  readonly counts: number[]
  sum: number
  count: number
}

export function newDistribution(bounds: readonly number[]): Distribution {
  return { counts: new Array<number>(bounds.length).fill(0), sum: 0, count: 0 }
}

export function observed(distribution: Distribution, seconds: number, bounds: readonly number[]): void {
  distribution.count++
  distribution.sum += seconds
  const bucket = bounds.findIndex((bound) => seconds <= bound)
  if (bucket >= 0) distribution.counts[bucket] = (distribution.counts[bucket] as number) + 1
}

/** How many observations, in seconds, were below each bound. */
export class Histogram {
  readonly #distributions = new Map<string, Distribution>()
  readonly #head: readonly string[]
  readonly #name: string
  readonly #labels: Labels
  readonly #bounds: readonly number[]

  constructor(name: string, labels: Labels, bounds: readonly number[], help: string) {
    this.#name = name
    this.#labels = labels
    this.#bounds = bounds
    this.#head = headOf(name, 'histogram', help)
  }

  observe(values: Labels, seconds: number): void {
    const key = labelText(this.#labels, values)
    let distribution = this.#distributions.get(key)
    if (!distribution) {
      distribution = newDistribution(this.#bounds)
      this.#distributions.set(key, distribution)
    }
    observed(distribution, seconds, this.#bounds)
  }

  lines(): string[] {
    const rows = [...this.#distributions].flatMap(([labels, distribution]) =>
      histogramLines(this.#name, labels, distribution, this.#bounds),
    )
    return [...this.#head, ...rows]
  }
}

export function histogramLines(
  name: string,
  labels: string,
  { counts, sum, count }: { readonly counts: readonly number[]; readonly sum: number; readonly count: number },
  bounds: readonly number[],
): string[] {
  let below = 0
  const rows = bounds.map((bound, index) => {
    below += counts[index] as number
    return `${name}_bucket{${labels},le="${bound}"} ${below}`
  })
  return [...rows, `${name}_bucket{${labels},le="+Inf"} ${count}`, `${name}_sum{${labels}} ${sum}`, `${name}_count{${labels}} ${count}`]
}
