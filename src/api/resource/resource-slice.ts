import { duplicate, type FieldError, invalidValue, required, tooMany } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { dnsLabelFaults, dnsSubdomainFaults, type Faults, immutableFaults } from '../field-checks.ts'
import type { ResourceSlice, ResourceSliceSpec } from '../generated/types.ts'

const maxDevices = 128
const places = ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'] as const

function* sliceFaults({ spec }: ResourceSlice): Faults {
  if (!spec.driver) yield required('spec.driver')
  else yield* dnsSubdomainFaults('spec.driver', spec.driver)
  if (!spec.pool?.name) yield required('spec.pool.name')
  const { resourceSliceCount = 0, generation = 0 } = spec.pool ?? {}
  if (resourceSliceCount <= 0) yield invalidValue('spec.pool.resourceSliceCount', resourceSliceCount, 'must be greater than zero')
  if (generation < 0) yield invalidValue('spec.pool.generation', generation, 'must be greater than or equal to zero')
  const given = places.filter((place) => Boolean(spec[place]))
  const choices = places.map((place) => `\`${place}\``).join(', ')
  if (given.length === 0) yield required('spec', `exactly one of ${choices} is required`)
  if (given.length > 1)
    yield invalidValue('spec', `{${given.join(', ')}}`, `exactly one of ${choices} is required, but multiple fields are set`)
  const devices = spec.devices ?? []
  if (devices.length > maxDevices) yield tooMany('spec.devices', devices.length, maxDevices)
  const seen = new Set<string>()
  for (const [index, { name }] of devices.entries()) {
    yield* dnsLabelFaults(`spec.devices[${index}].name`, name ?? '')
    if (seen.has(name)) yield duplicate(`spec.devices[${index}].name`, name)
    seen.add(name)
  }
}

export const resourceSlices = defineKind<ResourceSlice>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  plural: 'resourceslices',
  namespaced: false,
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Node', 'string', 'The node whose devices they are.', ({ spec }) => spec.nodeName ?? ''),
    column('Driver', 'string', 'The driver that offers them.', ({ spec }) => spec.driver ?? ''),
    column('Pool', 'string', 'The pool that they are part of.', ({ spec }) => spec.pool?.name ?? ''),
    ageColumn,
  ],
  unknownField: (field) => `field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: ${field}`,
  selectableFields: { 'spec.nodeName': ({ spec }) => spec.nodeName ?? '', 'spec.driver': ({ spec }) => spec.driver ?? '' },
  setDefaults: (slice) => {
    slice.spec ??= {} as ResourceSliceSpec
  },
  validate: (slice): FieldError[] => [...sliceFaults(slice)],
  validateUpdate: (slice, previous) => [
    ...immutableFaults('spec.driver', slice.spec.driver, previous.spec.driver),
    ...immutableFaults('spec.pool.name', slice.spec.pool?.name, previous.spec.pool?.name),
    ...immutableFaults('spec.nodeName', slice.spec.nodeName, previous.spec.nodeName),
  ],
})
