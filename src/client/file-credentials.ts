import { readFile } from 'node:fs/promises'
import type { Clock } from '../host/clock.ts'
import type { Credential, Credentials } from './credentials.ts'

export interface CredentialFiles {
  readonly tokenFile?: string
  readonly certFile?: string
  readonly keyFile?: string
}

/** Kubelets write a service account's token anew long before it ends: a look a minute is soon enough. */
const rereadMs = 60_000

/** Credentials that lie in files, which others renew. Throws what reading them throws. */
export function fileCredentials(files: CredentialFiles, fixed: Credential, clock: Clock): Credentials {
  let known: { credential: Credential; atMs: number } | undefined
  return {
    async current() {
      const now = clock.monotonic()
      if (known && now - known.atMs < rereadMs) return known.credential
      known = { credential: { ...fixed, ...(await readAll(files)) }, atMs: now }
      return known.credential
    },
    refused() {
      known = undefined
    },
  }
}

async function readAll({ tokenFile, certFile, keyFile }: CredentialFiles): Promise<Credential> {
  return {
    ...(tokenFile === undefined ? {} : { token: (await readFile(tokenFile, 'utf8')).trim() }),
    ...(certFile === undefined ? {} : { cert: await readFile(certFile, 'utf8') }),
    ...(keyFile === undefined ? {} : { key: await readFile(keyFile, 'utf8') }),
  }
}
