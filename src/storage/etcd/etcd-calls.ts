import type { Clock } from '../../host/clock.ts'
import { GrpcError } from '../../host/grpc.ts'
import { errorText } from '../../machinery/error-text.ts'
import { type Decoded, decode, type Encodable, encode, type Fields } from '../../machinery/protobuf.ts'
import { UnavailableError, UnknownOutcomeError } from '../store.ts'
import type { EtcdEndpoints } from './etcd-endpoints.ts'
import type { Method } from './etcd-messages.ts'

/** A member without a leader refuses at once instead of waiting for one: another may have it. */
export const onlyWithLeader = { hasleader: 'true' }
const readTimeoutMs = 2_000
const listTimeoutMs = 20_000
const writeTimeoutMs = 5_000
const pauseMs = 20

/** Calls to whichever member answers. */
export class EtcdCalls {
  readonly #endpoints: EtcdEndpoints
  readonly #clock: Clock
  readonly #patienceMs: number

  /** `patienceMs`: how long a call is tried, at one member after the other. */
  constructor(endpoints: EtcdEndpoints, { clock, patienceMs }: { clock: Clock; patienceMs: number }) {
    this.#endpoints = endpoints
    this.#clock = clock
    this.#patienceMs = patienceMs
  }

  /** A question that changes nothing: asked again, of other members too, until one answers. Throws {@link UnavailableError} when none does. */
  async read<Q extends Fields, A extends Fields>(method: Method<Q, A>, question: Encodable<Q>, long = false): Promise<Decoded<A>> {
    const deadline = this.#clock.monotonic() + (long ? listTimeoutMs : this.#patienceMs)
    const message = encode(method.question, question)
    for (;;) {
      const outcome = await this.#once(method, message, { timeoutMs: long ? listTimeoutMs : readTimeoutMs, deadline })
      if (!outcome.failure) return outcome.answer
      await this.#pauseUntil(deadline, outcome.failure)
    }
  }

  /**
   * A change. `repeatable`: at most one of several tries can take effect, so that it may be tried again when nobody knows what became
   * of it; an answer to a later try is told as such. Throws {@link UnavailableError} when it has not been made, {@link UnknownOutcomeError}
   * when that can't be told.
   */
  async write<Q extends Fields, A extends Fields>(
    method: Method<Q, A>,
    question: Encodable<Q>,
    repeatable: boolean,
  ): Promise<{ answer: Decoded<A>; afterUnknown: boolean }> {
    const deadline = this.#clock.monotonic() + this.#patienceMs
    const message = encode(method.question, question)
    for (let afterUnknown = false; ; ) {
      let outcome: Outcome<A>
      try {
        outcome = await this.#once(method, message, { timeoutMs: writeTimeoutMs, deadline })
      } catch (error) {
        if (afterUnknown && error instanceof UnavailableError) throw new UnknownOutcomeError(error)
        throw error
      }
      if (!outcome.failure) return { answer: outcome.answer, afterUnknown }
      if (outcome.failure instanceof UnknownOutcomeError) {
        if (!repeatable || this.#clock.monotonic() >= deadline) throw outcome.failure
        afterUnknown = true
      } else if (this.#clock.monotonic() >= deadline) {
        throw afterUnknown ? new UnknownOutcomeError(outcome.failure) : outcome.failure
      }
      await this.#clock.sleep(pauseMs)
    }
  }

  async #pauseUntil(deadline: number, failure: UnavailableError | UnknownOutcomeError): Promise<void> {
    if (this.#clock.monotonic() >= deadline) {
      if (failure instanceof UnavailableError) throw failure
      throw new UnavailableError(`etcd does not answer: ${errorText(failure.cause)}`, { cause: failure.cause })
    }
    await this.#clock.sleep(pauseMs)
  }

  /** Throws what another try would not change. */
  async #once<Q extends Fields, A extends Fields>(
    method: Method<Q, A>,
    message: Uint8Array,
    { timeoutMs, deadline }: { timeoutMs: number; deadline: number },
  ): Promise<Outcome<A>> {
    const member = await this.#endpoints.current(deadline)
    try {
      const answer = decode(method.answer, await member.channel.unary(method.path, message, { timeoutMs, metadata: onlyWithLeader }))
      this.#endpoints.praise(member)
      return { answer, failure: undefined }
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error
      const failure = failureOf(error)
      if (failure instanceof GrpcError) throw failure
      this.#endpoints.leave(member, error)
      return { answer: undefined, failure }
    }
  }
}

type Outcome<A extends Fields> =
  | { readonly answer: Decoded<A>; readonly failure: undefined }
  | { readonly answer: undefined; readonly failure: UnavailableError | UnknownOutcomeError }

/** Refused before anything was proposed to the cluster. */
const notProposed = ['etcdserver: no leader', 'etcdserver: too many requests', 'etcdserver: not capable']
const full = 'etcdserver: mvcc: database space exceeded'

/** What it means for the call: refused by an etcd that works (the error itself), not done, or nobody knows. */
function failureOf(error: GrpcError): GrpcError | UnavailableError | UnknownOutcomeError {
  if (error.message === full) throw new UnavailableError('etcd has no space left: defragment it and disarm its alarm', { cause: error })
  if (notProposed.includes(error.message)) return new UnavailableError(`etcd cannot be written to now: ${error.message}`, { cause: error })
  const answered = [
    'InvalidArgument',
    'OutOfRange',
    'FailedPrecondition',
    'NotFound',
    'PermissionDenied',
    'Unauthenticated',
    'Unimplemented',
  ]
  if (answered.includes(error.code) || error.code === 'ResourceExhausted') return error
  return new UnknownOutcomeError(error)
}
