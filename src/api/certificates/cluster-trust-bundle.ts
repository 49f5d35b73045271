import { type FieldError, invalidValue, tooLong } from '../../machinery/field-error.ts'
import { certificateIn, type PemBlock, pemBlocks } from '../../machinery/pem.ts'
import { column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, immutableFaults } from '../field-checks.ts'
import type { ClusterTrustBundle, ClusterTrustBundleSpec } from '../generated/types.ts'
import { signerNameFaults } from './certificate-signing-request-validation.ts'

/** Bundles of a signer are named for it, so that permissions can speak of them. */
function* bundleFaults({ metadata, spec }: ClusterTrustBundle): Faults {
  if (spec.signerName) {
    yield* signerNameFaults('spec.signerName', spec.signerName)
    const prefix = `${spec.signerName.replaceAll('/', ':')}:`
    if (metadata.name && !metadata.name.startsWith(prefix)) {
      yield invalidValue(
        'metadata.name',
        metadata.name,
        `ClusterTrustBundle for signerName ${spec.signerName} must be named with prefix ${prefix}`,
      )
    }
  } else if (metadata.name?.includes(':')) {
    yield invalidValue('metadata.name', metadata.name, 'ClusterTrustBundle without signer name must not have ":" in its name')
  }
}

const path = 'spec.trustBundle'
const maxBytes = 1 << 20

/** Certificates of authorities as PEM, each of them once. */
function* anchorFaults(trustBundle: string): Faults {
  if (Buffer.byteLength(trustBundle) > maxBytes) return yield tooLong(path, maxBytes)
  const blocks = pemBlocks(trustBundle)
  const faults = blocks.flatMap((block, index) => anchorFault(block, index) ?? [])
  if (faults.length > 0) return yield* faults
  if (blocks.length === 0) return yield invalidValue(path, omitted, 'at least one trust anchor must be provided')
  const places = Map.groupBy(blocks.keys(), (index) => certificateIn(blocks[index] as PemBlock)?.fingerprint512)
  for (const indices of places.values()) {
    if (indices.length > 1) yield invalidValue(path, omitted, `duplicate trust anchor (indices [${indices.join(' ')}])`)
  }
}

const omitted = '<value omitted>'

function anchorFault(block: PemBlock, index: number): FieldError | undefined {
  const fault = (what: string): FieldError => invalidValue(path, omitted, `entry ${index} ${what}`)
  if (block.label !== 'CERTIFICATE') return fault(`has bad block type: ${block.label}`)
  if (block.hasHeaders) return fault('has PEM block headers')
  const certificate = certificateIn(block)
  if (!certificate) return fault('does not parse as X.509')
  return certificate.ca ? undefined : fault('does not have the CA bit set')
}

export const clusterTrustBundles = defineKind<ClusterTrustBundle>({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'ClusterTrustBundle',
  plural: 'clustertrustbundles',
  namespaced: false,
  nameRule: 'path-segment',
  columns: [nameColumn, column('SignerName', 'string', 'The signer whose certificates it trusts.', ({ spec }) => spec.signerName || none)],
  selectableFields: { 'spec.signerName': ({ spec }) => spec.signerName ?? '' },
  setDefaults: (bundle) => {
    bundle.spec ??= {} as ClusterTrustBundleSpec
  },
  validate: (bundle): FieldError[] => [...bundleFaults(bundle), ...anchorFaults(bundle.spec.trustBundle ?? '')],
  validateUpdate: (bundle, previous) => [...immutableFaults('spec.signerName', bundle.spec.signerName, previous.spec.signerName)],
})
