import { namespaces } from '../../api/registry.ts'
import { forbidden, notFound, StatusError } from '../../machinery/status.ts'
import type { AdmissionPlugin } from './plugin.ts'

/** Without these the cluster has no ground to stand on. */
const immortal = new Set(['default', 'kube-system', 'kube-public'])

/** Nothing comes into a namespace that isn't there or is going. */
export const namespaceLifecycle: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
  admit({ kind, operation, namespace, name }, facts) {
    if (operation === 'delete') {
      if (kind.plural !== namespaces.plural || kind.group !== '' || !immortal.has(name)) return
      throw forbidden(namespaces, name, 'this namespace may not be deleted')
    }
    if (!kind.namespaced || namespace === undefined || operation !== 'create') return
    const found = facts.get(namespaces, undefined, namespace)
    if (!found) throw notFound(namespaces, namespace)
    if (found.metadata.deletionTimestamp === undefined) return
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`
    const { status } = forbidden(kind, name, why)
    const cause = { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }
    throw new StatusError({ ...status, details: { ...status.details, causes: [cause] } })
  },
}
