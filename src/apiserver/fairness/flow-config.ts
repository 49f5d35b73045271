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

/** The schema with a status that says whether its level is there; undefined: it says so already. */
export function withDangling(schema: FlowSchema, levels: ReadonlySet<string>, time: string): FlowSchema | undefined {
  const wanted = danglingOf(levelOf(schema), levels)
  const conditions = schema.status?.conditions ?? []
  const said = conditions.find(({ type }) => type === wanted.type)
  if (said?.status === wanted.status && said.reason === wanted.reason && said.message === wanted.message) return undefined
  const others = conditions.filter(({ type }) => type !== wanted.type)
  return { ...schema, status: { conditions: [...others, { ...wanted, lastTransitionTime: time }] } }
}

function danglingOf(level: string, levels: ReadonlySet<string>): DanglingCondition {
  const head = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)}`
  return levels.has(level)
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${head} and it exists` }
    : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${head} but there is no such object` }
}
