import { deepEqual } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue } from '../../machinery/field-error.ts'
import type { Container, Pod, ResourceRequirements } from '../generated/types.ts'
import type { ObjectPart } from '../kind.ts'
import { isSidecar } from './pod-facts.ts'
import { qosClass } from './pod-qos.ts'

type Lists = 'containers' | 'initContainers'
type Amounts = Readonly<Record<string, string>> | undefined
const lists: readonly Lists[] = ['containers', 'initContainers']
const resizable = new Set(['cpu', 'memory'])

/** What a pod's containers may use, changed while they run: https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/ */
export const resizePart: ObjectPart<Pod> = {
  take(pod, { spec: asked }) {
    const taken = Object.fromEntries(
      lists.flatMap((list) => {
        const before = pod.spec[list]
        const now = asked?.[list]
        return before || now ? [[list, sameNames(before, now) ? withResourcesOf(before ?? [], now ?? []) : now]] : []
      }),
    )
    pod.spec = { ...pod.spec, ...taken, ...(asked?.resources ? { resources: asked.resources } : {}) }
  },
  validate(pod, previous) {
    const listed = lists.flatMap((list) => listFaults(list, pod.spec[list], previous.spec[list]))
    if (listed.length > 0) return listed
    const refusal = unresizable(pod, previous)
    if (refusal) return [forbiddenField('', refusal)]
    return [...classFaults(pod, previous), ...lists.flatMap((list) => containerFaults(list, pod, previous))]
  },
}

function sameNames(before: readonly Container[] = [], now: readonly Container[] = []): boolean {
  return before.length === now.length && before.every(({ name }, index) => now[index]?.name === name)
}

function withResourcesOf(before: readonly Container[], asked: readonly Container[]): Container[] {
  return before.map((container, index) => {
    const { resources: _resources, resizePolicy: _policy, ...rest } = container
    const { resources, resizePolicy } = asked[index] ?? container
    return { ...rest, ...(resources ? { resources } : {}), ...(resizePolicy ? { resizePolicy } : {}) }
  })
}

function listFaults(list: Lists, now: readonly Container[] = [], before: readonly Container[] = []): FieldError[] {
  if (now.length !== before.length) return [forbiddenField(`spec.${list}`, `${list} may not be added or removed on resize`)]
  return before.flatMap(({ name }, index) =>
    now[index]?.name === name ? [] : [forbiddenField(`spec.${list}[${index}].name`, `${list} may not be renamed or reordered on resize`)],
  )
}

function unresizable(pod: Pod, previous: Pod): string | undefined {
  const hasOwn = ({ spec: { resources } }: Pod): boolean => Object.keys({ ...resources?.requests, ...resources?.limits }).length > 0
  if (hasOwn(pod) || hasOwn(previous)) return 'pods with pod-level resources cannot be resized'
  if (previous.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return 'static pods cannot be resized'
  if (previous.spec.os?.name === 'windows') return 'windows pods cannot be resized'
  return undefined
}

function classFaults(pod: Pod, previous: Pod): FieldError[] {
  const now = qosClass(pod)
  if (now === (previous.status?.qosClass ?? qosClass(previous))) return []
  return [invalidValue('spec', now, 'Pod QOS Class may not change as a result of resizing')]
}

function containerFaults(list: Lists, pod: Pod, previous: Pod): FieldError[] {
  return (previous.spec[list] ?? []).flatMap((before, index) => {
    const now = pod.spec[list]?.[index] ?? before
    const path = `spec.${list}[${index}].resources`
    if (list === 'initContainers' && !isSidecar(before)) {
      return deepEqual(now, before) ? [] : [forbiddenField('spec', 'resources for non-sidecar init containers are immutable')]
    }
    const others = list === 'containers' ? '' : ' for sidecar containers'
    return [
      ...removalFaults(`${path}.requests`, 'requests', now.resources?.requests, before.resources?.requests),
      ...removalFaults(`${path}.limits`, 'limits', now.resources?.limits, before.resources?.limits),
      ...(onlyResizableDiffers(now, before) ? [] : [forbiddenField('spec', `only cpu and memory resources${others} are mutable`)]),
    ]
  })
}

function removalFaults(path: string, what: string, now: Amounts = {}, before: Amounts = {}): FieldError[] {
  const removed = Object.keys(before).some((resource) => now[resource] === undefined)
  return removed ? [forbiddenField(path, `resource ${what} cannot be removed`)] : []
}

function onlyResizableDiffers(now: Container, before: Container): boolean {
  const fixed = (amounts: Amounts) => Object.fromEntries(Object.entries(amounts ?? {}).filter(([resource]) => !resizable.has(resource)))
  const rest = ({ resources, ...others }: Container) => {
    const { requests, limits, claims = [] }: ResourceRequirements = resources ?? {}
    return { ...others, resources: { claims, requests: fixed(requests), limits: fixed(limits) } }
  }
  return deepEqual(rest(now), rest(before))
}
