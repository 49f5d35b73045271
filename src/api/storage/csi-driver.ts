import { deepEqual } from '../../machinery/equality.ts'
import { duplicate, type FieldError, invalidValue, notSupported, required, tooLong } from '../../machinery/field-error.ts'
import * as names from '../../machinery/names.ts'
import { ageColumn, column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { type Faults, immutableFaults } from '../field-checks.ts'
import type { CSIDriver, CSIDriverSpec } from '../generated/types.ts'

const maxNameLength = 63
const modes = ['Persistent', 'Ephemeral']
const groupPolicies = ['File', 'None', 'ReadWriteOnceWithFSType']
const minTokenSeconds = 600
const maxTokenSeconds = 2 ** 32
const minUpdateSeconds = 10
/** What messages call it. */
const attachField = 'spec.attachedRequired'

export function* driverNameFaults(path: string, name: string): Faults {
  if (!name) yield required(path)
  if (name.length > maxNameLength) yield tooLong(path, maxNameLength)
  // Upper case is taken for lower: names are older than the rule.
  if (name) for (const message of names.dnsSubdomainFaults(name.toLowerCase())) yield invalidValue(path, name, message)
}

function* tokenFaults(requests: CSIDriverSpec['tokenRequests'] = []): Faults {
  const seen = new Set<string>()
  for (const [index, { audience, expirationSeconds }] of requests.entries()) {
    const path = `spec.tokenRequests[${index}]`
    if (seen.has(audience)) {
      yield duplicate(`${path}.audience`, audience)
      continue
    }
    seen.add(audience)
    if (expirationSeconds !== undefined && expirationSeconds < minTokenSeconds) {
      yield invalidValue(`${path}.expirationSeconds`, expirationSeconds, 'may not specify a duration less than 10 minutes')
    }
    if (expirationSeconds !== undefined && expirationSeconds > maxTokenSeconds) {
      yield invalidValue(`${path}.expirationSeconds`, expirationSeconds, 'may not specify a duration larger than 2^32 seconds')
    }
  }
}

function* driverFaults({ spec }: CSIDriver): Faults {
  if (spec.attachRequired === undefined) yield required(attachField)
  for (const field of ['podInfoOnMount', 'storageCapacity'] as const) if (spec[field] === undefined) yield required(`spec.${field}`)
  const policy = spec.fsGroupPolicy
  if (policy !== undefined && !groupPolicies.includes(policy)) yield notSupported('spec.fsGroupPolicy', policy, groupPolicies)
  yield* tokenFaults(spec.tokenRequests)
  for (const mode of spec.volumeLifecycleModes ?? [])
    if (!modes.includes(mode)) yield notSupported('spec.volumeLifecycleModes', mode, modes)
  const { nodeAllocatableUpdatePeriodSeconds: period, serviceAccountTokenInSecrets: inSecrets } = spec
  if (period !== undefined && period < minUpdateSeconds) {
    yield invalidValue('spec.nodeAllocatableUpdatePeriodSeconds', period, `must be greater than or equal to ${minUpdateSeconds} seconds`)
  }
  if (inSecrets === undefined || spec.tokenRequests?.length) return
  const why = 'serviceAccountTokenInSecrets is set but no tokenRequests are specified'
  yield invalidValue('spec.serviceAccountTokenInSecrets', inSecrets, why)
}

function* updateFaults({ spec }: CSIDriver, previous: CSIDriver): Faults {
  yield* immutableFaults(attachField, spec.attachRequired, previous.spec.attachRequired)
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
