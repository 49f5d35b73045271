/** Places and keys are bytes, held as text of one character a byte so that they can be compared and be keys of maps. */
export type ByteText = string

export const byteText = (bytes: Uint8Array): ByteText => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
export const bytesOf = (text: ByteText): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))

/** The endpoints of one port under one policy, as the kernel holds them: slots without gaps. */
export interface EndpointSet {
  readonly id: number
  /** The endpoint in each slot. */
  slots: ByteText[]
  /** Those that a remembered client may stay with; empty where clients are not remembered. */
  members: Set<ByteText>
  /** How long a client stays with its endpoint; 0 without session affinity. */
  affinitySeconds: number
  /** Where its traffic is sent to, by frontend key. */
  frontends: readonly ByteText[]
}

/** What turns one list of slots into another. */
export interface SlotPlan {
  readonly slots: ByteText[]
  /** Slots to write, in this order. */
  readonly writes: readonly { readonly slot: number; readonly endpoint: ByteText }[]
  /** Slots that are no longer counted afterwards. */
  readonly surplus: readonly number[]
}

/**
 * New endpoints take the slots of those that went, so that a change costs as much as it changes, however many there are. Whoever still
 * counts by the old number meanwhile finds an endpoint of before or after in each slot.
 */
export function planSlots(before: readonly ByteText[], wanted: ReadonlySet<ByteText>): SlotPlan {
  const slots = [...before]
  const writes: { slot: number; endpoint: ByteText }[] = []
  const put = (slot: number, endpoint: ByteText): void => {
    slots[slot] = endpoint
    writes.push({ slot, endpoint })
  }
  // A run that ended in the middle of a change may have left an endpoint in two slots: the first is the one that counts.
  const kept = new Set<ByteText>()
  const free: number[] = []
  before.forEach((endpoint, slot) => {
    if (wanted.has(endpoint) && !kept.has(endpoint)) kept.add(endpoint)
    else free.push(slot)
  })
  const added = [...wanted].filter((endpoint) => !kept.has(endpoint))
  for (const endpoint of added) put(free.shift() ?? slots.length, endpoint)
  // What lies behind the new end moves into the gaps that are left.
  const gaps = new Set(free)
  const moving = slots.flatMap((endpoint, slot) => (slot >= wanted.size && !gaps.has(slot) ? [endpoint] : []))
  for (const slot of free) if (slot < wanted.size) put(slot, moving.shift() as ByteText)
  const surplus = Array.from({ length: Math.max(0, slots.length - wanted.size) }, (_, i) => wanted.size + i)
  return { slots: slots.slice(0, wanted.size), writes, surplus }
}
