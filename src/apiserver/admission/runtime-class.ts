import type { Pod, RuntimeClass } from '../../api/generated/types.ts'
import { runtimeClasses } from '../../api/registry.ts'
import { deepEqual, ownValue } from '../../machinery/equality.ts'
import { forbidden } from '../../machinery/status.ts'
import { type AdmissionFacts, type AdmissionPlugin, type AdmissionRequest, isPodCreate } from './plugin.ts'

/** Gives a pod what its RuntimeClass costs and where it runs (https://kubernetes.io/docs/concepts/containers/runtime-class/). */
export const runtimeClass: AdmissionPlugin = {
  name: 'RuntimeClass',
  admit(request, facts) {
    if (!isPodCreate(request)) return
    const found = classOf(request, facts)
    if (!found) return
    setOverhead(request, found)
    setScheduling(request, found)
  },
  validate(request, facts) {
    if (!isPodCreate(request)) return
    const { overhead } = (request.object as Pod).spec
    if (overhead === undefined || classOf(request, facts)?.overhead?.podFixed) return
    throw refused(request, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead')
  },
}

const refused = ({ kind, name }: AdmissionRequest, why: string): Error => forbidden(kind, name, why)

function classOf(request: AdmissionRequest, facts: AdmissionFacts): RuntimeClass | undefined {
  const { runtimeClassName: name } = (request.object as Pod).spec
  if (!name) return undefined
  const found = facts.get(runtimeClasses, undefined, name)
  if (!found) throw refused(request, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`)
  return found
}

function setOverhead(request: AdmissionRequest, { overhead }: RuntimeClass): void {
  const { spec } = request.object as Pod
  if (!overhead?.podFixed) return
  if (spec.overhead !== undefined && !deepEqual(spec.overhead, overhead.podFixed)) {
    throw refused(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
  }
  spec.overhead = { ...overhead.podFixed }
}

function setScheduling(request: AdmissionRequest, { scheduling }: RuntimeClass): void {
  const { spec } = request.object as Pod
  const { nodeSelector = {}, tolerations = [] } = scheduling ?? {}
  for (const [key, value] of Object.entries(nodeSelector)) {
    const own = ownValue(spec.nodeSelector, key)
    if (own === undefined || own === value) continue
    const [ours, theirs] = [`runtimeClass.scheduling.nodeSelector[${key}] = ${value}`, `pod.spec.nodeSelector[${key}] = ${own}`]
    throw refused(request, `conflict: ${ours}; ${theirs}`)
  }
  if (Object.keys(nodeSelector).length > 0) spec.nodeSelector = { ...spec.nodeSelector, ...nodeSelector }
  const own = spec.tolerations ?? []
  const added = tolerations.filter((one) => !own.some((other) => deepEqual(one, other)))
  if (added.length > 0) spec.tolerations = [...own, ...added.map((one) => ({ ...one }))]
}
