import type { Bytes } from '../../netfilter/netlink/message.ts'

/**
 * What a frontend's element tells: 32 bits, the number of a group of endpoints above the code of what to do. Code 0 refuses, the last one
 * drops, all between belong to a chooser (choosers.ts). Rules carry it in the packet's priority, of which they may use all bits.
 */
const codeBits = 14
export const codeMask = 2 ** codeBits - 1
export const groupMask = (~codeMask >>> 0) as number
export const groupCount = 2 ** (32 - codeBits)

export const refuse = 0
export const drop = codeMask

export const destination = (group: number, code: number): number => group * 2 ** codeBits + code
export const groupOf = (value: number): number => value >>> codeBits
export const codeOf = (value: number): number => value & codeMask

/** In the machine's byte order: every one that Node runs on has the least byte first, but for s390x. */
const bigEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 0

export function numberBytes(value: number): Bytes {
  const [a, b, c, d] = [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]
  return bigEndian ? String.fromCharCode(d, c, b, a) : String.fromCharCode(a, b, c, d)
}

export function numberOfBytes(bytes: Bytes): number {
  const at = (index: number): number => bytes.charCodeAt(bigEndian ? 3 - index : index)
  return (at(0) | (at(1) << 8) | (at(2) << 16) | (at(3) << 24)) >>> 0
}
