import { namespaces } from '../../api/registry.ts'
import { notFound } from '../../machinery/status.ts'
import type { AdmissionPlugin } from './plugin.ts'

/** Nothing is done in a namespace that isn't there: NamespaceLifecycle asks it of what is made alone. */
export const namespaceExists: AdmissionPlugin = {
  name: 'NamespaceExists',
  validate({ kind, namespace }, facts) {
    if (!kind.namespaced || namespace === undefined) return
    if (!facts.get(namespaces, undefined, namespace)) throw notFound(namespaces, namespace)
  },
}
