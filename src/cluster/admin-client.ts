import type { Client } from '../client/client.ts'
import { httpClient } from '../client/http-client.ts'
import { readCertificates } from './certificates.ts'
import type { ClusterConfig } from './config.ts'
import { pathsOf } from './paths.ts'

/** A client with the administrator's rights, for commands on this machine. */
export async function adminClient(config: ClusterConfig): Promise<Client> {
  const { ca, admin } = await readCertificates(pathsOf(config).pki)
  return httpClient({ server: `https://127.0.0.1:${config.apiPort}`, ca, ...admin, userAgent: 'ownkube/cli' })
}
