import { createHash, X509Certificate } from 'node:crypto'
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newServiceAccountKey } from '../apiserver/access/token-signatures.ts'
import { readIfThere } from '../host/files.ts'
import type { KeyPair } from './issue-certificate.ts'

export type { KeyPair } from './issue-certificate.ts'

/** Everything a cluster's components identify themselves with. All are signed by the one cluster CA. */
export interface ClusterCertificates {
  ca: string
  apiserver: KeyPair
  /** The API server towards kubelets. */
  apiserverKubeletClient: KeyPair
  admin: KeyPair
  kubeletClient: KeyPair
  kubeletServer: KeyPair
  proxyClient: KeyPair
  /** Signs service-account tokens: PEM of an EC P-256 private key. */
  serviceAccountKey: string
}

interface Wanted {
  name: string
  commonName: string
  organizations: readonly string[]
  usage: 'client' | 'server'
  dnsNames: readonly string[]
  addresses: readonly string[]
}

const serviceAccountKeyFile = 'sa.key'

const dayMs = 24 * 60 * 60 * 1000
const caDays = 3650
const leafDays = 365
/** Leaves with less time left than this are made anew at `up`. */
const renewDays = 60

export interface CertificateNames {
  nodeName: string
  nodeAddress: string
  /** Address of the `kubernetes` Service. */
  serviceAddress: string
}

function wantedLeaves({ nodeName, nodeAddress, serviceAddress }: CertificateNames): Wanted[] {
  const client = (name: string, commonName: string, organizations: readonly string[]): Wanted => ({
    name,
    commonName,
    organizations,
    usage: 'client',
    dnsNames: [],
    addresses: [],
  })
  return [
    {
      name: 'apiserver',
      commonName: 'kube-apiserver',
      organizations: [],
      usage: 'server',
      dnsNames: [
        'localhost',
        nodeName,
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        'kubernetes.default.svc.cluster.local',
      ],
      addresses: [...new Set(['127.0.0.1', '::1', nodeAddress, serviceAddress])],
    },
    client('apiserver-kubelet-client', 'kube-apiserver-kubelet-client', ['system:masters']),
    client('admin', 'kubernetes-admin', ['system:masters']),
    client('kubelet-client', `system:node:${nodeName}`, ['system:nodes']),
    {
      name: 'kubelet-server',
      commonName: `system:node:${nodeName}`,
      organizations: ['system:nodes'],
      usage: 'server',
      dnsNames: ['localhost', nodeName],
      addresses: [...new Set(['127.0.0.1', nodeAddress])],
    },
    client('proxy-client', 'system:kube-proxy', ['system:kube-proxy']),
  ]
}

/** What a leaf was made for, so that a change of node name or address makes it anew. */
function fingerprint(wanted: Wanted, ca: string): string {
  return createHash('sha256')
    .update(JSON.stringify([wanted, ca]))
    .digest('hex')
}

/** Keys are 0600 from their first byte on disk; a crash leaves the old file or the new one. */
async function writeSafely(path: string, text: string, mode: number): Promise<void> {
  await writeFile(`${path}.new`, text, { mode })
  await chmod(`${path}.new`, mode)
  await rename(`${path}.new`, path)
}

async function readPair(directory: string, name: string): Promise<KeyPair | undefined> {
  const [cert, key] = await Promise.all([readIfThere(join(directory, `${name}.crt`)), readIfThere(join(directory, `${name}.key`))])
  return cert !== undefined && key !== undefined ? { cert, key } : undefined
}

async function writePair(directory: string, name: string, pair: KeyPair): Promise<void> {
  await writeSafely(join(directory, `${name}.key`), pair.key, 0o600)
  await writeSafely(join(directory, `${name}.crt`), pair.cert, 0o644)
}

function stillGood(pair: KeyPair, nowMs: number): boolean {
  return new Date(new X509Certificate(pair.cert).validTo).getTime() - nowMs > renewDays * dayMs
}

/**
 * Reads the cluster's certificates, making what is missing, about to end, or made for another name or address.
 * The CA is made once and stays for the cluster's life.
 */
export async function ensureCertificates(directory: string, names: CertificateNames, nowMs: number): Promise<ClusterCertificates> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // The X.509 library takes 100 ms to load: only when something has to be made.
  const issuing = () => import('./issue-certificate.ts')
  let ca = await readPair(directory, 'ca')
  if (!ca) {
    ca = await (await issuing()).makeAuthority({ commonName: 'ownkube-ca', notBefore: nowMs - 60_000, notAfter: nowMs + caDays * dayMs })
    await writePair(directory, 'ca', ca)
  }
  const pairs = new Map<string, KeyPair>()
  for (const wanted of wantedLeaves(names)) {
    const mark = fingerprint(wanted, ca.cert)
    const [present, presentMark] = await Promise.all([readPair(directory, wanted.name), readIfThere(join(directory, `${wanted.name}.for`))])
    if (present && presentMark === mark && stillGood(present, nowMs)) {
      pairs.set(wanted.name, present)
      continue
    }
    const made = await (await issuing()).issueCertificate(ca, { ...wanted, notBefore: nowMs - 60_000, notAfter: nowMs + leafDays * dayMs })
    await writePair(directory, wanted.name, made)
    await writeSafely(join(directory, `${wanted.name}.for`), mark, 0o644)
    pairs.set(wanted.name, made)
  }
  return certificatesFrom(ca.cert, await ensureServiceAccountKey(directory), (name) => pairs.get(name))
}

/** Made once: tokens that it signed are good for as long as it is there. */
async function ensureServiceAccountKey(directory: string): Promise<string> {
  const path = join(directory, serviceAccountKeyFile)
  const present = await readIfThere(path)
  if (present !== undefined) return present
  const key = newServiceAccountKey()
  await writeSafely(path, key, 0o600)
  return key
}

/** The CA with its key, which the server alone reads. Undefined on a machine that is kept from it. */
export function readAuthority(directory: string): Promise<KeyPair | undefined> {
  return readPair(directory, 'ca')
}

/** The certificates as `up` left them. */
export async function readCertificates(directory: string): Promise<ClusterCertificates> {
  const names = ['apiserver', 'apiserver-kubelet-client', 'admin', 'kubelet-client', 'kubelet-server', 'proxy-client']
  const ca = await readIfThere(join(directory, 'ca.crt'))
  if (ca === undefined) throw new Error(`no certificates in ${directory}: run 'ownkube up' first`)
  const pairs = new Map(await Promise.all(names.map(async (name) => [name, await readPair(directory, name)] as const)))
  const serviceAccountKey = await readIfThere(join(directory, serviceAccountKeyFile))
  if (serviceAccountKey === undefined) throw new Error(`${serviceAccountKeyFile} is missing: run 'ownkube up' to make it anew`)
  return certificatesFrom(ca, serviceAccountKey, (name) => pairs.get(name))
}

function certificatesFrom(ca: string, serviceAccountKey: string, pair: (name: string) => KeyPair | undefined): ClusterCertificates {
  const must = (name: string): KeyPair => {
    const found = pair(name)
    if (!found) throw new Error(`certificate ${name} is missing: run 'ownkube up' to make it anew`)
    return found
  }
  return {
    ca,
    apiserver: must('apiserver'),
    apiserverKubeletClient: must('apiserver-kubelet-client'),
    admin: must('admin'),
    kubeletClient: must('kubelet-client'),
    kubeletServer: must('kubelet-server'),
    proxyClient: must('proxy-client'),
    serviceAccountKey,
  }
}
