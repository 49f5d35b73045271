import { type FieldError, invalidValue, required } from '../../machinery/field-error.ts'
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
  if (!spec.trustBundle) yield required('spec.trustBundle', 'at least one trust anchor must be provided')
  else if (!/-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/.test(spec.trustBundle)) {
    yield invalidValue('spec.trustBundle', '<value omitted>', 'at least one trust anchor must be provided')
  }
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
  validate: (bundle): FieldError[] => [...bundleFaults(bundle)],
  validateUpdate: (bundle, previous) => [...immutableFaults('spec.signerName', bundle.spec.signerName, previous.spec.signerName)],
})
