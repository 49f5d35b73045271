import { mutatingAdmissionPolicies, validatingAdmissionPolicies } from '../../../api/admissionregistration/admission-policies.ts'
import { mutatingAdmissionPolicyBindings, validatingAdmissionPolicyBindings } from '../../../api/admissionregistration/policy-bindings.ts'
import { type Compiled, type CompiledVariable, PolicyEnvironment } from '../../../api/admissionregistration/policy-expressions.ts'
import type {
  AuditAnnotation,
  MatchCondition,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation,
} from '../../../api/generated/types.ts'
import type { Kind } from '../../../api/kind.ts'
import type { KubeObject } from '../../../machinery/object.ts'
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

export interface CompiledMutation {
  readonly patchType: 'ApplyConfiguration' | 'JSONPatch'
  readonly expression: string
  readonly compiled: Compiled
}

interface CommonExpressions {
  readonly variables: readonly CompiledVariable[]
  readonly conditions: readonly CompiledCondition[]
}

export interface ValidatingExpressions extends CommonExpressions {
  readonly validations: readonly CompiledValidation[]
  readonly annotations: readonly CompiledAnnotation[]
}

export interface MutatingExpressions extends CommonExpressions {
  readonly mutations: readonly CompiledMutation[]
}

/** A policy ready to be asked, and what puts it to use. */
export interface PolicyInUse<Policy, Binding, Expressions> {
  readonly policy: Policy
  readonly bindings: readonly Binding[]
  readonly expressions: Expressions
}

export type ValidatingPolicyInUse = PolicyInUse<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingExpressions>
export type MutatingPolicyInUse = PolicyInUse<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingExpressions>

function commonExpressions(environment: PolicyEnvironment, conditions: readonly MatchCondition[] = []): CommonExpressions {
  const compiled = conditions.map((one) => ({ ...one, compiled: environment.condition(one.expression) }))
  return { variables: environment.variables, conditions: compiled }
}

function validatingExpressions({ spec = {} }: ValidatingAdmissionPolicy): ValidatingExpressions {
  const environment = new PolicyEnvironment(spec)
  return {
    ...commonExpressions(environment, spec.matchConditions),
    validations: (spec.validations ?? []).map((one) => ({
      ...one,
      condition: environment.condition(one.expression),
      told: one.messageExpression ? environment.message(one.messageExpression) : undefined,
    })),
    annotations: (spec.auditAnnotations ?? []).map((one) => ({ ...one, compiled: environment.annotation(one.valueExpression) })),
  }
}

function mutatingExpressions({ spec = {} }: MutatingAdmissionPolicy): MutatingExpressions {
  const environment = new PolicyEnvironment(spec)
  return {
    ...commonExpressions(environment, spec.matchConditions),
    mutations: (spec.mutations ?? []).map(({ patchType, applyConfiguration, jsonPatch }) => {
      if (patchType === 'JSONPatch') {
        const expression = jsonPatch?.expression ?? ''
        return { patchType, expression, compiled: environment.jsonPatch(expression) }
      }
      const expression = applyConfiguration?.expression ?? ''
      return { patchType: 'ApplyConfiguration', expression, compiled: environment.applyConfiguration(expression) }
    }),
  }
}

type States<T> = readonly { readonly object: T }[]

interface Sources<Policy extends KubeObject, Binding extends KubeObject, Expressions> {
  readonly policies: Kind<Policy>
  readonly bindings: Kind<Binding>
  readonly compile: (policy: Policy) => Expressions
}

/** The policies that bindings put to use, compiled once for as long as they stay as they are. */
export class PoliciesInUse<
  Policy extends KubeObject,
  Binding extends KubeObject & { readonly spec?: { readonly policyName?: string } },
  Expressions,
> {
  readonly #sources: Sources<Policy, Binding, Expressions>
  readonly #compiled = new WeakMap<object, { policy: Policy; expressions: Expressions }>()
  #policies: States<Policy> | undefined
  #bindings: States<Binding> | undefined
  #inUse: readonly PolicyInUse<Policy, Binding, Expressions>[] = []

  constructor(sources: Sources<Policy, Binding, Expressions>) {
    this.#sources = sources
  }

  /** In the order of their names. */
  now(facts: Pick<AdmissionFacts, 'states'>): readonly PolicyInUse<Policy, Binding, Expressions>[] {
    const policies = facts.states(this.#sources.policies)
    if (policies.length === 0) return []
    const bindings = facts.states(this.#sources.bindings)
    if (policies === this.#policies && bindings === this.#bindings) return this.#inUse
    this.#inUse = this.#joined(policies, bindings)
    this.#policies = policies
    this.#bindings = bindings
    return this.#inUse
  }

  #joined(policies: States<Policy>, bindings: States<Binding>): PolicyInUse<Policy, Binding, Expressions>[] {
    const byPolicy = Map.groupBy(
      bindings.map(({ object }) => object),
      ({ spec }) => spec?.policyName ?? '',
    )
    return policies.flatMap((state) => {
      const bound = byPolicy.get(state.object.metadata.name)
      return bound ? [{ ...this.#ready(state), bindings: bound }] : []
    })
  }

  #ready(state: { readonly object: Policy }): { policy: Policy; expressions: Expressions } {
    const known = this.#compiled.get(state)
    if (known) return known
    const ready = { policy: state.object, expressions: this.#sources.compile(state.object) }
    this.#compiled.set(state, ready)
    return ready
  }
}

export const validatingPoliciesInUse = (): PoliciesInUse<
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingExpressions
> =>
  new PoliciesInUse({ policies: validatingAdmissionPolicies, bindings: validatingAdmissionPolicyBindings, compile: validatingExpressions })

export const mutatingPoliciesInUse = (): PoliciesInUse<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingExpressions> =>
  new PoliciesInUse({ policies: mutatingAdmissionPolicies, bindings: mutatingAdmissionPolicyBindings, compile: mutatingExpressions })
