/** What can be made of bpf(2): numbers of include/uapi/linux/bpf.h. */

export const mapTypes = { hash: 1, lruHash: 9, socketStorage: 24 } as const

export const mapFlags = { noPreallocation: 1 } as const

export interface MapSpec {
  readonly type: keyof typeof mapTypes
  readonly keyBytes: number
  readonly valueBytes: number
  /** For hash maps that are full, a further element is refused (E2BIG); an LRU map forgets one that was not used lately. */
  readonly maxEntries: number
  readonly flags?: number
}

/** On which system call of a cgroup's processes a program runs. */
export const attachTypes = {
  connect4: 10,
  connect6: 11,
  sendmsg4: 14,
  sendmsg6: 15,
  recvmsg4: 19,
  recvmsg6: 20,
  getpeername4: 29,
  getpeername6: 30,
} as const
export type HookName = keyof typeof attachTypes
export type AttachType = (typeof attachTypes)[HookName]
