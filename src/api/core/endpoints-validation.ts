import { type FieldError, required } from '../../machinery/field-error.ts'
import { ipWarnings } from '../address-warnings.ts'
import {
  dnsLabelFaults,
  dnsSubdomainFaults,
  type Faults,
  ipFaults,
  ordinaryIpFaults,
  portNumberFaults,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type { CoreV1EndpointPort, EndpointAddress, EndpointSubset, Endpoints } from '../generated/types.ts'
import { protocolFaults } from './port-validation.ts'

function* addressFaults(path: string, { ip, hostname, nodeName }: EndpointAddress): Faults {
  yield* ipFaults(`${path}.ip`, ip ?? '')
  if (hostname) yield* dnsLabelFaults(`${path}.hostname`, hostname)
  if (nodeName !== undefined) yield* dnsSubdomainFaults(`${path}.nodeName`, nodeName)
  yield* ordinaryIpFaults(`${path}.ip`, ip ?? '')
}

function* portFaults(path: string, port: CoreV1EndpointPort, needsName: boolean): Faults {
  if (port.name) yield* dnsLabelFaults(`${path}.name`, port.name)
  else if (needsName) yield required(`${path}.name`)
  yield* portNumberFaults(`${path}.port`, port.port ?? 0)
  yield* protocolFaults(`${path}.protocol`, port.protocol)
  if (port.appProtocol !== undefined) yield* qualifiedNameFaults(`${path}.appProtocol`, port.appProtocol)
}

function* subsetFaults(path: string, { addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset): Faults {
  if (addresses.length + notReadyAddresses.length === 0) yield required(path, 'must specify `addresses` or `notReadyAddresses`')
  for (const [index, address] of addresses.entries()) yield* addressFaults(`${path}.addresses[${index}]`, address)
  for (const [index, address] of notReadyAddresses.entries()) yield* addressFaults(`${path}.notReadyAddresses[${index}]`, address)
  for (const [index, port] of ports.entries()) yield* portFaults(`${path}.ports[${index}]`, port, ports.length > 1)
}

export function validateEndpoints({ subsets = [] }: Endpoints): FieldError[] {
  return subsets.flatMap((subset, index) => [...subsetFaults(`subsets[${index}]`, subset)])
}

/** The Endpoints controller writes addresses as they should be: nothing is looked for in what it made. */
export function endpointsWarnings({ metadata, subsets = [] }: Endpoints): string[] {
  if (metadata.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller') return []
  return subsets.flatMap((subset, index) =>
    (['addresses', 'notReadyAddresses'] as const).flatMap((list) =>
      (subset[list] ?? []).flatMap(({ ip }, place) => [...ipWarnings(`subsets[${index}].${list}[${place}].ip`, ip)]),
    ),
  )
}
