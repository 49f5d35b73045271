import { expect, test } from 'vitest'
import { pinnedPlace } from './pinned-client.ts'
import { clientAt, clientKeyAt, mapSpecs, memberKey, placeBytes, wordBytes } from './socket-maps.ts'

const fds = { clients: 1, members: 2 }
const place = placeBytes({ address: '10.244.0.5', port: 8080 })
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Kernel maps in which client 77 was last sent to the place, at 1 s. */
function kernel(members: readonly Uint8Array[]) {
  const key = new Uint8Array(mapSpecs.clients.keyBytes)
  key.set([77])
  key.set(wordBytes(3), clientKeyAt.set)
  const value = new Uint8Array(mapSpecs.clients.valueBytes)
  value.set(place, clientAt.place)
  new DataView(value.buffer).setBigUint64(clientAt.lastUsedNs, 1_000_000_000n, true)
  const held = new Map([[`1 ${hex(key)}`, value], ...members.map((member) => [`2 ${hex(member)}`, wordBytes(1)] as const)])
  return { maps: fds, bpf: { lookup: (fd: number, asked: Uint8Array) => held.get(`${fd} ${hex(asked)}`) } }
}
const at = (seconds: number, cookie = 77n) => ({ cookie, nowNs: BigInt(seconds) * 1_000_000_000n })
const sticky = { set: 3, affinitySeconds: 10 }
const member = memberKey(3, place)

test.each([
  ['within its time, to the endpoint it had', [member], sticky, at(11), place],
  ['past its time, anywhere', [member], sticky, at(12), undefined],
  ['when its endpoint is gone, anywhere', [], sticky, at(2), undefined],
  ['at another Service, anywhere', [member], { ...sticky, set: 4 }, at(2), undefined],
  ['that is another, anywhere', [member], sticky, at(2, 78n), undefined],
])('a client is sent %s', (_, members, set, client, expected) => {
  expect(pinnedPlace(kernel(members), set, client)).toEqual(expected)
})
