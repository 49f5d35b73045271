import type { Kind } from '../../api/kind.ts'
import { kinds } from '../../api/registry.ts'
import { deepEqual } from '../../machinery/equality.ts'
import { apiVersionOf } from '../../machinery/group-version.ts'
import type { KubeObject, OwnerReference } from '../../machinery/object.ts'
import { type AdmissionFacts, type AdmissionPlugin, type AdmissionRequest, refused } from './plugin.ts'

/**
 * Whoever makes an object go with another must be allowed to delete it; whoever makes another wait for it, to say so of that
 * other's finalizers.
 */
export const ownerReferencesPermissionEnforcement: AdmissionPlugin = {
  name: 'OwnerReferencesPermissionEnforcement',
  validate(request, facts) {
    if (request.operation === 'delete' || (request.kind.plural === 'pods' && request.subresource === 'status')) return
    const next = ownersOf(request.object)
    const before = ownersOf(request.previous)
    if (deepEqual(next, before)) return
    // Who makes a thing may say whose it is.
    if (request.operation === 'update' && !mayDelete(request, facts))
      throw refused(request, "cannot set an ownerRef on a resource you can't delete: , <nil>")
    for (const owner of newlyBlocking(next, before)) checkBlocking(request, owner, facts)
  },
}

const ownersOf = (object: KubeObject | undefined): readonly OwnerReference[] => object?.metadata.ownerReferences ?? []

function newlyBlocking(next: readonly OwnerReference[], before: readonly OwnerReference[]): OwnerReference[] {
  const blocked = new Set(before.filter(({ blockOwnerDeletion }) => blockOwnerDeletion).map(({ uid }) => uid))
  return next.filter(({ blockOwnerDeletion, uid }) => blockOwnerDeletion && !blocked.has(uid))
}

function mayDelete({ kind, namespace, name, subresource, user }: AdmissionRequest, facts: AdmissionFacts): boolean {
  const { group, version, plural } = kind
  return facts.allows(user, { type: 'resource', verb: 'delete', group, version, plural, namespace, name, subresource })
}

function checkBlocking(request: AdmissionRequest, { apiVersion, kind: kindName, name }: OwnerReference, facts: AdmissionFacts): void {
  const found = (kinds as readonly Kind[]).find((kind) => kind.kind === kindName && apiVersionOf(kind) === apiVersion)
  if (!found) {
    const none = `no matches for kind ${JSON.stringify(kindName)} in version ${JSON.stringify(apiVersion)}`
    const what = `cannot find RESTMapping for APIVersion ${apiVersion} Kind ${kindName}: ${none}`
    throw refused(request, `cannot set blockOwnerDeletion in this case because ${what}`)
  }
  const namespace = found.namespaced ? request.namespace : undefined
  const { group, version, plural } = found
  const finalizers = { type: 'resource', verb: 'update', group, version, plural, namespace, name, subresource: 'finalizers' } as const
  if (facts.allows(request.user, finalizers)) return
  throw refused(request, "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>")
}
