import { isExtended } from '../../api/core/resource-names.ts'
import type { Pod, Toleration } from '../../api/generated/types.ts'
import { type AdmissionPlugin, isPod } from './plugin.ts'

/** Nodes with devices are kept for those who ask for them, by taints of the devices' names: whoever asks for one tolerates its taint. */
export const extendedResourceToleration: AdmissionPlugin = {
  name: 'ExtendedResourceToleration',
  admit(request) {
    if (!isPod(request) || request.operation === 'delete') return
    const { spec } = request.object as Pod
    const asked = [...(spec.initContainers ?? []), ...spec.containers].flatMap(({ resources }) => Object.keys(resources?.requests ?? {}))
    for (const key of [...new Set(asked.filter(isExtended))].sort()) {
      const toleration: Toleration = { key, operator: 'Exists', effect: 'NoSchedule' }
      const others = (spec.tolerations ?? []).filter((one) => !isSame(one, toleration))
      spec.tolerations = [...others, toleration]
    }
  },
}

function isSame(one: Toleration, other: Toleration): boolean {
  return one.key === other.key && one.operator === other.operator && one.effect === other.effect && !one.value
}
