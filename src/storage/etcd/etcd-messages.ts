/** The part of etcd's v3 API that we speak, as tables: field numbers are those of etcdserverpb/rpc.proto and mvccpb/kv.proto. */
import {
  bool,
  bytes,
  type Decoded,
  enumeration,
  type Fields,
  int64,
  message,
  messages,
  scalars,
  string,
  uint64,
} from '../../machinery/protobuf.ts'

export interface Method<Q extends Fields, A extends Fields> {
  readonly path: string
  readonly question: Q
  readonly answer: A
}

const Header = { memberId: uint64(2), revision: int64(3) }
/** Every answer has one. */
const header = message(1, Header)
const KeyValue = {
  key: bytes(1),
  createRevision: int64(2),
  modRevision: int64(3),
  version: int64(4),
  value: bytes(5),
}
export type KeyValue = Decoded<typeof KeyValue>

const RangeRequest = {
  key: bytes(1),
  rangeEnd: bytes(2),
  limit: int64(3),
  revision: int64(4),
  countOnly: bool(9),
}
const RangeResponse = { header, kvs: messages(2, KeyValue), more: bool(3), count: int64(4) }
const PutRequest = { key: bytes(1), value: bytes(2), lease: int64(3) }
const DeleteRangeRequest = { key: bytes(1) }
const CompactionRequest = { revision: int64(1) }

export const Target = { version: 0, mod: 2 } as const
/** Compared for equality, which is enum value 0. A revision or version of 0 is left out on the wire, and read as 0. */
const Compare = { target: enumeration(2), key: bytes(3), version: int64(4), modRevision: int64(6) }
const RequestOp = {
  range: message(1, RangeRequest),
  put: message(2, PutRequest),
  deleteRange: message(3, DeleteRangeRequest),
}
const ResponseOp = { range: message(1, RangeResponse) }
const TxnRequest = { compare: messages(1, Compare), success: messages(2, RequestOp), failure: messages(3, RequestOp) }
const TxnResponse = { header, succeeded: bool(2), responses: messages(3, ResponseOp) }

export const EventType = { put: 0, delete: 1 } as const
const Event = { type: enumeration(1), kv: message(2, KeyValue), previous: message(3, KeyValue) }
export type Event = Decoded<typeof Event>
const WatchRequest = {
  create: message(1, { key: bytes(1), rangeEnd: bytes(2), startRevision: int64(3), prevKv: bool(6) }),
}
const WatchResponse = {
  header,
  created: bool(3),
  canceled: bool(4),
  compactRevision: int64(5),
  cancelReason: string(6),
  events: messages(11, Event),
}

const LeaseGrantRequest = { ttlSeconds: int64(1), id: int64(2) }
const StatusResponse = { header, version: string(2), dbBytes: int64(3), errors: scalars('string', 8) }

export const range = { path: '/etcdserverpb.KV/Range', question: RangeRequest, answer: RangeResponse }
export const txn = { path: '/etcdserverpb.KV/Txn', question: TxnRequest, answer: TxnResponse }
export const compact = { path: '/etcdserverpb.KV/Compact', question: CompactionRequest, answer: { header } }
export const watch = { path: '/etcdserverpb.Watch/Watch', question: WatchRequest, answer: WatchResponse }
export const leaseGrant = { path: '/etcdserverpb.Lease/LeaseGrant', question: LeaseGrantRequest, answer: { header } }
const LeasesResponse = { header, leases: messages(2, { id: int64(1) }) }
/** A lease that is gone has -1 seconds left. */
const LeaseTimeResponse = { header, id: int64(2), secondsLeft: int64(3), keys: scalars('bytes', 5) }
export const leases = { path: '/etcdserverpb.Lease/LeaseLeases', question: {}, answer: LeasesResponse }
export const leaseTime = {
  path: '/etcdserverpb.Lease/LeaseTimeToLive',
  question: { id: int64(1), keys: bool(2) },
  answer: LeaseTimeResponse,
}
export const status = { path: '/etcdserverpb.Maintenance/Status', question: {}, answer: StatusResponse }
