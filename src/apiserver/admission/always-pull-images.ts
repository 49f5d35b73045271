import type { Pod } from '../../api/generated/types.ts'
import { type AdmissionPlugin, isPod } from './plugin.ts'

/** What is pulled for the pod, by what it is called in each place. */
function imagesOf({ spec }: Pod): Set<string | undefined> {
  const containers = [...(spec.initContainers ?? []), ...spec.containers]
  const volumes = (spec.volumes ?? []).flatMap(({ image }) => (image ? [image.reference] : []))
  return new Set([...containers.map(({ image }) => image), ...volumes])
}

/** Nobody uses an image that somebody else has had pulled: whoever wants one shows each time that they may have it. */
export const alwaysPullImages: AdmissionPlugin = {
  name: 'AlwaysPullImages',
  admit(request) {
    if (!isPod(request) || request.operation === 'delete') return
    const pod = request.object as Pod
    if (request.previous) {
      const known = imagesOf(request.previous as Pod)
      if ([...imagesOf(pod)].every((image) => known.has(image))) return
    }
    for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) container.imagePullPolicy = 'Always'
    for (const { image } of pod.spec.volumes ?? []) if (image) image.pullPolicy = 'Always'
  },
}
