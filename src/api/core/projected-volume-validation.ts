import { forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { pathSegmentFaults } from '../../machinery/names.ts'
import { signerNameFaults } from '../certificates/certificate-signing-request-validation.ts'
import { dnsSubdomainFaults, type Faults, labelSelectorFaults, userIdFaults, writtenPathFaults } from '../field-checks.ts'
import type {
  ClusterTrustBundleProjection,
  PodCertificateProjection,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../generated/types.ts'
import { downwardFileFaults, itemsFaults, modeFaults } from './volume-file-validation.ts'

const sources = ['secret', 'configMap', 'downwardAPI', 'serviceAccountToken', 'clusterTrustBundle', 'podCertificate'] as const

/** `path` is the whole volume's: upstream tells of the file's path there. */
function* tokenFaults(path: string, at: string, token: ServiceAccountTokenProjection): Faults {
  const { expirationSeconds: seconds, path: file } = token
  if (seconds === undefined) yield required(`${at}.expirationSeconds`)
  else if (seconds < 600) yield invalidValue(`${at}.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes')
  else if (seconds > 2 ** 32) {
    yield invalidValue(`${at}.expirationSeconds`, seconds, 'may not specify a duration larger than 2^32 seconds')
  }
  if (!file) yield required(`${path}.path`)
  else yield* writtenPathFaults(`${path}.path`, file)
  yield* userIdFaults(`${at}.user`, token.user)
}

/** Bundles of a signer have its name before the last colon of theirs. */
function* bundleNameFaults(path: string, name: string): Faults {
  if (!name) yield required(path, 'must be a valid object name')
  const hasSigner = name.includes(':')
  const messages = hasSigner
    ? pathSegmentFaults(name)
    : [...dnsSubdomainFaults('', name)].map(({ message }) => message.replace(/^.*?": /, ''))
  for (const message of messages) yield invalidValue(path, name, `not a valid clustertrustbundlename: ${message}`)
}

function* bundleFaults(at: string, bundle: ClusterTrustBundleProjection): Faults {
  const { name, signerName, labelSelector, path: file = '' } = bundle
  if (name !== undefined && signerName !== undefined) yield invalidValue(at, bundle, 'only one of name and signerName may be used')
  else if (name !== undefined) {
    yield* bundleNameFaults(`${at}.name`, name)
    if (labelSelector) yield invalidValue(`${at}.labelSelector`, labelSelector, 'labelSelector must be unset if name is specified')
  } else if (signerName !== undefined) {
    if (!signerName) yield required(`${at}.signerName`, 'must be a valid signer name')
    yield* signerNameFaults(`${at}.signerName`, signerName)
    yield* labelSelectorFaults(`${at}.labelSelector`, labelSelector)
  } else yield required(at, 'either name or signerName must be specified')
  if (!file) yield required(`${at}.path`)
  yield* userIdFaults(`${at}.user`, bundle.user)
  yield* writtenPathFaults(`${at}.path`, file)
}

const keyTypes = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519']
const certificateFiles = ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const
const leastCertificateSeconds = 3600
/** 91 days; Kubernetes' own signers give a day. */
const mostCertificateSeconds = 7_862_400
const mostOwnCertificateSeconds = 86_400

function* certificateFaults(at: string, certificate: PodCertificateProjection): Faults {
  const { signerName = '', keyType, maxExpirationSeconds: seconds } = certificate
  yield* signerNameFaults(`${at}.signerName`, signerName)
  yield* userIdFaults(`${at}.user`, certificate.user)
  if (!keyTypes.includes(keyType)) yield notSupported(`${at}.keyType`, keyType ?? '', keyTypes)
  const most = signerName.startsWith('kubernetes.io/') ? mostOwnCertificateSeconds : mostCertificateSeconds
  if (seconds !== undefined && seconds < leastCertificateSeconds) {
    yield invalidValue(`${at}.maxExpirationSeconds`, seconds, `if provided, maxExpirationSeconds must be >= ${leastCertificateSeconds}`)
  } else if (seconds !== undefined && seconds > most) {
    yield invalidValue(`${at}.maxExpirationSeconds`, seconds, `if provided, maxExpirationSeconds must be <= ${most}`)
  }
  for (const field of certificateFiles) yield* writtenPathFaults(`${at}.${field}`, certificate[field] ?? '')
  if (certificateFiles.every((field) => !certificate[field])) {
    yield required(at, 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath')
  }
}

function* sourceFaults(path: string, at: string, source: VolumeProjection): Faults {
  for (const field of ['secret', 'configMap'] as const) {
    const part = source[field]
    if (!part) continue
    if (!part.name) yield required(`${at}.${field}.name`)
    yield* itemsFaults(`${at}.${field}.items`, part.items)
  }
  for (const file of source.downwardAPI?.items ?? []) yield* downwardFileFaults(`${at}.downwardAPI`, file)
  if (source.serviceAccountToken) yield* tokenFaults(path, `${at}.serviceAccountToken`, source.serviceAccountToken)
  if (source.clusterTrustBundle) yield* bundleFaults(`${at}.clusterTrustBundle`, source.clusterTrustBundle)
  if (source.podCertificate) yield* certificateFaults(`${at}.podCertificate`, source.podCertificate)
  const given = sources.filter((field) => source[field])
  if (given.length > 1) yield forbiddenField(at, 'may not specify more than 1 volume type per source')
}

/** Files that a source writes, with what messages call one that is there already. Tokens are not looked at: those only get a warning. */
function filesOf({
  secret,
  configMap,
  downwardAPI,
  clusterTrustBundle,
  podCertificate,
}: VolumeProjection): [path: string, shown: string][] {
  const itself = (file: string | undefined): [string, string][] => (file ? [[file, file]] : [])
  return [
    ...(secret?.items ?? []).map(({ path }): [string, string] => [path, secret?.name ?? '']),
    ...(configMap?.items ?? []).map(({ path }): [string, string] => [path, configMap?.name ?? '']),
    ...(downwardAPI?.items ?? []).flatMap(({ path }) => itself(path)),
    ...itself(clusterTrustBundle?.path),
    ...certificateFiles.flatMap((field) => itself(podCertificate?.[field])),
  ]
}

/** Several sources in one volume. */
export function* projectedFaults(path: string, { defaultMode, defaultUser, sources: list = [] }: ProjectedVolumeSource): Faults {
  yield* modeFaults(`${path}.defaultMode`, defaultMode)
  yield* userIdFaults(`${path}.defaultUser`, defaultUser)
  const written = new Set<string>()
  for (const [index, source] of list.entries()) {
    yield* sourceFaults(path, `${path}.sources[${index}]`, source)
    for (const [file, shown] of filesOf(source)) {
      if (file && written.has(file)) yield invalidValue(path, shown, 'conflicting duplicate paths')
      written.add(file)
    }
  }
}
