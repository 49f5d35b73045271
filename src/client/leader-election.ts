import type { Lease, LeaseSpec } from '../api/generated/types.ts'
import { leases } from '../api/registry.ts'
import { type Clock, microTimestamp } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../machinery/status.ts'
import type { Client } from './client.ts'

/** client-go's. A leader that could not renew gives up before another may take over. */
const leaseSeconds = 15
const renewWithinMs = 10_000
const retryEveryMs = 2_000
const releaseWithinMs = 2_000
const namespace = 'kube-system'

export interface Candidate {
  readonly client: Client
  /** Of the Lease in kube-system. */
  readonly name: string
  /** No two candidates have the same. */
  readonly identity: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Ends the candidacy, and the term. */
  readonly signal: AbortSignal
  /** What a leader does, until `term` aborts. */
  readonly lead: (term: AbortSignal) => Promise<void>
}

/** When the record was last seen to change, on our own monotonic clock: others' clocks are not trusted. */
interface Observed {
  readonly spec: LeaseSpec
  readonly atMs: number
}

/** What to write to take or to keep the lease; undefined: it is another's, whose time is not over. */
export function claimOf(observed: Observed | undefined, identity: string, now: { ms: number; monotonicMs: number }): LeaseSpec | undefined {
  const held = observed?.spec
  const time = microTimestamp(now.ms)
  const claim = { holderIdentity: identity, leaseDurationSeconds: leaseSeconds, renewTime: time }
  if (!observed || !held) return { ...claim, acquireTime: time, leaseTransitions: 0 }
  const transitions = held.leaseTransitions ?? 0
  if (held.holderIdentity === identity) return { ...claim, acquireTime: held.acquireTime ?? time, leaseTransitions: transitions }
  const endsAtMs = observed.atMs + (held.leaseDurationSeconds ?? leaseSeconds) * 1000
  if (held.holderIdentity && now.monotonicMs < endsAtMs) return undefined
  return { ...claim, acquireTime: time, leaseTransitions: transitions + 1 }
}

/** Stands for election until the signal: leads whenever it holds the Lease, and gives that back at the end. */
export async function standForElection(candidate: Candidate): Promise<void> {
  const { clock, random, signal } = candidate
  const holding = new LeaseHolding(candidate)
  while (!signal.aborted) {
    if (await holding.claim()) await serve(candidate, holding)
    else await clock.sleep(retryEveryMs * (1 + 0.2 * random.float()), signal).catch(() => {}) // aborted: the loop ends
  }
}

/** One term: from the Lease's being taken to its loss. */
async function serve({ name, clock, log, signal, lead }: Candidate, holding: LeaseHolding): Promise<void> {
  const term = new AbortController()
  const ended = AbortSignal.any([signal, term.signal])
  const lose = (): void => term.abort(new Error('the lease could not be renewed in time'))
  let cancel = clock.after(renewWithinMs, lose)
  log.info('leading', { lease: name })
  void lead(ended).catch((error: unknown) => {
    if (!ended.aborted) log.error('the leader’s work ended', { lease: name, error })
  })
  while (!ended.aborted) {
    await clock.sleep(retryEveryMs, ended).catch(() => {}) // aborted: the loop ends
    if (ended.aborted) break
    const begunMs = clock.monotonic()
    if (await holding.claim()) {
      cancel()
      cancel = clock.after(Math.max(0, renewWithinMs - (clock.monotonic() - begunMs)), lose)
    } else if (holding.isAnothers) term.abort(new Error('another leads'))
  }
  cancel()
  if (!signal.aborted) {
    log.warn('no longer leading', { lease: name, why: (term.signal.reason as Error).message })
    return
  }
  await Promise.race([holding.release(), clock.sleep(releaseWithinMs)])
}

/** The Lease as this candidate knows it. */
class LeaseHolding {
  readonly #candidate: Candidate
  #observed: (Observed & { readonly lease: Lease }) | undefined

  constructor(candidate: Candidate) {
    this.#candidate = candidate
  }

  get isAnothers(): boolean {
    const holder = this.#observed?.spec.holderIdentity
    return Boolean(holder) && holder !== this.#candidate.identity
  }

  /** True: the lease is ours from now on. What keeps it from that is told in the log, and tried again by the caller. */
  async claim(): Promise<boolean> {
    const { identity, clock, log, name } = this.#candidate
    try {
      await this.#look()
      const spec = claimOf(this.#observed, identity, { ms: clock.now(), monotonicMs: clock.monotonic() })
      if (!spec) return false
      await this.#write(spec)
      return true
    } catch (error) {
      if (isConflict(error) || isAlreadyExists(error)) return false // another was faster
      log.warn('cannot claim a lease', { lease: name, error })
      return false
    }
  }

  /** Others need not wait for its end. */
  async release(): Promise<void> {
    const { identity, clock, log, name } = this.#candidate
    const spec = this.#observed?.spec
    if (spec?.holderIdentity !== identity) return
    const time = microTimestamp(clock.now())
    try {
      await this.#write({
        holderIdentity: '',
        leaseDurationSeconds: 1,
        acquireTime: time,
        renewTime: time,
        leaseTransitions: spec.leaseTransitions ?? 0,
      })
    } catch (error) {
      log.warn('cannot release a lease: others wait for its end', { lease: name, error })
    }
  }

  async #look(): Promise<void> {
    const { client, name, clock } = this.#candidate
    try {
      this.#learn(await client.resource<Lease>(leases, namespace).get(name), clock.monotonic())
    } catch (error) {
      if (!isNotFound(error)) throw error
      this.#observed = undefined
    }
  }

  #learn(lease: Lease, atMs: number): void {
    const unchanged = this.#observed?.lease.metadata?.resourceVersion === lease.metadata?.resourceVersion
    this.#observed = { lease, spec: lease.spec ?? {}, atMs: unchanged && this.#observed ? this.#observed.atMs : atMs }
  }

  async #write(spec: LeaseSpec): Promise<void> {
    const { client, name, clock } = this.#candidate
    const resource = client.resource<Lease>(leases, namespace)
    const begunMs = clock.monotonic()
    const old = this.#observed?.lease
    const written = old ? await resource.update({ ...old, spec }) : await resource.create({ metadata: { name }, spec } as Lease)
    this.#learn(written, begunMs)
  }
}
