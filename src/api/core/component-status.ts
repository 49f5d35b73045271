import { column, nameColumn } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import type { ComponentStatus } from '../generated/types.ts'

const health = ({ conditions }: ComponentStatus) => conditions?.find(({ type }) => type === 'Healthy')

function statusText(component: ComponentStatus): string {
  const condition = health(component)
  if (!condition) return 'Unknown'
  return condition.status === 'True' ? 'Healthy' : 'Unhealthy'
}

export const componentStatuses = defineKind<ComponentStatus>({
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  plural: 'componentstatuses',
  namespaced: false,
  shortNames: ['cs'],
  verbs: ['get', 'list'],
  deprecation: 'v1 ComponentStatus is deprecated in v1.19+',
  columns: [
    nameColumn,
    column('Status', 'string', 'Whether the component is healthy.', statusText),
    column('Message', 'string', 'What its check said.', (component) => health(component)?.message ?? ''),
    column('Error', 'string', 'Why its check failed.', (component) => health(component)?.error ?? ''),
  ],
})
