import type { UserInfo } from '../machinery/api-request.ts'
import type { CreateOptions } from './writes.ts'

const server: UserInfo = { name: 'system:apiserver', uid: '', groups: ['system:masters'], extra: {} }

/** Writes of the server itself, on nobody's behalf. */
export const byServer: CreateOptions = {
  user: server,
  dryRun: false,
  manager: 'kube-apiserver',
  applies: false,
  warnings: new Set<string>(),
}
