import { duplicate, invalidValue, notSupported, required, tooMany } from '../../machinery/field-error.ts'
import { dnsLabelFaults, dnsSubdomainFaults, type Faults } from '../field-checks.ts'
import type { DeviceRequest, DeviceSelector, ResourceClaimSpec } from '../generated/types.ts'

const maxRequests = 32
const maxSelectors = 32

export function* selectorsFaults(path: string, selectors: readonly DeviceSelector[] = []): Faults {
  if (selectors.length > maxSelectors) yield tooMany(path, selectors.length, maxSelectors)
  for (const [index, { cel }] of selectors.entries()) {
    if (!cel) yield required(`${path}[${index}].cel`)
    else if (!cel.expression) yield required(`${path}[${index}].cel.expression`)
  }
}

interface Wanted {
  readonly deviceClassName?: string
  readonly selectors?: DeviceSelector[]
  readonly allocationMode?: string
  readonly count?: number
}

function* wantedFaults(path: string, { deviceClassName, selectors, allocationMode, count }: Wanted): Faults {
  if (!deviceClassName) yield required(`${path}.deviceClassName`)
  else yield* dnsSubdomainFaults(`${path}.deviceClassName`, deviceClassName)
  yield* selectorsFaults(`${path}.selectors`, selectors)
  if (allocationMode === 'All') {
    if (count) yield invalidValue(`${path}.count`, count, `must not be specified when allocationMode is 'All'`)
  } else if (allocationMode === 'ExactCount') {
    if ((count ?? 0) <= 0) yield invalidValue(`${path}.count`, count ?? 0, 'must be greater than zero')
  } else yield notSupported(`${path}.allocationMode`, allocationMode ?? '', ['All', 'ExactCount'])
}

function* requestFaults(path: string, { name, exactly, firstAvailable }: DeviceRequest): Faults {
  yield* dnsLabelFaults(`${path}.name`, name ?? '')
  if (exactly && firstAvailable?.length) {
    yield invalidValue(path, { name }, 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set')
  } else if (exactly) yield* wantedFaults(`${path}.exactly`, exactly)
  else if (!firstAvailable?.length) yield required(path, 'exactly one of `exactly` or `firstAvailable` is required')
  for (const [index, sub] of (firstAvailable ?? []).entries()) {
    yield* dnsLabelFaults(`${path}.firstAvailable[${index}].name`, sub.name ?? '')
    yield* wantedFaults(`${path}.firstAvailable[${index}]`, sub)
  }
}

export function* claimSpecFaults(path: string, spec: ResourceClaimSpec): Faults {
  const requests = spec.devices?.requests ?? []
  if (requests.length > maxRequests) yield tooMany(`${path}.devices.requests`, requests.length, maxRequests)
  const seen = new Set<string>()
  for (const [index, request] of requests.entries()) {
    const at = `${path}.devices.requests[${index}]`
    if (seen.has(request.name)) yield duplicate(at, request.name)
    seen.add(request.name)
    yield* requestFaults(at, request)
  }
  for (const [index, { requests: named = [] }] of (spec.devices?.constraints ?? []).entries()) {
    for (const [at, name] of named.entries()) {
      if (seen.has(name.split('/', 1)[0] as string)) continue
      yield invalidValue(
        `${path}.devices.constraints[${index}].requests[${at}]`,
        name,
        "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
      )
    }
  }
}
