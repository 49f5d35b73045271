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

export const systemRandom: Random = {
  float: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  uuid: () => randomUUID(),
}
