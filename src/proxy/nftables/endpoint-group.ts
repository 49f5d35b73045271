import { codeMask } from './destination.ts'

/** An endpoint in its slot: choosing takes a random number below the number of slots, so they have no gaps. */
export interface Slot {
  /** Its address and port as the kernel has them: the same bytes, the same endpoint. */
  readonly target: string
  /**
   * With affinity, the endpoint's number within its group, by which clients remember it: a new one each time that it comes, so that
   * nobody is sent to one that has gone, whatever the memory says. 0: no affinity.
   */
  readonly number: number
}

/** Endpoints among which traffic is shared. */
export interface EndpointGroup {
  readonly id: number
  readonly slots: readonly Slot[]
  readonly lastNumber: number
}

/** With more endpoints than this clients are not remembered: as many may go as come at once, and each needs a number of its own. */
export const mostSticky = codeMask >> 1

/**
 * Who stays keeps the slot, and who comes fills a gap; those beyond the new length move into gaps as well. So one endpoint
 * replaced is one slot written, and one removed at most two.
 */
export function placeEndpoints(group: EndpointGroup, targets: readonly string[], sticky: boolean): EndpointGroup {
  const wanted = new Set(targets)
  const slots = new Array<Slot | undefined>(wanted.size)
  const homeless: Slot[] = []
  group.slots.forEach((slot, i) => {
    if (slot.number > 0 !== sticky || !wanted.delete(slot.target)) return
    if (i < slots.length) slots[i] = slot
    else homeless.push(slot)
  })
  const used = new Set(sticky ? group.slots.map((slot) => slot.number) : [])
  let lastNumber = group.lastNumber
  const nextNumber = (): number => {
    if (!sticky) return 0
    do lastNumber = (lastNumber % codeMask) + 1
    while (used.has(lastNumber))
    return lastNumber
  }
  for (const target of wanted) homeless.push({ target, number: nextNumber() })
  let next = 0
  const filled = Array.from(slots, (slot) => slot ?? (homeless[next++] as Slot))
  return { id: group.id, slots: filled, lastNumber }
}
