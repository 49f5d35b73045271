import type { Clock } from '../../host/clock.ts'

export interface ProgressDeps {
  readonly clock: Clock
  /** Writes a key that every watch of ours sees. */
  readonly touch: () => Promise<void>
  readonly failed: (error: unknown) => void
  /** How long a change may be on its way before etcd is asked to say something. */
  readonly patienceMs: number
}

interface Waiter {
  readonly revision: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/**
 * How far the feed of changes has come. Revisions in which others have written never show in it, and etcd before 3.4.25 tells of
 * progress that is not there yet; so when a revision that somebody has seen stays out, a key of ours is written: once that is seen in the
 * feed, so has been everything before it. Where etcd serves this cluster alone that is never needed.
 */
export class Progress {
  readonly #deps: ProgressDeps
  #reached = 0
  #wanted = 0
  #cancel: (() => void) | undefined
  #waiters: Waiter[] = []
  #ended: Error | undefined

  constructor(deps: ProgressDeps) {
    this.#deps = deps
  }

  get reached(): number {
    return this.#reached
  }

  /** The feed has told everything up to `revision`. */
  advance(revision: number): void {
    this.#reached = Math.max(this.#reached, revision)
    if (this.#waiters.length === 0) return
    const due = this.#waiters.filter((waiter) => waiter.revision <= this.#reached)
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > this.#reached)
    for (const { resolve } of due) resolve()
  }

  /** Somebody has seen that etcd is at `revision`: sees to it that the feed comes so far. */
  expect(revision: number): void {
    this.#wanted = Math.max(this.#wanted, revision)
    if (this.#wanted <= this.#reached || this.#cancel || this.#ended) return
    // While others go on writing there is always something on its way: what counts is what was wanted at the beginning.
    const awaited = this.#wanted
    this.#cancel = this.#deps.clock.after(this.#deps.patienceMs, () => {
      if (awaited <= this.#reached) {
        this.#cancel = undefined
        this.expect(this.#wanted)
        return
      }
      void this.#deps
        .touch()
        .catch((error: unknown) => this.#deps.failed(error))
        .finally(() => {
          this.#cancel = undefined
          this.expect(this.#wanted)
        })
    })
  }

  /** Resolves once the feed has come so far; rejects when it ends before. */
  until(revision: number): Promise<void> {
    if (this.#reached >= revision) return Promise.resolve()
    if (this.#ended) return Promise.reject(this.#ended)
    this.expect(revision)
    return new Promise((resolve, reject) => this.#waiters.push({ revision, resolve, reject }))
  }

  end(error: Error): void {
    this.#ended = error
    this.#cancel?.()
    for (const { reject } of this.#waiters.splice(0)) reject(error)
  }
}
