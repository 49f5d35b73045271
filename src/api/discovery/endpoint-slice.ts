import { deepEqual } from '../../machinery/equality.ts'
import { isChanged } from '../../machinery/object.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { sliceAddressesText, slicePortsText } from '../core/endpoints-columns.ts'
import { defineKind } from '../define-kind.ts'
import type { EndpointSlice } from '../generated/types.ts'
import { endpointSliceWarnings, validateEndpointSlice, validateEndpointSliceUpdate } from './endpoint-slice-validation.ts'

export const endpointSlices = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
  countsGeneration: true,
  // Its labels say whose endpoints it holds.
  isNewGeneration: (slice, previous) => isChanged(slice, previous) || !deepEqual(slice.metadata.labels, previous.metadata.labels),
  columns: [
    nameColumn,
    column('AddressType', 'string', 'IPv4, IPv6 or FQDN.', (slice) => slice.addressType),
    column('Ports', 'string', 'Ports of every endpoint.', slicePortsText),
    column('Endpoints', 'string', 'Addresses.', sliceAddressesText),
    ageColumn,
  ],
  setDefaults: (slice) => {
    for (const port of slice.ports ?? []) {
      port.name ??= ''
      port.protocol ??= 'TCP'
    }
  },
  validate: validateEndpointSlice,
  validateUpdate: validateEndpointSliceUpdate,
  warnings: endpointSliceWarnings,
})
