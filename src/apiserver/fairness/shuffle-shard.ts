import { createHash } from 'node:crypto'

/**
 * The queues that a flow may use: `handSize` of `queues`, the same each time. Two flows seldom have all of them in common, so
 * that one which fills its own leaves others room (shuffle sharding).
 */
export function handOf(flow: string, queues: number, handSize: number): number[] {
  let rest = createHash('sha256').update(flow).digest().readBigUInt64LE()
  const hand: number[] = []
  for (let dealt = 0; dealt < Math.min(handSize, queues); dealt++) {
    const left = BigInt(queues - dealt)
    let card = Number(rest % left)
    rest /= left
    // The card among those that are still there.
    for (const other of hand.toSorted((a, b) => a - b)) if (other <= card) card++
    hand.push(card)
  }
  return hand
}
