import { deepEqual } from '../../machinery/equality.ts'
import { duplicate, type FieldError, invalidValue, notSupported, required, tooLong } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { dnsSubdomainFaults, type Faults, immutableFaults } from '../field-checks.ts'
import type { CSIDriver, CSIDriverSpec } from '../generated/types.ts'

const maxNameLength = 63
const modes = ['Ephemeral', 'Persistent']
const groupPolicies = ['File', 'None', 'ReadWriteOnceWithFSType']
const minTokenSeconds = 600

export function* driverNameFaults(path: string, name: string): Faults {
  if (!name) yield required(path)
  if (name.length > maxNameLength) yield tooLong(path, maxNameLength)
  // Upper case is taken for lower: names are older than the rule.
  if (name) yield* dnsSubdomainFaults(path, name.toLowerCase())
}

function* tokenFaults(requests: CSIDriverSpec['tokenRequests'] = []): Faults {
  const seen = new Set<string>()
  for (const [index, { audience, expirationSeconds }] of requests.entries()) {
    const path = `spec.tokenRequests[${index}]`
    if (seen.has(audience)) yield duplicate(`${path}.audience`, audience)
    seen.add(audience)
    if (expirationSeconds !== undefined && expirationSeconds < minTokenSeconds) {
      yield invalidValue(`${path}.expirationSeconds`, expirationSeconds, 'may not specify a duration less than 10 minutes')
    }
  }
}

function* driverFaults({ metadata, spec }: CSIDriver): Faults {
  yield* driverNameFaults('metadata.name', metadata.name ?? '')
  for (const field of ['attachRequired', 'podInfoOnMount', 'storageCapacity'] as const)
    if (spec[field] === undefined) yield required(`spec.${field}`)
  const policy = spec.fsGroupPolicy
  if (policy !== undefined && !groupPolicies.includes(policy)) yield notSupported('spec.fsGroupPolicy', policy, groupPolicies)
  yield* tokenFaults(spec.tokenRequests)
  for (const mode of spec.volumeLifecycleModes ?? [])
    if (!modes.includes(mode)) yield notSupported('spec.volumeLifecycleModes', mode, modes)
}

function* updateFaults({ spec }: CSIDriver, previous: CSIDriver): Faults {
  yield* immutableFaults('spec.attachRequired', spec.attachRequired, previous.spec.attachRequired)
  if (!deepEqual(spec.volumeLifecycleModes, previous.spec.volumeLifecycleModes)) {
    yield invalidValue('spec.volumeLifecycleModes', spec.volumeLifecycleModes, 'field is immutable')
  }
}

export const csiDrivers = defineKind<CSIDriver>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  namespaced: false,
  nameRule: 'path-segment',
  countsGeneration: true,
  columns: [
    nameColumn,
    column('AttachRequired', 'boolean', 'Whether volumes are attached before they are mounted.', ({ spec }) => spec.attachRequired ?? true),
    column('PodInfoOnMount', 'boolean', 'Whether it is told of the pod.', ({ spec }) => spec.podInfoOnMount ?? false),
    column('StorageCapacity', 'boolean', 'Whether the scheduler asks for room.', ({ spec }) => spec.storageCapacity ?? false),
    column('TokenRequests', 'string', 'Audiences of the tokens that it gets.', ({ spec }) =>
      spec.tokenRequests ? spec.tokenRequests.map(({ audience }) => audience).join(',') : '<unset>',
    ),
    column('RequiresRepublish', 'boolean', 'Whether it is called again and again.', ({ spec }) => spec.requiresRepublish ?? false),
    column('Modes', 'string', 'Kinds of volumes that it has.', ({ spec }) => (spec.volumeLifecycleModes ?? []).join(',') || none),
    ageColumn,
  ],
  setDefaults: (driver) => {
    driver.spec ??= {}
    const { spec } = driver
    spec.attachRequired ??= true
    spec.podInfoOnMount ??= false
    spec.storageCapacity ??= false
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType'
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent']
    spec.requiresRepublish ??= false
    spec.seLinuxMount ??= false
  },
  validate: (driver): FieldError[] => [...driverFaults(driver)],
  validateUpdate: (driver, previous): FieldError[] => [...updateFaults(driver, previous)],
})
