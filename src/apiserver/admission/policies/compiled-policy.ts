import { validatingAdmissionPolicies } from '../../../api/admissionregistration/admission-policies.ts'
import { validatingAdmissionPolicyBindings } from '../../../api/admissionregistration/policy-bindings.ts'
import { type Compiled, type CompiledVariable, PolicyEnvironment } from '../../../api/admissionregistration/policy-expressions.ts'
import type {
  AuditAnnotation,
  MatchCondition,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation,
} from '../../../api/generated/types.ts'
import type { AdmissionFacts } from '../plugin.ts'

export interface CompiledCondition extends MatchCondition {
  readonly compiled: Compiled
}

export interface CompiledValidation extends Validation {
  readonly condition: Compiled
  /** Undefined: there is no expression for it. */
  readonly told: Compiled | undefined
}

export interface CompiledAnnotation extends AuditAnnotation {
  readonly compiled: Compiled
}

/** A policy ready to be asked, and what puts it to use. */
export interface PolicyInUse {
  readonly policy: ValidatingAdmissionPolicy
  readonly bindings: readonly ValidatingAdmissionPolicyBinding[]
  readonly expressions: PolicyExpressions
}

export interface PolicyExpressions {
  readonly variables: readonly CompiledVariable[]
  readonly conditions: readonly CompiledCondition[]
  readonly validations: readonly CompiledValidation[]
  readonly annotations: readonly CompiledAnnotation[]
}

function expressionsOf({ spec = {} }: ValidatingAdmissionPolicy): PolicyExpressions {
  const environment = new PolicyEnvironment(spec)
  return {
    variables: environment.variables,
    conditions: (spec.matchConditions ?? []).map((one) => ({ ...one, compiled: environment.condition(one.expression) })),
    validations: (spec.validations ?? []).map((one) => ({
      ...one,
      condition: environment.condition(one.expression),
      told: one.messageExpression ? environment.message(one.messageExpression) : undefined,
    })),
    annotations: (spec.auditAnnotations ?? []).map((one) => ({ ...one, compiled: environment.annotation(one.valueExpression) })),
  }
}

type States<T> = readonly { readonly object: T }[]

/** The policies that bindings put to use, compiled once for as long as they stay as they are. */
export class PoliciesInUse {
  readonly #compiled = new WeakMap<object, { policy: ValidatingAdmissionPolicy; expressions: PolicyExpressions }>()
  #policies: States<ValidatingAdmissionPolicy> | undefined
  #bindings: States<ValidatingAdmissionPolicyBinding> | undefined
  #inUse: readonly PolicyInUse[] = []

  /** In the order of their names. */
  now(facts: Pick<AdmissionFacts, 'states'>): readonly PolicyInUse[] {
    const policies = facts.states(validatingAdmissionPolicies)
    if (policies.length === 0) return []
    const bindings = facts.states(validatingAdmissionPolicyBindings)
    if (policies === this.#policies && bindings === this.#bindings) return this.#inUse
    this.#inUse = this.#joined(policies, bindings)
    this.#policies = policies
    this.#bindings = bindings
    return this.#inUse
  }

  #joined(policies: States<ValidatingAdmissionPolicy>, bindings: States<ValidatingAdmissionPolicyBinding>): PolicyInUse[] {
    const byPolicy = Map.groupBy(
      bindings.map(({ object }) => object),
      ({ spec }) => spec?.policyName ?? '',
    )
    return policies.flatMap((state) => {
      const bound = byPolicy.get(state.object.metadata.name)
      return bound ? [{ ...this.#ready(state), bindings: bound }] : []
    })
  }

  #ready(state: { readonly object: ValidatingAdmissionPolicy }): { policy: ValidatingAdmissionPolicy; expressions: PolicyExpressions } {
    const known = this.#compiled.get(state)
    if (known) return known
    const ready = { policy: state.object, expressions: expressionsOf(state.object) }
    this.#compiled.set(state, ready)
    return ready
  }
}
