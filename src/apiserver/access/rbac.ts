import type { PolicyRule, RbacV1Subject, RoleRef } from '../../api/generated/types.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import type { Route } from '../route.ts'
import { ruleAllows } from './rbac-rules.ts'

/** A RoleBinding, or without a namespace a ClusterRoleBinding: to whom it gives which role. */
export interface Binding {
  readonly name: string
  readonly namespace: string | undefined
  readonly roleRef: RoleRef
  readonly subjects: readonly RbacV1Subject[]
}

/** The rules of a role; undefined: there is no such role, so nothing is granted. */
export type RulesOf = (ref: RoleRef, namespace: string | undefined) => readonly PolicyRule[] | undefined

/** `User name`, `Group name`; a service account is the user that its tokens name. */
function subjectKey(subject: RbacV1Subject): string {
  if (subject.kind === 'ServiceAccount') return `User system:serviceaccount:${subject.namespace}:${subject.name}`
  return `${subject.kind} ${subject.name}`
}

/** Who is bound to which role, by subject: what a request is granted is found without looking at the other bindings. */
export class Rbac {
  readonly #bySubject = new Map<string, Set<Binding>>()
  readonly #rulesOf: RulesOf

  constructor(rulesOf: RulesOf) {
    this.#rulesOf = rulesOf
  }

  add(binding: Binding): void {
    for (const subject of binding.subjects) {
      const key = subjectKey(subject)
      const bindings = this.#bySubject.get(key) ?? new Set()
      bindings.add(binding)
      this.#bySubject.set(key, bindings)
    }
  }

  remove(binding: Binding): void {
    for (const subject of binding.subjects) {
      const key = subjectKey(subject)
      const bindings = this.#bySubject.get(key)
      bindings?.delete(binding)
      if (bindings?.size === 0) this.#bySubject.delete(key)
    }
  }

  allows(user: UserInfo, route: Route): boolean {
    for (const rule of this.rulesFor(user, route.type === 'resource' ? route.namespace : undefined))
      if (ruleAllows(rule, route)) return true
    return false
  }

  /** Which binding lets the user do it, in upstream's words; undefined: none does. */
  reasonFor(user: UserInfo, route: Route): string | undefined {
    const namespace = route.type === 'resource' ? route.namespace : undefined
    for (const key of [`User ${user.name}`, ...user.groups.map((group) => `Group ${group}`)]) {
      for (const binding of this.#bindingsOf(key, namespace)) {
        const rules = this.#rulesOf(binding.roleRef, binding.namespace) ?? []
        if (rules.some((rule) => ruleAllows(rule, route))) return `RBAC: allowed by ${described(binding, key)}`
      }
    }
    return undefined
  }

  /** Everything that the user is granted at the cluster's scope, and in the namespace if one is given. */
  *rulesFor(user: UserInfo, namespace: string | undefined): Iterable<PolicyRule> {
    yield* this.#rulesBoundTo(`User ${user.name}`, namespace)
    for (const group of user.groups) yield* this.#rulesBoundTo(`Group ${group}`, namespace)
  }

  *#rulesBoundTo(key: string, namespace: string | undefined): Iterable<PolicyRule> {
    for (const { roleRef, namespace: within } of this.#bindingsOf(key, namespace)) yield* this.#rulesOf(roleRef, within) ?? []
  }

  *#bindingsOf(key: string, namespace: string | undefined): Iterable<Binding> {
    for (const binding of this.#bySubject.get(key) ?? []) {
      if (binding.namespace === undefined || binding.namespace === namespace) yield binding
    }
  }
}

function described({ name, namespace, roleRef, subjects }: Binding, key: string): string {
  const binding =
    namespace === undefined ? `ClusterRoleBinding ${JSON.stringify(name)}` : `RoleBinding ${JSON.stringify(`${name}/${namespace}`)}`
  const subject = subjects.find((one) => subjectKey(one) === key) as RbacV1Subject
  const whom = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace}` : subject.name
  return `${binding} of ${roleRef.kind} ${JSON.stringify(roleRef.name)} to ${subject.kind} ${JSON.stringify(whom)}`
}
