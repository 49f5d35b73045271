import { defineKind } from '../define-kind.ts'
import type { Pod } from '../generated/types.ts'
import type { Subresource } from '../kind.ts'
import { podColumns } from './pod-columns.ts'
import { setPodDefaults } from './pod-defaults.ts'
import { ephemeralContainersPart } from './pod-ephemeral-containers.ts'
import { isTerminated } from './pod-facts.ts'
import { mergeLabelKeys } from './pod-label-keys.ts'
import { qosClass } from './pod-qos.ts'
import { resizePart } from './pod-resize.ts'
import { prepareStatusUpdate, validatePodStatusUpdate } from './pod-status-validation.ts'
import { validatePodUpdate } from './pod-update-validation.ts'
import { validatePod } from './pod-validation.ts'
import { podWarnings } from './pod-warnings.ts'

const streams: readonly Subresource[] = ['exec', 'attach', 'portforward'].map((name) => ({
  name,
  kind: { exec: 'PodExecOptions', attach: 'PodAttachOptions', portforward: 'PodPortForwardOptions' }[name] as string,
  group: '',
  version: 'v1',
  verbs: ['create', 'get'],
}))

function startStatus(pod: Pod): void {
  pod.status = { phase: 'Pending', qosClass: qosClass(pod) }
  if (!pod.spec.schedulingGates?.length) return
  pod.status.conditions = [
    {
      type: 'PodScheduled',
      status: 'False',
      reason: 'SchedulingGated',
      message: 'Scheduling is blocked due to non-empty scheduling gates',
    },
  ]
}

/** Pods that never ran, or have finished, need no time to end. */
function gracePeriodSeconds({ spec, status }: Pod): number {
  if (isTerminated({ status }) || !spec.nodeName) return 0
  const seconds = spec.terminationGracePeriodSeconds ?? 30
  return seconds < 0 ? 1 : seconds
}

export const pods = defineKind<Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  namespaced: true,
  shortNames: ['po'],
  categories: ['all'],
  hasStatus: true,
  statusKeeps: ['ownerReferences'],
  countsGeneration: true,
  subresources: [
    { name: 'proxy', kind: 'PodProxyOptions', group: '', version: 'v1', verbs: ['create', 'delete', 'get', 'patch', 'update'] },
    { name: 'log', kind: 'Pod', group: '', version: 'v1', verbs: ['get'] },
    ...streams,
    { name: 'binding', kind: 'Binding', group: '', version: 'v1', verbs: ['create'] },
    { name: 'ephemeralcontainers', kind: 'Pod', group: '', version: 'v1', verbs: ['get', 'patch', 'update'] },
    { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
    { name: 'resize', kind: 'Pod', group: '', version: 'v1', verbs: ['get', 'patch', 'update'] },
  ],
  parts: { ephemeralcontainers: ephemeralContainersPart, resize: resizePart },
  columns: podColumns,
  selectableFields: {
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
    // As it was called before v1.
    'spec.host': ({ spec }) => spec.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec.restartPolicy ?? '',
    'spec.schedulerName': ({ spec }) => spec.schedulerName ?? '',
    'spec.serviceAccountName': ({ spec }) => spec.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.podIPs': ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? '',
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },
  setDefaults: setPodDefaults,
  prepareForCreate: (pod) => {
    startStatus(pod)
    mergeLabelKeys(pod)
  },
  prepareForStatusUpdate: prepareStatusUpdate,
  warnings: podWarnings,
  validate: validatePod,
  validateUpdate: validatePodUpdate,
  validateStatusUpdate: validatePodStatusUpdate,
  gracePeriodSeconds,
})
