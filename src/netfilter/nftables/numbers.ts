/** Numbers of linux/netfilter/nf_tables.h and nfnetlink.h, under the header's names. */

export const subsystem = 10
export const notificationGroup = 7
export const traceGroup = 9
export const batchBegin = 0x10
export const batchEnd = 0x11

export const msg = {
  newTable: 0,
  getTable: 1,
  delTable: 2,
  newChain: 3,
  getChain: 4,
  delChain: 5,
  newRule: 6,
  getRule: 7,
  delRule: 8,
  newSet: 9,
  getSet: 10,
  delSet: 11,
  newSetElem: 12,
  getSetElem: 13,
  delSetElem: 14,
  newGen: 15,
  getGen: 16,
  trace: 17,
  newObj: 18,
  getObj: 19,
  delObj: 20,
} as const

export const families = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const

/** NF_INET_*; those of netdev and bridge chains are not spoken of here. */
export const hooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const

export const listElem = 1
export const hook = { number: 1, priority: 2 } as const
export const table = { name: 1, flags: 2, handle: 4 } as const
export const chain = { table: 1, handle: 2, name: 3, hook: 4, policy: 5, type: 7, flags: 10 } as const
export const rule = { table: 1, chain: 2, handle: 3, expressions: 4, userdata: 7 } as const
export const set = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keyLength: 5,
  dataType: 6,
  dataLength: 7,
  desc: 9,
  id: 10,
  timeout: 11,
  userdata: 13,
  objectType: 15,
  expr: 17,
  expressions: 18,
} as const
export const setDesc = { size: 1, concat: 2 } as const
export const setFieldLength = 1
export const setFlags = {
  anonymous: 0x1,
  constant: 0x2,
  interval: 0x4,
  map: 0x8,
  timeout: 0x10,
  dynamic: 0x20,
  object: 0x40,
  concat: 0x80,
  expr: 0x100,
} as const
export const elem = {
  key: 1,
  data: 2,
  flags: 3,
  timeout: 4,
  expiration: 5,
  userdata: 6,
  expr: 7,
  objref: 9,
  keyEnd: 10,
  expressions: 11,
} as const
export const elemFlags = { intervalEnd: 1, catchAll: 2 } as const
export const elemList = { table: 1, set: 2, elements: 3 } as const
export const data = { value: 1, verdict: 2 } as const
export const dataTypeVerdict = 0xffffff00
export const verdict = { code: 1, chain: 2 } as const
export const expr = { name: 1, data: 2 } as const
export const object = { table: 1, name: 2, type: 3, data: 4 } as const
export const objectCounter = 1
export const gen = { id: 1, processId: 2, processName: 3 } as const

export const trace = { table: 1, chain: 2, handle: 3, type: 4, verdict: 5, id: 6, network: 8, transport: 9, mark: 14, policy: 16 } as const

/** Types of the type-length-value lists that nft keeps as user data. */
export const userdata = { comment: 0, setComment: 7 } as const
