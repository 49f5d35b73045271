import { isIP } from 'node:net'
import { duplicate, type FieldError, notSupported, required, tooMany } from '../../machinery/field-error.ts'
import { protocolFaults } from '../core/port-validation.ts'
import {
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  immutableFaults,
  ipFamilyFaults,
  labelsFaults,
  ordinaryIpFaults,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice } from '../generated/types.ts'

const addressTypes = ['FQDN', 'IPv4', 'IPv6']
const maxEndpoints = 1000
const maxPorts = 20_000
const maxAddresses = 100
const maxTopologyLabels = 16

function* addressFaults(path: string, address: string, type: string): Faults {
  if (type === 'FQDN') yield* dnsSubdomainFaults(path, address)
  if (type !== 'IPv4' && type !== 'IPv6') return
  yield* ipFamilyFaults(path, address, type)
  if (isIP(address)) yield* ordinaryIpFaults(path, address)
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
}

function* portFaults(path: string, port: DiscoveryV1EndpointPort, names: Set<string>): Faults {
  const name = port.name ?? ''
  if (name) yield* dnsLabelFaults(`${path}.name`, name)
  if (names.has(name)) yield duplicate(`${path}.name`, name)
  names.add(name)
  yield* protocolFaults(`${path}.protocol`, port.protocol)
  if (port.appProtocol !== undefined) yield* qualifiedNameFaults(`${path}.appProtocol`, port.appProtocol)
}

function* sliceFaults({ addressType, endpoints, ports }: EndpointSlice): Faults {
  if (!addressType) yield required('addressType')
  else if (!addressTypes.includes(addressType)) yield notSupported('addressType', addressType, addressTypes)
  const endpointList = endpoints ?? []
  if (endpointList.length > maxEndpoints) yield tooMany('endpoints', endpointList.length, maxEndpoints)
  else for (const [index, one] of endpointList.entries()) yield* endpointFaults(`endpoints[${index}]`, one, addressType)
  const portList = ports ?? []
  const names = new Set<string>()
  if (portList.length > maxPorts) yield tooMany('ports', portList.length, maxPorts)
  else for (const [index, port] of portList.entries()) yield* portFaults(`ports[${index}]`, port, names)
}

export const validateEndpointSlice = (slice: EndpointSlice): FieldError[] => [...sliceFaults(slice)]

export const validateEndpointSliceUpdate = (slice: EndpointSlice, previous: EndpointSlice): FieldError[] => [
  ...immutableFaults('addressType', slice.addressType, previous.addressType),
]
