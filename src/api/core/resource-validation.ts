import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { type Faults, qualifiedNameFaults } from '../field-checks.ts'
import type { ContainerResizePolicy, ResourceRequirements } from '../generated/types.ts'
import { compareQuantities, isNegativeQuantity, isQuantity, isWholeQuantity, quantitySyntax } from '../quantity-checks.ts'

const standardResources = new Set(['cpu', 'memory', 'ephemeral-storage'])

const isHugePages = (name: string): boolean => name.startsWith('hugepages-')
/** Resources that a vendor's name before a slash sets apart: whole units, never shared. */
const isExtended = (name: string): boolean => name.includes('/') && !/(^|\.)kubernetes\.io\//.test(name)
const mayOvercommit = (name: string): boolean => !isExtended(name) && !isHugePages(name)

function* resourceNameFaults(path: string, name: string): Faults {
  yield* qualifiedNameFaults(path, name)
  if (!name.includes('/')) {
    if (!standardResources.has(name) && !isHugePages(name)) yield invalidValue(path, name, 'must be a standard resource for containers')
  } else if (!/(^|\.)kubernetes\.io\//.test(name) && name.startsWith('requests.')) {
    yield invalidValue(path, name, "doesn't follow extended resource name standard")
  }
}

function* amountFaults(path: string, name: string, amount: string): Faults {
  if (!isQuantity(amount)) return yield invalidValue(path, amount, quantitySyntax)
  if (isNegativeQuantity(amount)) yield invalidValue(path, amount, 'must be greater than or equal to 0')
  if ((isExtended(name) || isHugePages(name)) && !isWholeQuantity(amount)) yield invalidValue(path, amount, 'must be an integer')
}

function* listFaults(path: string, list: Readonly<Record<string, string>>): Faults {
  for (const [name, amount] of Object.entries(list)) {
    const at = `${path}[${name}]`
    yield* resourceNameFaults(at, name)
    yield* amountFaults(at, name, amount)
  }
}

function* requestAgainstLimit(path: string, name: string, request: string, limit: string | undefined): Faults {
  if (limit === undefined) {
    if (!mayOvercommit(name)) yield required(`${path}.limits`, 'Limit must be set for non overcommitable resources')
    return
  }
  if (!isQuantity(request) || !isQuantity(limit)) return
  const order = compareQuantities(request, limit)
  if (!mayOvercommit(name)) {
    if (order !== 0) yield invalidValue(`${path}.requests`, request, `must be equal to ${name} limit of ${limit}`)
  } else if (order > 0) {
    yield invalidValue(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`)
  }
}

export function* resourceFaults(path: string, resources: ResourceRequirements | undefined): Faults {
  const { limits = {}, requests = {}, claims = [] } = resources ?? {}
  yield* listFaults(`${path}.limits`, limits)
  yield* listFaults(`${path}.requests`, requests)
  for (const [name, request] of Object.entries(requests)) yield* requestAgainstLimit(path, name, request, limits[name])
  const names = [...Object.keys(limits), ...Object.keys(requests)]
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory')) {
    yield forbiddenField(path, 'HugePages require cpu or memory')
  }
  for (const [index, claim] of claims.entries()) if (!claim.name) yield required(`${path}.claims[${index}]`)
}

const resizable = ['cpu', 'memory']
const resizePolicies = ['NotRequired', 'RestartContainer']

export function* resizePolicyFaults(
  path: string,
  policies: readonly ContainerResizePolicy[],
  podRestartPolicy: string | undefined,
): Faults {
  const seen = new Set<string>()
  for (const [index, { resourceName, restartPolicy }] of policies.entries()) {
    if (seen.has(resourceName)) yield duplicate(`${path}[${index}]`, resourceName)
    seen.add(resourceName)
    if (!resourceName) yield required(path)
    else if (!resizable.includes(resourceName)) yield notSupported(path, resourceName, resizable)
    if (!restartPolicy) yield required(path)
    else if (!resizePolicies.includes(restartPolicy)) yield notSupported(path, restartPolicy, resizePolicies)
    if (podRestartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      yield invalidValue(path, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'")
    }
  }
}
