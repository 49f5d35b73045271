import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { Namespace } from '../generated/types.ts'
import { validateNamespace, validateNamespaceStatus } from './namespace-validation.ts'

/** Every namespace wears its own name, so that selectors can name one. */
const nameLabel = 'kubernetes.io/metadata.name'
/** Removed by the namespace controller once the namespace is empty. */
const contentFinalizer = 'kubernetes'

export const namespaces = defineKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
  shortNames: ['ns'],
  nameRule: 'dns-label',
  hasStatus: true,
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [{ name: 'finalize', kind: 'Namespace', group: '', version: 'v1', verbs: ['update'] }],
  columns: [
    nameColumn,
    column('Status', 'string', 'Active, or Terminating while its contents are deleted.', ({ status }) => status?.phase ?? ''),
    ageColumn,
  ],
  selectableFields: { 'status.phase': (namespace) => namespace.status?.phase ?? '' },
  setDefaults: (namespace) => {
    namespace.spec ??= {}
    if (namespace.metadata.name) namespace.metadata.labels = { ...namespace.metadata.labels, [nameLabel]: namespace.metadata.name }
  },
  prepareForCreate: (namespace) => {
    namespace.status = { phase: 'Active' }
    const finalizers = namespace.spec.finalizers ?? []
    if (!finalizers.includes(contentFinalizer)) namespace.spec.finalizers = [...finalizers, contentFinalizer]
  },
  // Only the finalize subresource removes finalizers.
  prepareForUpdate: (namespace, previous) => {
    namespace.spec.finalizers = previous.spec.finalizers
  },
  validate: validateNamespace,
  validateStatusUpdate: validateNamespaceStatus,
})
