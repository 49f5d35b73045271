import type { ClusterTrustBundle } from '../../../api/generated/types.ts'
import { clusterTrustBundles } from '../../../api/registry.ts'
import { deepEqual } from '../../../machinery/equality.ts'
import { forbidden } from '../../../machinery/status.ts'
import { type AdmissionPlugin, isOf } from '../plugin.ts'
import { mayUseSigner } from './signer-permission.ts'

/** Who says which certificates are trusted in the name of a signer needs the verb `attest` on it. */
export const clusterTrustBundleAttest: AdmissionPlugin = {
  name: 'ClusterTrustBundleAttest',
  validate(request, facts) {
    if (request.operation === 'delete' || !isOf(request, clusterTrustBundles)) return
    const [next, previous] = [request.object as ClusterTrustBundle, request.previous as ClusterTrustBundle | undefined]
    const { signerName } = next.spec
    if (!signerName || (previous && isSameButForCollection(next, previous))) return
    if (mayUseSigner(request, facts, 'attest', signerName)) return
    throw forbidden(request.kind, request.name, `user not permitted to attest for signerName ${JSON.stringify(signerName)}`)
  },
}

/** The garbage collector and namespaces' ends take finalizers and owners away, whoever the signer is. */
function isSameButForCollection(next: ClusterTrustBundle, previous: ClusterTrustBundle): boolean {
  const rest = ({ spec, metadata }: ClusterTrustBundle): object => {
    const { ownerReferences: _o, finalizers: _f, managedFields: _m, resourceVersion: _r, ...metadataRest } = metadata
    return { spec, metadata: metadataRest }
  }
  return deepEqual(rest(next), rest(previous))
}
