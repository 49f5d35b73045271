import type { Pod, Toleration } from '../../api/generated/types.ts'
import { type AdmissionPlugin, isPod } from './plugin.ts'

const conditionTaints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

/** A pod stays five minutes on a node that has failed, unless it says otherwise. */
export const defaultTolerations: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  admit(request) {
    if (!isPod(request) || request.operation === 'delete') return
    const { spec } = request.object as Pod
    const tolerated = (key: string): boolean =>
      (spec.tolerations ?? []).some((one: Toleration) => (!one.key || one.key === key) && (!one.effect || one.effect === 'NoExecute'))
    for (const key of conditionTaints) {
      if (tolerated(key)) continue
      spec.tolerations = [...(spec.tolerations ?? []), { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }]
    }
  },
}
