import type { Kind } from '../../../api/kind.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import type { AdmissionRequest } from '../plugin.ts'
import { namespaceOf, subresourceOf } from './policy-matching.ts'

/** As the kind that was asked for shows them; null where there is none. */
export function objectsAs(kind: Kind, request: AdmissionRequest): { readonly object: unknown; readonly oldObject: unknown } {
  const shown = (object: KubeObject | undefined): unknown => {
    if (!object) return null
    return kind.storedAs ? kind.storedAs.fromStored(structuredClone(object)) : object
  }
  const { form } = request
  if (form) return { object: form.object(), oldObject: form.oldObject() }
  return { object: shown(request.object), oldObject: shown(request.previous) }
}

const optionsOf = { create: 'CreateOptions', update: 'UpdateOptions', delete: 'DeleteOptions', connect: undefined } as const

/** `request`, as admission.k8s.io has it; `kind` is as which the policy sees it. */
export function requestValue(request: AdmissionRequest, kind: Kind): object {
  const named = (one: Kind): object => {
    const { group, version, kind: name } = request.form ?? one
    return { group, version, kind: name }
  }
  const resource = ({ group, version, plural }: Kind): object => ({ group, version, resource: plural })
  const { user, operation, dryRun } = request
  const options = optionsOf[operation]
  const subresource = subresourceOf(request)
  const namespace = namespaceOf(request)
  return {
    kind: named(kind),
    resource: resource(kind),
    ...(subresource ? { subResource: subresource, requestSubResource: subresource } : {}),
    requestKind: named(request.kind),
    requestResource: resource(request.kind),
    name: request.name,
    ...(namespace ? { namespace } : {}),
    operation: operation.toUpperCase(),
    userInfo: { username: user.name, ...(user.uid ? { uid: user.uid } : {}), groups: user.groups, extra: user.extra },
    dryRun,
    options: options ? { kind: options, apiVersion: 'meta.k8s.io/v1', ...(dryRun ? { dryRun: ['All'] } : {}) } : null,
  }
}
