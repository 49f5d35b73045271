import { createHash, createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Clock } from '../host/clock.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'
import { openFileStore } from '../storage/file-store.ts'
import type { Store } from '../storage/store.ts'
import type { ClusterCertificates } from './certificates.ts'
import type { ClusterConfig } from './config.ts'
import { pathsOf } from './paths.ts'

export interface DatastoreDeps {
  clock: Clock
  random: Random
  log: Log
}

/** The folder of this cluster, or the etcd that it shares with other servers. */
export async function openDatastore(config: ClusterConfig, deps: DatastoreDeps): Promise<Store> {
  const { datastore } = config
  if (!datastore) return await openFileStore(pathsOf(config).store, deps)
  const pem = async (path: string | undefined): Promise<string | undefined> => (path ? await readFile(path, 'utf8') : undefined)
  const [ca, cert, key] = await Promise.all([datastore.caFile, datastore.certFile, datastore.keyFile].map(pem))
  // Most clusters have no use for it.
  const { openEtcdStore } = await import('../storage/etcd/etcd-store.ts')
  return await openEtcdStore({ endpoints: datastore.endpoints, tls: { ca, cert, key }, prefix: datastore.prefix }, deps)
}

/** What servers that share a store must have in common. */
interface ClusterRecord {
  readonly caSha256: string
  readonly serviceAccountKeySha256: string
  readonly serviceCidr: string
}

/** What the servers of a store have written of themselves. */
export const clusterRecordKey = '/cluster'
const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex')

/**
 * The first server writes down what the cluster is; each later one must be of it: with another authority or another signing key, what
 * one server trusts the other would refuse.
 */
export async function requireOneCluster(
  store: Store,
  { serviceCidr, dataDir, runDir }: ClusterConfig,
  { ca, serviceAccountKey }: ClusterCertificates,
): Promise<void> {
  const publicKey = createPublicKey(serviceAccountKey).export({ type: 'spki', format: 'der' })
  const own: ClusterRecord = { caSha256: sha256(ca), serviceAccountKeySha256: sha256(publicKey), serviceCidr }
  const made = await store.commit([{ key: clusterRecordKey, value: Buffer.from(JSON.stringify(own)), expect: 0 }])
  if (made.ok) return
  const stored = made.conflicts.get(clusterRecordKey)
  const theirs = JSON.parse(Buffer.from(stored?.value ?? []).toString()) as ClusterRecord
  if (theirs.caSha256 !== own.caSha256 || theirs.serviceAccountKeySha256 !== own.serviceAccountKeySha256) {
    throw new Error(
      `the datastore holds a cluster with another authority than the one in ${pathsOf({ dataDir, runDir }).pki}: take this server down with --delete, copy ca.crt, ca.key and sa.key there from a server of that cluster, and start again; or give another --datastore-prefix for a cluster of its own`,
    )
  }
  if (theirs.serviceCidr !== serviceCidr) {
    throw new Error(
      `the cluster in the datastore has Services in ${theirs.serviceCidr}, this server in ${serviceCidr}: give it --service-cidr ${theirs.serviceCidr}`,
    )
  }
}
