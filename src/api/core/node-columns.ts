import { ageColumn, column, nameColumn, none, wideColumn } from '../columns.ts'
import type { Node } from '../generated/types.ts'
import type { Column } from '../kind.ts'

const rolePrefix = 'node-role.kubernetes.io/'
const oldRoleLabel = 'kubernetes.io/role'
const unknown = '<unknown>'

function statusText({ spec, status }: Node): string {
  const ready = status?.conditions?.find((condition) => condition.type === 'Ready')
  const text = !ready ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'
  return spec?.unschedulable ? `${text},SchedulingDisabled` : text
}

function rolesText({ metadata: { labels = {} } }: Node): string {
  const roles = new Set<string>()
  for (const [key, value] of Object.entries(labels)) {
    if (key.startsWith(rolePrefix) && key !== rolePrefix) roles.add(key.slice(rolePrefix.length))
    else if (key === oldRoleLabel && value) roles.add(value)
  }
  return [...roles].sort().join(',') || none
}

const addressText = ({ status }: Node, type: string): string => status?.addresses?.find((one) => one.type === type)?.address || none

export const nodeColumns: readonly Column<Node>[] = [
  nameColumn,
  column('Status', 'string', 'Whether the node is ready, and whether it takes new pods.', statusText),
  column('Roles', 'string', 'Roles that labels give the node.', rolesText),
  ageColumn,
  column('Version', 'string', 'Version of the kubelet.', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
  wideColumn('Internal-IP', 'string', 'Address inside the cluster.', (node) => addressText(node, 'InternalIP')),
  wideColumn('External-IP', 'string', 'Address outside the cluster.', (node) => addressText(node, 'ExternalIP')),
  wideColumn('OS-Image', 'string', 'Operating system.', ({ status }) => status?.nodeInfo?.osImage || unknown),
  wideColumn('Kernel-Version', 'string', 'Version of the kernel.', ({ status }) => status?.nodeInfo?.kernelVersion || unknown),
  wideColumn(
    'Container-Runtime',
    'string',
    'Container runtime and its version.',
    ({ status }) => status?.nodeInfo?.containerRuntimeVersion || unknown,
  ),
]
