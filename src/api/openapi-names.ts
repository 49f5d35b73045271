import { bareTypeName, type Schema } from '../machinery/schema.ts'
import type { Kind } from './kind.ts'
import { hasType, schemaOf } from './schema.ts'

/** Types of k8s.io/apimachinery's meta/v1, which every group uses. */
const metaTypes: ReadonlySet<string> = new Set([
  'APIGroup',
  'APIGroupList',
  'APIResource',
  'APIResourceList',
  'APIVersions',
  'Condition',
  'DeleteOptions',
  'FieldSelectorRequirement',
  'GroupVersionForDiscovery',
  'LabelSelector',
  'LabelSelectorRequirement',
  'ListMeta',
  'ManagedFieldsEntry',
  'ObjectMeta',
  'OwnerReference',
  'Preconditions',
  'ServerAddressByClientCIDR',
  'ShardInfo',
  'Status',
  'StatusCause',
  'StatusDetails',
  'WatchEvent',
])

/** From these every type of core/v1 can be reached, and none of another group. */
const coreRoots = [
  'Binding',
  'ComponentStatus',
  'ConfigMap',
  'Endpoints',
  'Event',
  'LimitRange',
  'Namespace',
  'Node',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'Pod',
  'PodTemplate',
  'ReplicationController',
  'ResourceQuota',
  'Secret',
  'Service',
  'ServiceAccount',
  'TopologySelectorTerm',
]

const metaPackage = 'io.k8s.apimachinery.pkg.apis.meta.v1'

/** Groups whose types live outside k8s.io/api. */
const farPackages: Readonly<Record<string, string | undefined>> = {
  'apiextensions.k8s.io': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  'apiregistration.k8s.io': 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
}

function packageOf(group: string, version: string): string {
  const far = farPackages[group]
  if (far) return `${far}.${version}`
  return `io.k8s.api.${group === '' ? 'core' : (group.split('.', 1)[0] as string)}.${version}`
}

export interface GroupVersionKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

/** A type that a path of the API speaks of. */
export interface RootType extends GroupVersionKind {
  readonly typeName: string
}

/** The name of a kind's list type among the generated types, if there is one. */
export function listTypeOf(kind: Kind): string | undefined {
  const own = kind.schema.name ?? kind.kind
  return [`${own}List`, `CoreV1${own}List`].find(hasType)
}

/** The type that a subresource's kind has among the generated types; undefined for options that only come as parameters. */
export function subresourceType(kind: string): string | undefined {
  return [kind, `AuthenticationV1${kind}`].find(hasType)
}

/** The kinds, their lists and the kinds of their subresources. */
export function rootTypes(kinds: readonly Kind[]): RootType[] {
  const roots = new Map<string, RootType>()
  const add = (typeName: string | undefined, { group, version, kind }: GroupVersionKind): void => {
    if (typeName && !roots.has(typeName)) roots.set(typeName, { typeName, group, version, kind })
  }
  for (const kind of kinds) {
    add(kind.schema.name, kind)
    add(listTypeOf(kind), { ...kind, kind: kind.listKind })
    if (kind.scale) add('Scale', { group: 'autoscaling', version: 'v1', kind: 'Scale' })
  }
  for (const { kind, group, version } of kinds.flatMap((kind) => kind.subresources)) {
    add(subresourceType(kind), { kind, group, version })
  }
  return [...roots.values()]
}

/** Calls `visit` for every object type that can be reached from one, itself first, each once. */
export function walkTypes(root: Schema, seen: Set<string>, visit: (schema: Schema) => void): void {
  if (root.items) walkTypes(root.items, seen, visit)
  if (root.type !== 'object' || !root.name || seen.has(root.name)) return
  seen.add(root.name)
  visit(root)
  for (const { schema } of root.fields?.values() ?? []) walkTypes(schema, seen, visit)
}

/** `PodSpec` is `io.k8s.api.core.v1.PodSpec`: where upstream's Go types live, computed from which kinds reach a type. */
export function definitionNames(kinds: readonly Kind[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  const seen = new Set<string>()
  const into = (pkg: string, typeName: string): void =>
    walkTypes(schemaOf(typeName), seen, ({ name = '' }) => {
      const bare = bareTypeName(name)
      names.set(name, `${metaTypes.has(bare) ? metaPackage : pkg}.${bare}`)
    })
  for (const name of metaTypes) into(metaPackage, name)
  for (const name of coreRoots) into(packageOf('', 'v1'), name)
  for (const { typeName, group, version } of rootTypes(kinds)) {
    if (typeName !== undefined) into(packageOf(group, version), typeName)
  }
  return names
}
