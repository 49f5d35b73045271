import type { Bytes } from '../netlink/message.ts'

/** Comments as nft keeps them with rules and elements: a list of type, length, value, of which type 0 is the comment's text with its zero. */
export function commentBytes(comment: string): Bytes {
  const text = `${Buffer.from(comment).toString('latin1', 0, 128)}\0`
  return String.fromCharCode(0, text.length) + text
}

/** In which byte order `nft list` shows a set's keys and data: lists of parts are each shown by their own type. */
export function byteOrderBytes(key: 'host' | 'network', data: 'host' | 'network' | undefined): Bytes {
  const entry = (type: number, order: 'host' | 'network'): Bytes => String.fromCharCode(type, 4, order === 'host' ? 1 : 2, 0, 0, 0)
  return entry(0, key) + (data === undefined ? '' : entry(1, data))
}

export function commentIn(userdata: Bytes | undefined): string | undefined {
  if (userdata === undefined) return undefined
  for (let at = 0; at + 2 <= userdata.length; ) {
    const length = userdata.charCodeAt(at + 1)
    if (userdata.charCodeAt(at) === 0) {
      return Buffer.from(userdata.slice(at + 2, at + 2 + length).replace(/\0+$/, ''), 'latin1').toString()
    }
    at += 2 + length
  }
  return undefined
}
