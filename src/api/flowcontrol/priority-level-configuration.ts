import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { Faults } from '../field-checks.ts'
import type {
  LimitedPriorityLevelConfiguration,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
} from '../generated/types.ts'
import { allMetadata } from '../kind.ts'
import { levelConditionsFaults } from './condition-validation.ts'

const maxQueues = 10_000_000
/** What a flow's queues are drawn by. */
const maxHashBits = 60

function setLevelDefaults(level: PriorityLevelConfiguration): void {
  level.spec ??= {} as PriorityLevelConfigurationSpec
  const { exempt, limited, type } = level.spec
  if (exempt) {
    exempt.nominalConcurrencyShares ??= 0
    exempt.lendablePercent ??= 0
  } else if (type === 'Exempt') level.spec.exempt = { nominalConcurrencyShares: 0, lendablePercent: 0 }
  if (!limited) return
  limited.nominalConcurrencyShares ??= 30
  limited.lendablePercent ??= 0
  limited.limitResponse ??= { type: '' }
  const queuing = limited.limitResponse.queuing
  if (!queuing) return
  queuing.handSize ||= 8
  queuing.queues ||= 64
  queuing.queueLengthLimit ||= 50
}

function* queuingFaults(path: string, { queues = 0, handSize = 0, queueLengthLimit = 0 }: QueuingConfiguration): Faults {
  if (queueLengthLimit <= 0) yield invalidValue(`${path}.queueLengthLimit`, queueLengthLimit, 'must be positive')
  if (queues <= 0) yield invalidValue(`${path}.queues`, queues, 'must be positive')
  else if (queues > maxQueues) yield invalidValue(`${path}.queues`, queues, `must not be greater than ${maxQueues}`)
  if (handSize <= 0) yield invalidValue(`${path}.handSize`, handSize, 'must be positive')
  else if (handSize > queues) yield invalidValue(`${path}.handSize`, handSize, `should not be greater than queues (${queues})`)
  else if (Math.ceil(Math.log2(queues) * handSize) > maxHashBits) {
    const why = `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${maxHashBits}`
    yield invalidValue(`${path}.handSize`, handSize, why)
  }
}

function* sharesFaults(path: string, shares: number | undefined): Faults {
  if (shares !== undefined && shares < 0) yield invalidValue(path, shares, 'must be a non-negative integer')
}

function* percentFaults(path: string, value: number | undefined): Faults {
  if (value !== undefined && (value < 0 || value > 100)) yield invalidValue(path, value, 'must be between 0 and 100, inclusive')
}

function* limitedFaults(path: string, limited: LimitedPriorityLevelConfiguration): Faults {
  yield* sharesFaults(`${path}.nominalConcurrencyShares`, limited.nominalConcurrencyShares)
  const { type, queuing } = limited.limitResponse ?? { type: '' }
  const at = `${path}.limitResponse`
  if (type === 'Reject') {
    if (queuing) yield forbiddenField(`${at}.queuing`, 'must be nil if limited.limitResponse.type is not Limited')
  } else if (type === 'Queue') {
    if (!queuing) yield required(`${at}.queuing`, 'must not be empty if limited.limitResponse.type is Limited')
    else yield* queuingFaults(`${at}.queuing`, queuing)
  } else yield notSupported(`${at}.type`, type, ['Queue', 'Reject'])
  yield* percentFaults(`${path}.lendablePercent`, limited.lendablePercent)
  const { borrowingLimitPercent: borrowed } = limited
  if (borrowed !== undefined && borrowed < 0) {
    yield invalidValue(`${path}.borrowingLimitPercent`, borrowed, 'if specified, must be a non-negative integer')
  }
}

function* levelFaults({ metadata, spec = {} as PriorityLevelConfigurationSpec }: PriorityLevelConfiguration): Faults {
  const { type, limited, exempt } = spec
  if ((metadata.name === 'exempt') !== (type === 'Exempt')) {
    yield invalidValue('spec.type', type, "type must be 'Exempt' if and only if `name` is 'exempt'")
  }
  if (type === 'Exempt') {
    if (limited) yield forbiddenField('spec.limited', 'must be nil if the type is not Limited')
    yield* sharesFaults('spec.exempt.nominalConcurrencyShares', exempt?.nominalConcurrencyShares)
    yield* percentFaults('spec.exempt.lendablePercent', exempt?.lendablePercent)
  } else if (type === 'Limited') {
    if (exempt) yield forbiddenField('spec.exempt', 'must be nil if the type is Limited')
    if (!limited) yield required('spec.limited', 'must not be empty when type is Limited')
    else yield* limitedFaults('spec.limited', limited)
  } else yield notSupported('spec.type', type, ['Exempt', 'Limited'])
}

const queuingOf = ({ spec }: PriorityLevelConfiguration): QueuingConfiguration | undefined => spec?.limited?.limitResponse?.queuing

export const priorityLevelConfigurations = defineKind<PriorityLevelConfiguration>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  plural: 'prioritylevelconfigurations',
  namespaced: false,
  hasStatus: true,
  statusKeeps: allMetadata,
  countsGeneration: true,
  columns: [
    nameColumn,
    column('Type', 'string', 'Limited or Exempt.', ({ spec }) => spec?.type ?? ''),
    column(
      'NominalConcurrencyShares',
      'string',
      'Its share of all requests at a time.',
      ({ spec }) => spec?.limited?.nominalConcurrencyShares ?? none,
    ),
    column('Queues', 'string', 'How many queues it has.', (level) => queuingOf(level)?.queues ?? none),
    column('HandSize', 'string', 'Queues that one flow may use.', (level) => queuingOf(level)?.handSize ?? none),
    column('QueueLengthLimit', 'string', 'Requests that may wait in a queue.', (level) => queuingOf(level)?.queueLengthLimit ?? none),
    ageColumn,
  ],
  setDefaults: setLevelDefaults,
  validate: (level): FieldError[] => [...levelFaults(level)],
  validateStatusUpdate: ({ status }): FieldError[] => [...levelConditionsFaults(status?.conditions)],
})
