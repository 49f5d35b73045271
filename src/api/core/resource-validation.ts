import { ownValue } from '../../machinery/equality.ts'
import {
  duplicate,
  type FieldError,
  fieldNotFound,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
} from '../../machinery/field-error.ts'
import { parseQuantity } from '../../machinery/quantity.ts'
import { dnsLabelFaults, type Faults } from '../field-checks.ts'
import type { ContainerResizePolicy, PodResourceClaim, ResourceRequirements } from '../generated/types.ts'
import { compareQuantities, isNegativeQuantity, isQuantity, isWholeQuantity, quantitySyntax } from '../quantity-checks.ts'
import { containerResourceNameFaults, isCounted, isHugePages, mayOvercommit } from './resource-names.ts'

type Amounts = Readonly<Record<string, string>>
type NameRule = (path: string, name: string) => Faults

export function* amountFaults(path: string, name: string, amount: string): Faults {
  if (!isQuantity(amount)) return yield invalidValue(path, amount, quantitySyntax)
  if (isNegativeQuantity(amount)) yield invalidValue(path, amount, 'must be greater than or equal to 0')
  if (isCounted(name) && !isWholeQuantity(amount)) yield invalidValue(path, amount, 'must be an integer')
}

/** Huge pages come whole. */
function* pagesFaults(path: string, name: string, amount: string): Faults {
  const size = name.slice('hugepages-'.length)
  if (!isHugePages(name) || !isQuantity(amount)) return
  const page = isQuantity(size) ? parseQuantity(size).nano : 0n
  const wanted = parseQuantity(amount).nano
  if (page > 0n && wanted % page === 0n) return
  yield invalidValue(path, amount, `${amount} is not positive integer multiple of ${name}`)
}

function* limitFault(path: string, name: string, request: string, limit: string | undefined): Faults {
  if (limit === undefined) {
    if (!mayOvercommit(name)) yield required(`${path}.limits`, 'Limit must be set for non overcommitable resources')
    return
  }
  if (!isQuantity(request) || !isQuantity(limit)) return
  const order = compareQuantities(request, limit)
  if (order !== 0 && !mayOvercommit(name)) yield invalidValue(`${path}.requests`, request, `must be equal to ${name} limit of ${limit}`)
  else if (order > 0) yield invalidValue(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`)
}

function* listFaults(path: string, list: Amounts, nameRule: NameRule): Faults {
  for (const [name, amount] of Object.entries(list)) {
    const at = `${path}[${name}]`
    yield* nameRule(at, name)
    yield* amountFaults(at, name, amount)
    yield* pagesFaults(at, name, amount)
  }
}

function claimMissing(path: string, name: string, known: readonly PodResourceClaim[]): FieldError {
  const names = known.map((claim) => claim.name).sort()
  const list = names.length > 0 ? `: ${names.join(', ')}` : ' which is empty'
  return fieldNotFound(path, name, `must be one of the names in pod.spec.resourceClaims${list}`)
}

/** A claim is named once as a whole, or once for each of its requests. */
function* claimsFaults(path: string, { claims = [] }: ResourceRequirements, known: readonly PodResourceClaim[]): Faults {
  const seen = new Set<string>()
  for (const [index, { name, request }] of claims.entries()) {
    const at = `${path}[${index}]`
    if (!name) {
      yield required(at)
      continue
    }
    const key = request ? `${name}/${request}` : name
    if (request && !seen.has(name)) yield* dnsLabelFaults(`${at}.request`, request)
    if (seen.has(name)) yield duplicate(at, name)
    else if (seen.has(key)) yield duplicate(at, key)
    else if (!request) for (const other of seen) if (other.startsWith(`${name}/`)) yield duplicate(at, name)
    seen.add(key)
    if (!known.some((claim) => claim.name === name)) yield claimMissing(at, name, known)
  }
}

/** Of a container; of a whole pod with another rule for names. */
export function* resourceFaults(
  path: string,
  resources: ResourceRequirements | undefined,
  claims: readonly PodResourceClaim[],
  nameRule: NameRule = containerResourceNameFaults,
): Faults {
  if (!resources) return
  const { limits = {}, requests = {} } = resources
  yield* listFaults(`${path}.limits`, limits, nameRule)
  for (const [name, request] of Object.entries(requests)) {
    const at = `${path}.requests[${name}]`
    yield* nameRule(at, name)
    yield* amountFaults(at, name, request)
    yield* limitFault(path, name, request, ownValue(limits, name))
    yield* pagesFaults(at, name, request)
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)]
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory')) {
    yield forbiddenField(path, 'HugePages require cpu or memory')
  }
  yield* claimsFaults(`${path}.claims`, resources, claims)
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
      yield invalidValue(path, restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")
    }
  }
}
