import type { FlowSchema, PriorityLevelConfiguration } from '../../api/generated/types.ts'
import { mandatoryLevels, mandatorySchemas } from './bootstrap-objects.ts'

export interface FlowConfig {
  /** In the order in which they are asked: only those that have a level. */
  readonly schemas: readonly FlowSchema[]
  readonly levels: readonly PriorityLevelConfiguration[]
}

/** What the objects come to. Those that have to be there are, whatever is stored. */
export function flowConfigOf(schemas: readonly FlowSchema[], levels: readonly PriorityLevelConfiguration[]): FlowConfig {
  const withMandatory = <T extends { metadata: { name: string } }>(found: readonly T[], mandatory: readonly unknown[]): T[] => {
    const names = new Set(found.map(({ metadata }) => metadata.name))
    return [...found, ...(mandatory as readonly T[]).filter(({ metadata }) => !names.has(metadata.name))]
  }
  const allLevels = withMandatory(levels, mandatoryLevels)
  const usable = new Set(allLevels.map(({ metadata }) => metadata.name))
  const inUse = withMandatory(schemas, mandatorySchemas).filter((schema) => usable.has(levelOf(schema)))
  return { levels: allLevels, schemas: inUse.toSorted(precedes) }
}

export function levelOf({ spec }: FlowSchema): string {
  return spec?.priorityLevelConfiguration.name ?? ''
}

function precedes(a: FlowSchema, b: FlowSchema): number {
  const difference = (a.spec?.matchingPrecedence ?? 0) - (b.spec?.matchingPrecedence ?? 0)
  return difference !== 0 ? difference : a.metadata.name < b.metadata.name ? -1 : 1
}

interface DanglingCondition {
  readonly type: 'Dangling'
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
}

/** What a schema's status is to say of its level; undefined: it says so already. */
export function danglingToTell(schema: FlowSchema, levels: ReadonlySet<string>): DanglingCondition | undefined {
  const name = levelOf(schema)
  const head = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(name)}`
  const wanted: DanglingCondition = levels.has(name)
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${head} and it exists` }
    : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${head} but there is no such object` }
  const said = schema.status?.conditions?.find(({ type }) => type === 'Dangling')
  const isSaid = said?.status === wanted.status && said.reason === wanted.reason && said.message === wanted.message
  return isSaid ? undefined : wanted
}
