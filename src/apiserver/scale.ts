import { ageColumn, column, nameColumn } from '../api/columns.ts'
import type { Kind } from '../api/kind.ts'
import { isObject, valueAt } from '../machinery/equality.ts'
import { type FieldError, invalidValue } from '../machinery/field-error.ts'
import { formatLabelSelector, requirementsOf } from '../machinery/label-selector.ts'
import type { KubeObject } from '../machinery/object.ts'
import { invalid } from '../machinery/status.ts'

const count = (path: string) => (scale: KubeObject) => Number(valueAt(scale, path) ?? 0)

/** How a Scale is shown: as the row of a table where kubectl asks for one. */
export const scaleShown = {
  group: 'autoscaling',
  version: 'v1',
  listKind: 'ScaleList',
  columns: [
    nameColumn,
    column('Desired', 'integer', 'Pods that are wanted.', count('spec.replicas')),
    column('Available', 'integer', 'Pods that there are.', count('status.replicas')),
    ageColumn,
  ],
}

const scaleKind = { group: 'autoscaling', kind: 'Scale' }

/** The autoscaling/v1 Scale of an object, by the paths that its kind names. */
export function scaleOf(kind: Kind, object: KubeObject): KubeObject {
  const paths = kind.scale as NonNullable<Kind['scale']>
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const replicas = valueAt(object, paths.specReplicas) ?? 0
  const selector = selectorText(valueAt(object, paths.selector))
  const status = { replicas: valueAt(object, paths.statusReplicas) ?? 0, ...(selector ? { selector } : {}) }
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion, creationTimestamp }
  return { kind: 'Scale', apiVersion: 'autoscaling/v1', metadata, spec: { replicas }, status } as KubeObject
}

/** Sets what a Scale asks for. `object` is the caller's copy; a resourceVersion in the Scale must still be the newest. */
export function applyScale(kind: Kind, object: KubeObject, scale: Readonly<Record<string, unknown>>): KubeObject {
  const metadata = isObject(scale.metadata) ? scale.metadata : {}
  const replicas = valueAt(scale, 'spec.replicas') ?? 0
  const faults: FieldError[] = []
  if (typeof replicas !== 'number' || !Number.isInteger(replicas))
    faults.push(invalidValue('spec.replicas', replicas, 'must be an integer'))
  else if (replicas < 0) faults.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'))
  if (faults.length > 0) throw invalid(scaleKind, object.metadata.name, faults)
  const { resourceVersion, uid } = metadata
  if (typeof resourceVersion === 'string' && resourceVersion) object.metadata.resourceVersion = resourceVersion
  if (typeof uid === 'string' && uid) object.metadata.uid = uid
  setAt(object as unknown as Record<string, unknown>, (kind.scale as NonNullable<Kind['scale']>).specReplicas, replicas)
  return object
}

function setAt(object: Record<string, unknown>, path: string, value: unknown): void {
  const parts = path.split('.').filter(Boolean)
  const last = parts.pop() as string
  let at = object
  for (const part of parts) {
    const next = at[part]
    if (isObject(next)) at = next
    else {
      const made = {}
      at[part] = made
      at = made
    }
  }
  at[last] = value
}

/** A LabelSelector, or the labels that a ReplicationController asks for, in the form of a query: `app=web,tier in (a,b)`. */
function selectorText(selector: unknown): string {
  if (!isObject(selector)) return ''
  const isLabels = Object.values(selector).every((value) => typeof value === 'string')
  const requirements = requirementsOf(isLabels ? { matchLabels: selector as Record<string, string> } : selector)
  return formatLabelSelector([...requirements].sort((a, b) => (a.key < b.key ? -1 : 1)))
}
