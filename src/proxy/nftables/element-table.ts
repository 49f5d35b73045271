import type { Bytes } from '../../netfilter/netlink/message.ts'
import type { Element } from '../../netfilter/nftables/ruleset.ts'

/** An element of a map that somebody wants, as a list of all who want one of this key: the first has it. */
interface Claim {
  readonly owner: string
  /** Undefined: no element, and none of those who come after either. */
  readonly data: Bytes | undefined
  readonly next: Claim | undefined
}

/** In a plain set, all who want an element want the same: their number is enough. A key that only one can want has its data. */
type Wanted = Claim | number | Bytes

export interface SetChanges {
  readonly set: string
  readonly deleted: readonly Pick<Element, 'key' | 'end'>[]
  readonly added: readonly Element[]
}

/**
 * All elements that the kernel should hold, and what changed of them since the last look. Several ports may claim one key (a node port
 * passes from one Service to another; two Services name the same external address): the owner first by name has it, whoever came first.
 */
export class ElementTable {
  readonly #sets = new Map<string, Map<Bytes, Wanted>>()
  /** What the kernel holds of keys that were touched (undefined: nothing), as far as that is followed. */
  readonly #held = new Map<string, Map<Bytes, Wanted | undefined>>()
  #isFollowed = false

  /** Of a map. An owner has at most one claim on a key: a new one takes the place of the old. Without data: that nobody have it. */
  claim(set: string, key: Bytes, owner: string, data: Bytes | undefined): void {
    this.#touch(set, key, (wanted) => inserted(without(wanted as Claim | undefined, owner), owner, data))
  }

  unclaim(set: string, key: Bytes, owner: string): void {
    this.#touch(set, key, (wanted) => without(wanted as Claim | undefined, owner))
  }

  /** Of a map whose keys have but one owner each: no claims need be remembered. */
  assign(set: string, key: Bytes, data: Bytes): void {
    this.#touch(set, key, () => data)
  }

  unassign(set: string, key: Bytes): void {
    this.#touch(set, key, () => undefined)
  }

  /** Of a plain set. As often as it is held it must be let go. */
  hold(set: string, key: Bytes): void {
    this.#touch(set, key, (wanted = 0) => (wanted as number) + 1)
  }

  letGo(set: string, key: Bytes): void {
    this.#touch(set, key, (wanted) => (wanted as number) - 1 || undefined)
  }

  #touch(set: string, key: Bytes, change: (wanted: Wanted | undefined) => Wanted | undefined): void {
    const all = mapIn(this.#sets, set)
    const before = all.get(key)
    const after = change(before)
    if (this.#isFollowed) {
      const held = mapIn(this.#held, set)
      if (!held.has(key)) held.set(key, before)
    }
    if (after === undefined) all.delete(key)
    else all.set(key, after)
  }

  /** Until the next {@link follow} nobody asks for changes, since all is compared. */
  unfollow(): void {
    this.#isFollowed = false
    this.#held.clear()
  }

  /** The kernel is about to hold what is wanted now: changes count from here. */
  follow(): void {
    this.#isFollowed = true
  }

  /** What must be done to a kernel that holds what we wanted at the last call; from now on, that is what we want now. */
  takeChanges(): SetChanges[] {
    const changes: SetChanges[] = []
    for (const [set, touched] of this.#held) {
      const deleted: { key: Bytes }[] = []
      const added: Element[] = []
      const all = mapIn(this.#sets, set)
      for (const [key, before] of touched) {
        const old = elementOf(key, before)
        const now = elementOf(key, all.get(key))
        if (old && now && old.data === now.data) continue
        if (old) deleted.push({ key })
        if (now) added.push(now)
      }
      if (deleted.length + added.length > 0) changes.push({ set, deleted, added })
    }
    this.#held.clear()
    return changes
  }

  elements(set: string): Element[] {
    const elements: Element[] = []
    for (const [key, wanted] of this.#sets.get(set) ?? []) {
      const element = elementOf(key, wanted)
      if (element) elements.push(element)
    }
    return elements
  }

  /** Whether anybody wants an element of the set. */
  has(set: string): boolean {
    return (this.#sets.get(set)?.size ?? 0) > 0
  }

  counts(): Map<string, number> {
    return new Map([...this.#sets].map(([set, all]) => [set, all.size]))
  }
}

function mapIn<V>(maps: Map<string, Map<Bytes, V>>, name: string): Map<Bytes, V> {
  const known = maps.get(name)
  if (known) return known
  const made = new Map<Bytes, V>()
  maps.set(name, made)
  return made
}

function elementOf(key: Bytes, wanted: Wanted | undefined): Element | undefined {
  if (typeof wanted === 'number') return { key }
  if (typeof wanted === 'string') return { key, data: wanted }
  return wanted?.data === undefined ? undefined : { key, data: wanted.data }
}

function without(claim: Claim | undefined, owner: string): Claim | undefined {
  if (!claim) return undefined
  if (claim.owner === owner) return claim.next
  const next = without(claim.next, owner)
  return next === claim.next ? claim : { ...claim, next }
}

function inserted(claim: Claim | undefined, owner: string, data: Bytes | undefined): Claim {
  if (!claim || owner < claim.owner) return { owner, data, next: claim }
  return { ...claim, next: inserted(claim.next, owner, data) }
}
