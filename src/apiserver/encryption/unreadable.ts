import { internalError, type StatusError } from '../../machinery/status.ts'
import { isEncrypted } from './transformers.ts'

/** Why a value could not be decrypted, by the value. */
const reasons = new WeakMap<Uint8Array, string>()
/** Values that a key has read that is not the one by which they would be written now. */
const stale = new WeakSet<Uint8Array>()

export function markUnreadable(value: Uint8Array, reason: string): void {
  reasons.set(value, reason)
}

export function markStale(value: Uint8Array): void {
  stale.add(value)
}

/** To be written anew, even where nothing of the object changes: so that keys can be retired. */
export function isStale(value: Uint8Array): boolean {
  return stale.has(value)
}

/** Undefined: it is no ciphertext. Servers that encrypt nothing meet ciphertext where one before them did. */
export function unreadableReason(value: Uint8Array): string | undefined {
  if (!isEncrypted(value)) return undefined
  return reasons.get(value) ?? 'identity transformer tried to read encrypted data'
}

/** What upstream answers where it lists. */
export function unreadableKey(key: string, reason: string): StatusError {
  return internalError(`unable to transform key ${JSON.stringify(key)}: ${reason}`)
}
