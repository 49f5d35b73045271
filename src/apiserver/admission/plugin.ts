import type { Kind } from '../../api/kind.ts'
import type { Random } from '../../host/random.ts'
import type { AuditTrail, UserInfo } from '../../machinery/api-request.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { forbidden, type StatusError } from '../../machinery/status.ts'
import type { Route } from '../route.ts'
import type { PolicyChecks } from './policies/policy-checks.ts'
import type { RequestForm } from './request-form.ts'

export interface AdmissionRequest {
  readonly user: UserInfo
  readonly kind: Kind
  /** connect: a stream to an object, or to what is behind it. */
  readonly operation: 'create' | 'update' | 'delete' | 'connect'
  readonly subresource: string | undefined
  /** What was sent, where that is of another kind than the object is: only policies look at it. */
  readonly form?: RequestForm
  readonly namespace: string | undefined
  readonly name: string
  /** Private to the request: plug-ins may change it while they admit. Undefined for a deletion. */
  readonly object: KubeObject | undefined
  /** What is stored, for an update or what a deletion validates. */
  readonly previous: KubeObject | undefined
  /** What the client is told beside the answer: each text once. */
  readonly warnings: Set<string>
  readonly dryRun: boolean
  /** Undefined: nothing is told of this request. */
  readonly audit: AuditTrail | undefined
}

/** What plug-ins may look up: the objects in the cache. */
export interface AdmissionFacts {
  get<T extends KubeObject>(kind: Kind<T>, namespace: string | undefined, name: string): T | undefined
  list<T extends KubeObject>(kind: Kind<T>, namespace: string | undefined): readonly T[]
  /** Of all namespaces: the same array, of the same states, as long as nothing has changed. */
  states<T extends KubeObject>(kind: Kind<T>): readonly { readonly object: T }[]
  /** Where policies are counted. */
  readonly policyChecks: PolicyChecks
  readonly random: Random
  allows(user: UserInfo, route: Route): boolean
  /** Why; empty where there is nothing to say. */
  reasonFor(user: UserInfo, route: Route): string
  /** Resolves once there is a namespace of that name. */
  makeNamespace(name: string): Promise<void>
  /** Throws Forbidden for a role or binding that grants more than its writer holds. */
  checkEscalation(write: AdmissionRequest & { readonly object: KubeObject }): void
}

/** Each of its steps throws the StatusError that refuses the request. */
export interface AdmissionPlugin {
  /** Upstream's, as it stands in --enable-admission-plugins. */
  readonly name: string
  /** Makes what has to be there before anything else is asked. */
  readonly provide?: (request: AdmissionRequest, facts: AdmissionFacts) => Promise<void>
  /** Fills in what the request left out; runs before the kind's own validation. */
  readonly admit?: (request: AdmissionRequest, facts: AdmissionFacts) => void
  /** Changes what has been filled in, as users' rules say; runs after every `admit`. True: those who fill in are asked once more, and then this again. */
  readonly mutate?: (request: AdmissionRequest, facts: AdmissionFacts) => boolean
  /** Checks what would be stored, after all plug-ins have changed it and the kind has found it valid. */
  readonly validate?: (request: AdmissionRequest, facts: AdmissionFacts) => void
  /** Judges what is asked of an object and changes none by itself: a stream, a Binding, an Eviction. */
  readonly judgeForm?: (request: AdmissionRequest, facts: AdmissionFacts) => void
}

interface Resource {
  readonly group: string
  readonly plural: string
}

/** The request is about objects of the resource, none of their parts. */
export const isOf = (request: AdmissionRequest, resource: Resource): boolean => isPartOf(request, resource, undefined)

export function isPartOf({ kind, subresource }: AdmissionRequest, { group, plural }: Resource, part: string | undefined): boolean {
  return kind.plural === plural && kind.group === group && subresource === part
}

/** A pod's containers get other resources in place. */
export function isPodResize({ kind, subresource }: AdmissionRequest): boolean {
  return kind.plural === 'pods' && kind.group === '' && subresource === 'resize'
}

const podResource = { group: '', plural: 'pods' }

export const isPod = (request: AdmissionRequest): boolean => isOf(request, podResource)
export const isPodCreate = (request: AdmissionRequest): boolean => request.operation === 'create' && isPod(request)

/** The 403 of a plug-in, about the object of the request by whatever name it has yet. */
export function refused({ kind, name, object }: AdmissionRequest, why: string): StatusError {
  return forbidden(kind, name || object?.metadata.generateName || 'Unknown', why)
}
