import { duplicate, type FieldError, invalidValue, notSupported, required, tooMany } from '../../machinery/field-error.ts'
import * as names from '../../machinery/names.ts'
import { ipWarnings } from '../address-warnings.ts'
import { protocolFaults } from '../core/port-validation.ts'
import {
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  immutableFaults,
  ipFamilyFaults,
  labelsFaults,
  labelValueFaults,
  ordinaryIpFaults,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type { DiscoveryV1EndpointPort, Endpoint, EndpointHints, EndpointSlice } from '../generated/types.ts'

const addressTypes = ['FQDN', 'IPv4', 'IPv6']
const maxEndpoints = 1000
const maxPorts = 20_000
const maxAddresses = 100
const maxTopologyLabels = 16
const maxHints = 8

function* addressFaults(path: string, address: string, type: string): Faults {
  if (type === 'FQDN') yield* domainFaults(path, address)
  if (type !== 'IPv4' && type !== 'IPv6') return
  yield* ipFamilyFaults(path, address, type)
  yield* ordinaryIpFaults(path, address)
}

/** A name of a host within some domain. */
function* domainFaults(path: string, address: string): Faults {
  if (!address) return yield required(path)
  const name = address.replace(/\.$/, '')
  const faults = names.dnsSubdomainFaults(name)
  if (faults.length > 0) return yield invalidValue(path, name, faults.join(','))
  const labels = name.split('.')
  if (labels.length < 2) return yield invalidValue(path, name, 'should be a domain with at least two segments separated by dots')
  for (const label of labels) {
    const why = names.dnsLabelFaults(label)
    if (why.length > 0) return yield invalidValue(path, label, why.join(','))
  }
}

function* hintsFaults(path: string, { forZones = [], forNodes = [] }: EndpointHints): Faults {
  for (const [field, hints, rule] of [
    ['forZones', forZones, labelValueFaults],
    ['forNodes', forNodes, dnsSubdomainFaults],
  ] as const) {
    if (hints.length > maxHints) {
      yield tooMany(`${path}.${field}`, hints.length, maxHints)
      continue
    }
    const seen = new Set<string>()
    for (const [index, { name }] of hints.entries()) {
      const at = `${path}.${field}[${index}].name`
      if (seen.has(name)) yield duplicate(at, name)
      seen.add(name)
      yield* rule(at, name ?? '')
    }
  }
}

function* endpointFaults(path: string, endpoint: Endpoint, type: string): Faults {
  const { addresses = [], deprecatedTopology = {}, hostname } = endpoint
  if (addresses.length === 0) yield required(`${path}.addresses`, 'must contain at least 1 address')
  else if (addresses.length > maxAddresses) yield tooMany(`${path}.addresses`, addresses.length, maxAddresses)
  for (const [index, address] of addresses.entries()) yield* addressFaults(`${path}.addresses[${index}]`, address, type)
  if (endpoint.nodeName !== undefined) yield* dnsSubdomainFaults(`${path}.nodeName`, endpoint.nodeName)
  const labels = Object.keys(deprecatedTopology).length
  if (labels > maxTopologyLabels) yield tooMany(`${path}.deprecatedTopology`, labels, maxTopologyLabels)
  yield* labelsFaults(`${path}.deprecatedTopology`, deprecatedTopology)
  if (hostname !== undefined) yield* dnsLabelFaults(`${path}.hostname`, hostname)
  if (endpoint.hints) yield* hintsFaults(`${path}.hints`, endpoint.hints)
}

function* portFaults(path: string, port: DiscoveryV1EndpointPort, seen: Set<string>): Faults {
  const name = port.name ?? ''
  if (name) yield* dnsLabelFaults(`${path}.name`, name)
  if (seen.has(name)) yield duplicate(`${path}.name`, name)
  seen.add(name)
  yield* protocolFaults(`${path}.protocol`, port.protocol)
  if (port.appProtocol !== undefined) yield* qualifiedNameFaults(`${path}.appProtocol`, port.appProtocol)
}

function* sliceFaults({ addressType, endpoints, ports }: EndpointSlice): Faults {
  if (!addressType) yield required('addressType')
  else if (!addressTypes.includes(addressType)) yield notSupported('addressType', addressType, addressTypes)
  const portList = ports ?? []
  const seen = new Set<string>()
  if (portList.length > maxPorts) yield tooMany('ports', portList.length, maxPorts)
  else for (const [index, port] of portList.entries()) yield* portFaults(`ports[${index}]`, port, seen)
  const endpointList = endpoints ?? []
  if (endpointList.length > maxEndpoints) yield tooMany('endpoints', endpointList.length, maxEndpoints)
  else for (const [index, one] of endpointList.entries()) yield* endpointFaults(`endpoints[${index}]`, one, addressType)
}

export const validateEndpointSlice = (slice: EndpointSlice): FieldError[] => [...sliceFaults(slice)]

export const validateEndpointSliceUpdate = (slice: EndpointSlice, previous: EndpointSlice): FieldError[] => [
  ...immutableFaults('addressType', slice.addressType, previous.addressType),
]

const managedBy = 'endpointslice.kubernetes.io/managed-by'
/** These write addresses as they should be. */
const ownManagers = ['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io']

export function endpointSliceWarnings({ metadata, addressType, endpoints }: EndpointSlice): string[] {
  const isOld = addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : []
  if (ownManagers.includes(metadata.labels?.[managedBy] ?? '')) return isOld
  const badIps = (endpoints ?? []).flatMap(({ addresses = [] }, index) =>
    addresses.flatMap((address, place) => [...ipWarnings(`endpoints[${index}].addresses[${place}]`, address)]),
  )
  return [...isOld, ...badIps]
}
