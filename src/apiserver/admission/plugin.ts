import type { Kind } from '../../api/kind.ts'
import type { Random } from '../../host/random.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import type { KubeObject } from '../../machinery/object.ts'

export interface AdmissionRequest {
  readonly user: UserInfo
  readonly kind: Kind
  readonly operation: 'create' | 'update' | 'delete'
  readonly subresource: string | undefined
  readonly namespace: string | undefined
  readonly name: string
  /** Private to the request: plug-ins may change it while they admit. Undefined for a deletion. */
  readonly object: KubeObject | undefined
  /** What is stored, for an update. */
  readonly previous: KubeObject | undefined
  /** What the client is told beside the answer: each text once. */
  readonly warnings: Set<string>
}

/** What plug-ins may look up: the objects in the cache. */
export interface AdmissionFacts {
  get<T extends KubeObject>(kind: Kind<T>, namespace: string | undefined, name: string): T | undefined
  list<T extends KubeObject>(kind: Kind<T>, namespace: string | undefined): readonly T[]
  readonly random: Random
  /** Throws Forbidden for a role or binding that grants more than its writer holds. */
  checkEscalation(write: AdmissionRequest & { readonly object: KubeObject }): void
}

/** Each of its steps throws the StatusError that refuses the request. */
export interface AdmissionPlugin {
  /** Upstream's, as it stands in --enable-admission-plugins. */
  readonly name: string
  /** Fills in what the request left out; runs before the kind's own validation. */
  readonly admit?: (request: AdmissionRequest, facts: AdmissionFacts) => void
  /** Checks what would be stored, after all plug-ins have changed it and the kind has found it valid. */
  readonly validate?: (request: AdmissionRequest, facts: AdmissionFacts) => void
}

export function isOf({ kind, subresource }: AdmissionRequest, { group, plural }: { group: string; plural: string }): boolean {
  return kind.plural === plural && kind.group === group && subresource === undefined
}

/** A pod's containers get other resources in place. */
export function isPodResize({ kind, subresource }: AdmissionRequest): boolean {
  return kind.plural === 'pods' && kind.group === '' && subresource === 'resize'
}

const podResource = { group: '', plural: 'pods' }

export const isPod = (request: AdmissionRequest): boolean => isOf(request, podResource)
export const isPodCreate = (request: AdmissionRequest): boolean => request.operation === 'create' && isPod(request)
