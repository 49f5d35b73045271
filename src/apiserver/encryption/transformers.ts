import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js'

/** A stored value that these keys do not open; the message is upstream's. */
export class TransformError extends Error {}

/**
 * How a value is stored. `context` is the key under which it lies: what was stored under another is not read, so that
 * nobody gets to see a value by moving it.
 */
export interface Transformer {
  toStorage(data: Uint8Array, context: string): Buffer
  /** `isStale`: it would be stored otherwise today. Throws {@link TransformError}. */
  fromStorage(data: Buffer, context: string): { data: Buffer; isStale: boolean }
}

/** By what a stored value begins with, which is no part of what its transformer is given. */
export interface Prefixed {
  readonly prefix: string
  readonly transformer: Transformer
}

/** Encrypted values begin so, whoever has encrypted them; nothing else does. */
const encryptedPrefix = Buffer.from('k8s:enc:')

export function isEncrypted(data: Uint8Array): boolean {
  // Nearly everything is told apart by the first byte: JSON begins with a brace.
  return data[0] === encryptedPrefix[0] && encryptedPrefix.equals(data.subarray(0, encryptedPrefix.byteLength))
}

/** Writes by the first, reads by any whose prefix fits: several may have the same, with different keys. */
export function firstOf(all: readonly Prefixed[], noneFits: string): Transformer {
  const [first] = all as readonly [Prefixed, ...Prefixed[]]
  return {
    toStorage: (data, context) => Buffer.concat([Buffer.from(first.prefix), first.transformer.toStorage(data, context)]),
    fromStorage(data, context) {
      const faults: string[] = []
      for (const [index, { prefix, transformer }] of all.entries()) {
        if (!startsWith(data, prefix)) continue
        try {
          const read = transformer.fromStorage(data.subarray(Buffer.byteLength(prefix)), context)
          return { data: read.data, isStale: read.isStale || index > 0 }
        } catch (error) {
          if (!(error instanceof TransformError)) throw error
          // What is stored plainly fits everything; what it says of encrypted values matters to nobody else.
          if (prefix !== '') faults.push(error.message)
        }
      }
      throw new TransformError(faults.length === 0 ? noneFits : faults.length === 1 ? (faults[0] as string) : `[${faults.join(', ')}]`)
    },
  }
}

function startsWith(data: Buffer, prefix: string): boolean {
  return data.subarray(0, Buffer.byteLength(prefix)).toString('latin1') === Buffer.from(prefix).toString('latin1')
}

/** As it is. */
export const identity: Transformer = {
  toStorage: (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  fromStorage(data) {
    if (isEncrypted(data)) throw new TransformError('identity transformer tried to read encrypted data')
    return { data, isStale: false }
  },
}

const tooShort = 'the stored data was shorter than the required size'
const nonceBytes = 12
const tagBytes = 16

/** AES-GCM: nonce, ciphertext, tag. A key is good for some 2^32 writes, as nonces are random: rotate it before. */
export function aesGcm(key: Buffer): Transformer {
  const cipher = `aes-${key.byteLength * 8}-gcm` as 'aes-256-gcm'
  return {
    toStorage(data, context) {
      const nonce = randomBytes(nonceBytes)
      const sealing = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(context))
      return Buffer.concat([nonce, sealing.update(data), sealing.final(), sealing.getAuthTag()])
    },
    fromStorage(data, context) {
      if (data.byteLength < nonceBytes) throw new TransformError(tooShort)
      if (data.byteLength < nonceBytes + tagBytes) throw new TransformError('cipher: message authentication failed')
      const opening = createDecipheriv(cipher, key, data.subarray(0, nonceBytes), { authTagLength: tagBytes })
      opening.setAAD(Buffer.from(context)).setAuthTag(data.subarray(-tagBytes))
      const opened = opening.update(data.subarray(nonceBytes, -tagBytes))
      try {
        opening.final()
      } catch (cause) {
        throw new TransformError('cipher: message authentication failed', { cause })
      }
      return { data: opened, isStale: false }
    },
  }
}

const blockBytes = 16

/** AES-CBC: initial vector, padded ciphertext. Nothing tells whether it was tampered with, or under which key it lay. */
export function aesCbc(key: Buffer): Transformer {
  const cipher = `aes-${key.byteLength * 8}-cbc`
  return {
    toStorage(data) {
      const vector = randomBytes(blockBytes)
      const sealing = createCipheriv(cipher, key, vector)
      return Buffer.concat([vector, sealing.update(data), sealing.final()])
    },
    fromStorage(data) {
      if (data.byteLength < blockBytes) throw new TransformError(tooShort)
      const blocks = data.subarray(blockBytes)
      if (blocks.byteLength % blockBytes !== 0) throw new TransformError('the stored data is not a multiple of the block size')
      const opening = createDecipheriv(cipher, key, data.subarray(0, blockBytes)).setAutoPadding(false)
      return { data: withoutPadding(Buffer.concat([opening.update(blocks), opening.final()])), isStale: false }
    },
  }
}

/** PKCS #7. */
function withoutPadding(data: Buffer): Buffer {
  const count = data.at(-1) ?? 0
  if (count === 0 || count > data.byteLength) throw new TransformError('invalid PKCS7 data (empty or not padded)')
  if (data.subarray(-count).some((byte) => byte !== count)) throw new TransformError('invalid padding on input')
  return data.subarray(0, -count)
}

const boxNonceBytes = 24

/** NaCl's secretbox, XSalsa20 and Poly1305: nonce, tag, ciphertext. Nothing tells under which key of the store it lay. */
export function secretbox(key: Buffer): Transformer {
  return {
    toStorage(data) {
      const nonce = randomBytes(boxNonceBytes)
      return Buffer.concat([nonce, xsalsa20poly1305(key, nonce).encrypt(data)])
    },
    fromStorage(data) {
      if (data.byteLength < boxNonceBytes + tagBytes) throw new TransformError(tooShort)
      const box = xsalsa20poly1305(key, data.subarray(0, boxNonceBytes))
      try {
        return { data: Buffer.from(box.decrypt(data.subarray(boxNonceBytes))), isStale: false }
      } catch (cause) {
        // Upstream's words for a tag that does not fit.
        throw new TransformError('output array was not large enough for encryption', { cause })
      }
    },
  }
}
