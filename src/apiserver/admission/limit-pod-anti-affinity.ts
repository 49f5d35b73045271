import type { Pod } from '../../api/generated/types.ts'
import { forbidden } from '../../machinery/status.ts'
import { type AdmissionPlugin, isPod } from './plugin.ts'

const hostname = 'kubernetes.io/hostname'

/** A pod may keep others off its node, not off its zone. */
export const limitPodHardAntiAffinityTopology: AdmissionPlugin = {
  name: 'LimitPodHardAntiAffinityTopology',
  validate(request) {
    if (!isPod(request) || request.operation === 'delete') return
    const terms = (request.object as Pod).spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
    const other = terms.find(({ topologyKey }) => topologyKey !== hostname)
    if (!other) return
    const why = `affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey ${other.topologyKey} but only key ${hostname} is allowed`
    throw forbidden(request.kind, request.name, why)
  },
}
