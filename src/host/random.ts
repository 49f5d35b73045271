import { randomBytes, randomUUID } from 'node:crypto'

/** Chance as an argument. */
export interface Random {
  /** At least 0, less than 1. */
  float(): number
  /** An RFC 4122 version 4 UUID. */
  uuid(): string
}

/** The letters of Kubernetes' generated names: no vowels, no digits that read as letters, so that no words arise. */
const safeLetters = 'bcdfghjklmnpqrstvwxz2456789'

/** A random suffix such as `x7k2p`, as generateName and ReplicaSets use. */
export function randomSuffix(random: Random, length = 5): string {
  let text = ''
  for (let i = 0; i < length; i++) text += safeLetters[Math.floor(random.float() * safeLetters.length)]
  return text
}

const floatBytes = 6
/** Fetched for many numbers at a time: each fetch asks the system. */
let pool = Buffer.alloc(0)
let used = 0

function nextFloat(): number {
  if (used + floatBytes > pool.byteLength) {
    pool = randomBytes(256 * floatBytes)
    used = 0
  }
  used += floatBytes
  return pool.readUIntBE(used - floatBytes, floatBytes) / 2 ** 48
}

export const systemRandom: Random = {
  float: nextFloat,
  uuid: () => randomUUID(),
}
