import type { Kind } from '../api/kind.ts'
import { apiVersionOf } from '../machinery/group-version.ts'
import { priorityOf } from './group-priorities.ts'
import { type VirtualResource, virtualResources } from './virtual-resources.ts'

const objectVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const statusVerbs = ['get', 'patch', 'update']

/** The release whose API this is. */
export const version = {
  major: '1',
  minor: '37',
  gitVersion: 'v1.37.0-ownkube',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
}

interface NamedSubresource {
  readonly name: string
  readonly kind: string
  readonly group: string
  readonly version: string
  readonly verbs: readonly string[]
}

/** Every subresource of a kind, in the order of their names. */
function subresourcesOf(kind: Kind): readonly NamedSubresource[] {
  const own: NamedSubresource[] = [...kind.subresources]
  if (kind.hasStatus) own.push({ name: 'status', kind: kind.kind, group: kind.group, version: kind.version, verbs: statusVerbs })
  if (kind.scale) own.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: statusVerbs })
  return own.sort((a, b) => (a.name < b.name ? -1 : 1))
}

export interface GroupVersion {
  readonly group: string
  readonly version: string
}

/** What there is to discover, from the kinds: built once. */
export class Discovery {
  readonly #kinds: readonly Kind[]

  constructor(kinds: readonly Kind[]) {
    this.#kinds = kinds
  }

  /** The ones to be preferred first. */
  groupVersions(): GroupVersion[] {
    const seen = new Map<string, GroupVersion>()
    for (const { group, version } of [...this.#kinds, ...virtualResources]) seen.set(`${group}/${version}`, { group, version })
    const ranked = [...seen.values()].map((one) => ({ one, priority: priorityOf(one) }))
    ranked.sort((a, b) => b.priority.group - a.priority.group || b.priority.version - a.priority.version)
    return ranked.map(({ one }) => one)
  }

  #groups(): string[] {
    return [...new Set(this.groupVersions().map(({ group }) => group))].filter(Boolean)
  }

  #kindsOf({ group, version }: GroupVersion): Kind[] {
    return this.#kinds.filter((kind) => kind.group === group && kind.version === version).sort((a, b) => (a.plural < b.plural ? -1 : 1))
  }

  /** /api */
  coreVersions(serverAddress: string): object {
    return {
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
    }
  }

  /** /apis */
  groupList(): object {
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: this.#groups().map((name) => this.#group(name)) }
  }

  /** /apis/{group}; undefined: no such group. */
  group(name: string): object | undefined {
    if (!this.#groups().includes(name)) return undefined
    return { kind: 'APIGroup', apiVersion: 'v1', ...this.#group(name) }
  }

  #group(name: string): object {
    const versions = this.groupVersions()
      .filter(({ group }) => group === name)
      .map((one) => ({ groupVersion: apiVersionOf(one), version: one.version }))
    return { name, versions, preferredVersion: versions[0] }
  }

  /** /api/v1 and /apis/{group}/{version}; undefined: no such version. */
  resources(of: GroupVersion): object | undefined {
    const kinds = this.#kindsOf(of)
    const virtual = virtualOf(of)
    if (kinds.length === 0 && virtual.length === 0) return undefined
    const rows = kinds.flatMap((kind) => [mainRow(kind), ...subresourcesOf(kind).map((sub) => subresourceRow(kind, sub))])
    const resources = [...rows, ...virtual.map(virtualRow)]
    return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf(of), resources }
  }

  /** /api or /apis in the aggregated form: everything in one answer. */
  aggregated(core: boolean): object {
    const groups = core ? [''] : this.#groups()
    return {
      kind: 'APIGroupDiscoveryList',
      apiVersion: 'apidiscovery.k8s.io/v2',
      metadata: {},
      items: groups.map((name) => ({
        metadata: { name: name || undefined, creationTimestamp: null },
        versions: this.groupVersions()
          .filter(({ group }) => group === name)
          .map((one) => ({
            version: one.version,
            resources: [...this.#kindsOf(one).map(aggregatedRow), ...virtualOf(one).map(aggregatedVirtual)],
            freshness: 'Current',
          })),
      })),
    }
  }
}

const virtualOf = ({ group, version }: GroupVersion): VirtualResource[] =>
  virtualResources.filter((one) => one.group === group && one.version === version)

function virtualRow({ plural, kind, namespaced }: VirtualResource): object {
  return { name: plural, singularName: kind.toLowerCase(), namespaced, kind, verbs: ['create'] }
}

function aggregatedVirtual({ group, version, plural, kind, namespaced }: VirtualResource): object {
  return {
    resource: plural,
    responseKind: { group, version, kind },
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.toLowerCase(),
    verbs: ['create'],
  }
}

function mainRow(kind: Kind): object {
  return {
    name: kind.plural,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: kind.verbs ?? objectVerbs,
    ...(kind.shortNames.length ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length ? { categories: kind.categories } : {}),
  }
}

function subresourceRow(kind: Kind, sub: NamedSubresource): object {
  const elsewhere = sub.group !== kind.group || sub.version !== kind.version
  return {
    name: `${kind.plural}/${sub.name}`,
    singularName: '',
    namespaced: kind.namespaced,
    ...(elsewhere ? { group: sub.group, version: sub.version } : {}),
    kind: sub.kind,
    verbs: sub.verbs,
  }
}

function aggregatedRow(kind: Kind): object {
  const subresources = subresourcesOf(kind)
  return {
    resource: kind.plural,
    responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: kind.verbs ?? objectVerbs,
    ...(kind.shortNames.length ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length ? { categories: kind.categories } : {}),
    ...(subresources.length ? { subresources: subresources.map(aggregatedSubresource) } : {}),
  }
}

function aggregatedSubresource(sub: NamedSubresource): object {
  return { subresource: sub.name, responseKind: { group: sub.group, version: sub.version, kind: sub.kind }, verbs: sub.verbs }
}
