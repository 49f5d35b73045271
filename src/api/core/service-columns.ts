import { ageColumn, column, labelsText, nameColumn, none, wideColumn } from '../columns.ts'
import type { Service, ServicePort } from '../generated/types.ts'
import type { Column } from '../kind.ts'

function portText(port: ServicePort): string {
  return `${port.port}${port.nodePort ? `:${port.nodePort}` : ''}/${port.protocol ?? 'TCP'}`
}

function externalText({ spec, status }: Service): string {
  if (spec.type === 'ExternalName') return spec.externalName || none
  const given = (spec.externalIPs ?? []).join(',')
  if (spec.type !== 'LoadBalancer') return given || none
  const balancers = [...new Set((status?.loadBalancer?.ingress ?? []).map((one) => one.ip || one.hostname || ''))]
    .filter(Boolean)
    .sort()
    .join(',')
  return [balancers, given].filter(Boolean).join(',') || '<pending>'
}

export const serviceColumns: readonly Column<Service>[] = [
  nameColumn,
  column('Type', 'string', 'How the Service is reached: ClusterIP, NodePort, LoadBalancer or ExternalName.', ({ spec }) => spec.type ?? ''),
  column('Cluster-IP', 'string', 'Virtual address inside the cluster.', ({ spec }) => spec.clusterIPs?.[0] || spec.clusterIP || none),
  column('External-IP', 'string', 'Addresses outside the cluster.', externalText),
  column('Port(s)', 'string', 'Ports, with their node ports.', ({ spec }) => (spec.ports ?? []).map(portText).join(',') || none),
  ageColumn,
  wideColumn('Selector', 'string', 'Labels of the pods behind the Service.', ({ spec }) => labelsText(spec.selector)),
]
