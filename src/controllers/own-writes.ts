import type { Informer } from '../client/informer.ts'
import type { Clock } from '../host/clock.ts'
import type { KubeObject } from '../machinery/object.ts'

interface Write<T> {
  readonly object: T
  readonly gone: boolean
  readonly atMs: number
}

/** A write that the informer never shows (it was undone while the watch was broken) is believed no longer than this. */
const believedForMs = 300_000

/**
 * Lays a controller's own writes over what its informer shows, until the informer has caught up: so that nobody who
 * has just created three pods and sees none of them yet creates three more. Writes are kept in groups, by the key of
 * the object that they are made for.
 */
export class OwnWrites<T extends KubeObject> {
  readonly #clock: Clock
  readonly #groups = new Map<string, Map<string, Write<T>>>()
  /** Uids that went while some write was under way, whose answer may come later than the news of its end. */
  readonly #goneMeanwhile = new Set<string>()
  #underWay = 0

  constructor(informer: Informer<T>, clock: Clock) {
    this.#clock = clock
    informer.on({
      deleted: (object) => {
        if (this.#underWay > 0) this.#goneMeanwhile.add(object.metadata.uid)
        for (const [key, group] of this.#groups) if (group.delete(object.metadata.uid) && group.size === 0) this.#groups.delete(key)
      },
    })
  }

  /** Runs a create or update, and remembers what it answers. */
  async write(key: string, run: () => Promise<T>): Promise<T> {
    return await this.#during(async () => {
      const object = await run()
      this.#remember(key, object, false)
      return object
    })
  }

  /** Runs a deletion; the object counts as gone (or going) from now on. */
  async remove(key: string, object: T, run: () => Promise<unknown>): Promise<void> {
    await this.#during(async () => {
      await run()
      this.#remember(key, object, true)
    })
  }

  /** What the informer shows, corrected by what has been written since. */
  over(key: string, cached: readonly T[]): readonly T[] {
    const group = this.#groups.get(key)
    if (!group) return cached
    const seen = new Map(cached.map((object) => [object.metadata.uid, object]))
    for (const [uid, write] of [...group]) {
      const shown = seen.get(uid)
      if (this.#isOver(write, shown)) group.delete(uid)
      else if (write.gone) seen.delete(uid)
      else seen.set(uid, write.object)
    }
    if (group.size === 0) this.#groups.delete(key)
    return [...seen.values()]
  }

  /** The informer is right from now on, as after an answer that an object isn't there. */
  forget(key: string): void {
    this.#groups.delete(key)
  }

  #isOver(write: Write<T>, shown: T | undefined): boolean {
    if (this.#clock.monotonic() - write.atMs > believedForMs) return true
    if (write.gone) return !shown || shown.metadata.deletionTimestamp !== undefined
    return shown !== undefined && Number(shown.metadata.resourceVersion) >= Number(write.object.metadata.resourceVersion)
  }

  #remember(key: string, object: T, gone: boolean): void {
    if (this.#goneMeanwhile.has(object.metadata.uid)) return
    const group = this.#groups.get(key) ?? new Map<string, Write<T>>()
    this.#groups.set(key, group)
    group.set(object.metadata.uid, { object, gone, atMs: this.#clock.monotonic() })
  }

  async #during<R>(run: () => Promise<R>): Promise<R> {
    this.#underWay++
    try {
      return await run()
    } finally {
      this.#underWay--
      if (this.#underWay === 0) this.#goneMeanwhile.clear()
    }
  }
}
