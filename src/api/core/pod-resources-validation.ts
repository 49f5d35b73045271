import { forbiddenField, invalidValue, notSupported } from '../../machinery/field-error.ts'
import { compareQuantities, formatQuantity, type Quantity } from '../../machinery/quantity.ts'
import type { Faults } from '../field-checks.ts'
import type { PodSpec } from '../generated/types.ts'
import { isQuantity } from '../quantity-checks.ts'
import { containersTogether } from './container-amounts.ts'
import { isHugePages, resourceNameFaults } from './resource-names.ts'
import { resourceFaults } from './resource-validation.ts'

/** Resources of a pod as a whole: https://kubernetes.io/docs/tasks/configure-pod-container/assign-pod-level-resources/ */

const podResources = ['cpu', 'memory']

function* podResourceNameFaults(path: string, name: string): Faults {
  const own = [...resourceNameFaults(path, name)]
  if (own.length > 0) yield* own
  else if (!podResources.includes(name) && !isHugePages(name)) yield notSupported(path, name, podResources)
}

function* consistencyFaults(path: string, spec: PodSpec): Faults {
  const { requests = {}, limits = {} } = spec.resources ?? {}
  const exceeds = (amount: Quantity | string, bound: string | undefined): bound is string =>
    bound !== undefined && isQuantity(bound) && compareQuantities(amount, bound) > 0
  for (const [name, amount] of Object.entries(containersTogether(spec, ({ resources }) => resources?.requests))) {
    const own = requests[name]
    if (!exceeds(amount, own)) continue
    const why = `must be greater than or equal to aggregate container requests of ${formatQuantity(amount)}`
    yield invalidValue(`${path}.requests[${name}]`, own, why)
  }
  for (const [name, amount] of Object.entries(containersTogether(spec, ({ resources }) => resources?.limits))) {
    const own = limits[name]
    if (!isHugePages(name) || !exceeds(amount, own)) continue
    yield invalidValue(
      `${path}.limits[${name}]`,
      own,
      `must be greater than or equal to aggregate container limits of ${formatQuantity(amount)}`,
    )
  }
  for (const [index, { resources }] of spec.containers.entries()) {
    for (const [name, limit] of Object.entries(resources?.limits ?? {})) {
      const own = limits[name]
      if (!isQuantity(limit) || !exceeds(limit, own)) continue
      yield invalidValue(`${path}.containers[${index}][${name}].limits`, limit, `must be less than or equal to pod limits of ${own}`)
    }
  }
}

export function* podResourcesFaults(path: string, spec: PodSpec): Faults {
  if (!spec.resources) return
  if (spec.os?.name === 'windows') return yield forbiddenField(path, 'may not be set for a windows pod')
  if (spec.resources.claims) yield forbiddenField(`${path}.claims`, 'claims may not be set for Resources at pod-level')
  yield* resourceFaults(path, spec.resources, spec.resourceClaims ?? [], podResourceNameFaults)
  yield* consistencyFaults(path, spec)
}
