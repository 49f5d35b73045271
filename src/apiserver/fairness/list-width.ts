/** What of a list says how much work it is. */
export interface ListSize {
  /** Objects of its kind, and how many bytes they are. */
  readonly objects: number
  readonly bytes: number
  /** 0: all of them. */
  readonly limit: number
  /** It asks for one object, by its name. */
  readonly isSingle: boolean
}

const bytesPerSeat = 100_000

/** Seats that a list takes while it is served: one for each 100 kB that it may send, but never more than `most`. */
export function listWidth({ objects, bytes, limit, isSingle }: ListSize, most: number): number {
  if (objects === 0) return 1
  const sent = isSingle ? 1 : limit > 0 ? Math.min(limit, objects) : objects
  return Math.max(1, Math.min(most, Math.ceil((sent * bytes) / objects / bytesPerSeat)))
}

/** A level of few seats has none of its lists take them all: https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#seats-occupied-by-a-request */
export function widest(nominalSeats: number, handSize: number): number {
  const share = Math.min(Math.ceil(nominalSeats * 0.15), handSize > 0 ? Math.floor(nominalSeats / handSize) : Number.POSITIVE_INFINITY)
  return Math.max(1, Math.min(100, share))
}
