import { defineKind } from '../define-kind.ts'
import type { Pod } from '../generated/types.ts'

export const pods = defineKind<Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  namespaced: true,
  shortNames: ['po'],
  categories: ['all'],
  hasStatus: true,
  countsGeneration: true,
  subresources: [
    { name: 'log', kind: 'Pod', group: '', version: 'v1', verbs: ['get'] },
    { name: 'exec', kind: 'PodExecOptions', group: '', version: 'v1', verbs: ['create', 'get'] },
    { name: 'attach', kind: 'PodAttachOptions', group: '', version: 'v1', verbs: ['create', 'get'] },
    { name: 'portforward', kind: 'PodPortForwardOptions', group: '', version: 'v1', verbs: ['create', 'get'] },
    { name: 'binding', kind: 'Binding', group: '', version: 'v1', verbs: ['create'] },
    { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
  ],
  gracePeriodSeconds: (pod) => {
    const finished = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
    return finished || !pod.spec.nodeName ? 0 : (pod.spec.terminationGracePeriodSeconds ?? 30)
  },
})
