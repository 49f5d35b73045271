import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField } from '../../machinery/field-error.ts'
import type { Pod } from '../generated/types.ts'
import type { ObjectPart } from '../kind.ts'
import { mirrorAnnotation } from './pod-annotation-validation.ts'

const path = 'spec.ephemeralContainers'

/** Containers for debugging come to a pod that runs; none of them changes any more, or goes before the pod does. */
export const ephemeralContainersPart: ObjectPart<Pod> = {
  take(pod, { spec }) {
    const { ephemeralContainers: _before, ...others } = pod.spec
    const asked = spec?.ephemeralContainers
    pod.spec = asked?.length ? { ...others, ephemeralContainers: asked } : others
  },
  validate(pod, previous) {
    const faults: FieldError[] = []
    if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined)
      faults.push(forbiddenField('', 'static pods do not support ephemeral containers'))
    const asked = new Map((pod.spec.ephemeralContainers ?? []).map((container) => [container.name, container]))
    for (const before of previous.spec.ephemeralContainers ?? []) {
      const now = asked.get(before.name)
      const name = JSON.stringify(before.name)
      if (!now) faults.push(forbiddenField(path, `existing ephemeral containers ${name} may not be removed\n`))
      else if (!deepEqual(now, before)) {
        const difference = `- ${JSON.stringify(before)}\n+ ${JSON.stringify(now)}\n`
        faults.push(forbiddenField(path, `existing ephemeral containers ${name} may not be changed\n${difference}`))
      }
    }
    return faults
  },
}
