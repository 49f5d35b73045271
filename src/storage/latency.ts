/** A histogram as Prometheus counts: `counts[i]` of what took up to `boundsSeconds[i]` and more than the bound before; what took longer still is only in `count`. */
export interface HistogramReading {
  readonly boundsSeconds: readonly number[]
  readonly counts: readonly number[]
  readonly count: number
  readonly sumSeconds: number
}

/** From a fast disk's single write to what clients would call an outage. */
const boundsSeconds = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** How long something takes, counted in buckets: a few dozen nanoseconds an observation. */
export class LatencyHistogram {
  readonly #counts = new Array<number>(boundsSeconds.length).fill(0)
  #count = 0
  #sumMs = 0

  observe(milliseconds: number): void {
    this.#count++
    this.#sumMs += milliseconds
    const seconds = milliseconds / 1000
    for (let bucket = 0; bucket < boundsSeconds.length; bucket++) {
      if (seconds > (boundsSeconds[bucket] as number)) continue
      this.#counts[bucket] = (this.#counts[bucket] as number) + 1
      return
    }
  }

  reading(): HistogramReading {
    return { boundsSeconds, counts: [...this.#counts], count: this.#count, sumSeconds: this.#sumMs / 1000 }
  }
}

/** What every back end measures of itself. */
export class StoreLatency {
  readonly commit = new LatencyHistogram()
  readonly list = new LatencyHistogram()
  readonly watchDelivery = new LatencyHistogram()

  reading(): Record<'commit' | 'list' | 'watchDelivery', HistogramReading> {
    return { commit: this.commit.reading(), list: this.list.reading(), watchDelivery: this.watchDelivery.reading() }
  }
}
