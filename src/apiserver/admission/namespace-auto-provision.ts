import { namespaces } from '../../api/registry.ts'
import type { AdmissionPlugin } from './plugin.ts'

/** A namespace comes about with the first object in it. */
export const namespaceAutoProvision: AdmissionPlugin = {
  name: 'NamespaceAutoProvision',
  async provide({ kind, operation, namespace, dryRun }, facts) {
    if (operation !== 'create' || !kind.namespaced || namespace === undefined || dryRun) return
    if (!facts.get(namespaces, undefined, namespace)) await facts.makeNamespace(namespace)
  },
}
