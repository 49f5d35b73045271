import type { KubeObject } from '../machinery/object.ts'
import { timeSince } from './duration.ts'
import type { Column } from './kind.ts'

type Value<T extends KubeObject> = Column<T>['value']

/** A column that every `kubectl get` shows. */
export function column<T extends KubeObject>(name: string, type: Column['type'], description: string, value: Value<T>): Column<T> {
  return { name, type, priority: 0, description, value }
}

/** A column for `kubectl get -o wide` alone. */
export function wideColumn<T extends KubeObject>(name: string, type: Column['type'], description: string, value: Value<T>): Column<T> {
  return { ...column(name, type, description, value), priority: 1 }
}

export const nameColumn: Column<KubeObject> = {
  ...column('Name', 'string', 'Name of the object, unique among its kind in its namespace.', (object) => object.metadata.name),
  format: 'name',
}

export const ageColumn: Column<KubeObject> = column('Age', 'string', 'Time since the object was created.', (object, nowMs) =>
  timeSince(object.metadata.creationTimestamp, nowMs),
)

/** Of kinds that upstream has no table for: kubectl prints it as it is. */
export const createdAtColumn: Column<KubeObject> = column(
  'Created At',
  'date',
  'When the object was created.',
  ({ metadata }) => metadata.creationTimestamp,
)

/** What kubectl prints where there is nothing to print. */
export const none = '<none>'

/** A map of labels as one selector text, in order of its keys: `a=1,b=2`. */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  const text = Object.entries(labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
  return text || none
}
