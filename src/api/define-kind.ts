import type { KubeObject } from '../machinery/object.ts'
import { ageColumn, nameColumn } from './columns.ts'
import type { Kind } from './kind.ts'
import { schemaOf } from './schema.ts'

type Given = 'group' | 'version' | 'kind' | 'plural' | 'namespaced'

/** What a kind must say of itself; all else has a default that suits most kinds. */
export type KindDefinition<T extends KubeObject> = Pick<Kind<T>, Given> &
  Partial<Omit<Kind<T>, Given | 'schema'>> & {
    /** Its name among the generated types, where that is not the kind's own. */
    readonly typeName?: string
    /** The status of a new object, where it is not empty. */
    readonly newStatus?: object
  }

function nothing(): void {}
const noFaults = (): [] => []

/**
 * Makes a row of the registry. Defaults: a DNS subdomain as name, no status, no subresources, no generation,
 * the columns Name and Age, nothing to default or to check, deletion at once. What has a status begins with an empty one.
 * The schema is only built when someone asks for it: clients that just name resources never pay for it.
 */
export function defineKind<T extends KubeObject>(definition: KindDefinition<T>): Kind<T> {
  const { typeName, newStatus = {}, ...row } = definition
  const { kind, hasStatus } = row
  const startStatus = (object: T): void => {
    Object.assign(object, { status: structuredClone(newStatus) })
  }
  return {
    listKind: `${kind}List`,
    singular: kind.toLowerCase(),
    shortNames: [],
    categories: [],
    get schema() {
      return schemaOf(typeName ?? kind)
    },
    nameRule: 'dns-subdomain',
    hasStatus: false,
    statusKeeps: [],
    subresources: [],
    parts: {},
    countsGeneration: false,
    expires: false,
    columns: [nameColumn, ageColumn],
    selectableFields: {},
    orphansByDefault: false,
    setDefaults: nothing,
    prepareForCreate: hasStatus ? startStatus : nothing,
    prepareForUpdate: nothing,
    prepareForStatusUpdate: nothing,
    validate: noFaults,
    validateUpdate: noFaults,
    validateStatusUpdate: noFaults,
    warnings: noFaults,
    gracePeriodSeconds: () => 0,
    ...row,
  }
}
