import type { UserInfo } from '../machinery/api-request.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../machinery/status.ts'
import type { CreateOptions } from './writes.ts'

const server: UserInfo = { name: 'system:apiserver', uid: '', groups: ['system:masters'], extra: {} }

/** Writes of the server itself, on nobody's behalf. */
export const byServer: CreateOptions = {
  user: server,
  dryRun: false,
  manager: 'kube-apiserver',
  applies: false,
  warnings: new Set<string>(),
  audit: undefined,
}

/** Waits for a write of the server's own. Where somebody else, such as another server, was faster, the next look will tell. */
export async function unlessMeanwhile(write: Promise<unknown>): Promise<void> {
  try {
    await write
  } catch (error) {
    if (!isNotFound(error) && !isAlreadyExists(error) && !isConflict(error)) throw error
  }
}
