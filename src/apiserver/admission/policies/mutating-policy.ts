import type { MutatingAdmissionPolicyBinding } from '../../../api/generated/types.ts'
import type { Kind } from '../../../api/kind.ts'
import { CostExceededError, costLimitPerPolicy } from '../../../machinery/cel/budget.ts'
import { deepEqual } from '../../../machinery/equality.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import { StatusError } from '../../../machinery/status.ts'
import { type AdmissionFacts, type AdmissionPlugin, type AdmissionRequest, refused } from '../plugin.ts'
import { Activation, BudgetError } from './activation.ts'
import { type CompiledMutation, type MutatingPolicyInUse, mutatingPoliciesInUse } from './compiled-policy.ts'
import { MutationError, mutated } from './mutation.ts'
import { conditionsHold } from './policy-conditions.ts'
import { isExempt, matchedKind, namespaceOf } from './policy-matching.ts'
import { ConfigurationError, paramsOf } from './policy-params.ts'

/** MutatingAdmissionPolicies (https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/). */
export function mutatingAdmissionPolicy(): AdmissionPlugin {
  const inUse = mutatingPoliciesInUse()
  const sessions = new WeakMap<AdmissionRequest, Session>()
  return {
    name: 'MutatingAdmissionPolicy',
    mutate: (request, facts) => {
      const policies = inUse.now(facts)
      const { object } = request
      if (policies.length === 0 || !object || request.form || isExempt(request)) return false
      const session = sessions.get(request) ?? new Session({ ...request, object }, facts)
      sessions.set(request, session)
      return session.run(policies)
    },
  }
}

type Written = AdmissionRequest & { readonly object: KubeObject }

interface Fault {
  readonly policy: string
  readonly binding: string | undefined
  readonly message: string
  readonly reason: 'Invalid' | undefined
}

/** A policy put to use by a binding, with one of its parameters. */
interface Invocation {
  readonly used: MutatingPolicyInUse
  readonly binding: MutatingAdmissionPolicyBinding
  readonly kind: Kind
  readonly params: KubeObject | undefined
}

const keyOf = ({ used, binding, params }: Invocation): string =>
  JSON.stringify([used.policy.metadata.name, binding.metadata.name, params?.metadata.namespace, params?.metadata.name])

/**
 * What policies make of one request. Each is asked once; when others have changed the object since, those are asked once more
 * that want to be (reinvocationPolicy IfNeeded).
 */
class Session {
  readonly #request: Written
  readonly #facts: AdmissionFacts
  /** Who would be asked again if anything changes from here on. */
  readonly #asked = new Set<string>()
  readonly #again = new Set<string>()
  /** The object as the policies left it; undefined: they have not been asked. */
  #left: unknown
  #faults: Fault[] = []

  constructor(request: Written, facts: AdmissionFacts) {
    this.#request = request
    this.#facts = facts
  }

  /** Whether the object was changed. Throws the refusal of those who could not. */
  run(policies: readonly MutatingPolicyInUse[]): boolean {
    const before = this.#shown()
    const isFirst = this.#left === undefined
    if (!isFirst && !deepEqual(this.#left, before)) this.#somethingChanged()
    this.#faults = []
    for (const used of policies) {
      for (const invocation of this.#invocationsOf(used)) {
        if (isFirst || this.#again.has(keyOf(invocation))) this.#invoke(invocation)
      }
    }
    this.#left = this.#shown()
    if (this.#faults.length > 0) throw denial(this.#request, this.#faults)
    return !deepEqual(this.#left, before)
  }

  /** As it would be stored, to be compared. */
  #shown(): unknown {
    return JSON.parse(JSON.stringify(this.#request.object))
  }

  #somethingChanged(): void {
    for (const key of this.#asked) this.#again.add(key)
    this.#asked.clear()
  }

  #invocationsOf(used: MutatingPolicyInUse): readonly Invocation[] {
    const { policy, bindings } = used
    const { matchConstraints, paramKind } = policy.spec ?? {}
    const kind = this.#configured(used, undefined, () => {
      if (!matchConstraints) throw new ConfigurationError('policy contained no match constraints, a required field')
      return matchedKind(matchConstraints, this.#request, this.#facts)
    })
    if (!kind) return []
    return bindings.flatMap((binding) => {
      const { matchResources, paramRef } = binding.spec ?? {}
      const params = this.#configured(used, binding, () => {
        if (matchResources && !matchedKind(matchResources, this.#request, this.#facts)) return []
        return paramsOf(paramKind, paramRef, namespaceOf(this.#request), this.#facts)
      })
      return (params ?? []).map((one) => ({ used, binding, kind, params: one }))
    })
  }

  #configured<T>(used: MutatingPolicyInUse, binding: MutatingAdmissionPolicyBinding | undefined, ask: () => T): T | undefined {
    try {
      return ask()
    } catch (error) {
      if (!(error instanceof ConfigurationError || error instanceof StatusError)) throw error
      this.#fault(used, binding, `failed to configure ${binding ? 'binding' : 'policy'}: ${error.message}`, undefined)
      return undefined
    }
  }

  #fault(used: MutatingPolicyInUse, binding: MutatingAdmissionPolicyBinding | undefined, message: string, reason: Fault['reason']): void {
    if (used.policy.spec?.failurePolicy === 'Ignore') return
    this.#faults.push({ policy: used.policy.metadata.name, binding: binding?.metadata.name, message, reason })
  }

  #invoke(invocation: Invocation): void {
    const { used, binding } = invocation
    const ignoresFailures = used.policy.spec?.failurePolicy === 'Ignore'
    const before = this.#shown()
    const applies = attempted(() => conditionsHold(used.expressions.conditions, this.#activation(invocation), ignoresFailures))
    if (typeof applies === 'object') this.#fault(used, binding, applies.error, 'Invalid')
    if (applies !== true) return
    for (const mutation of used.expressions.mutations) this.#mutate(invocation, mutation)
    if (!deepEqual(this.#shown(), before)) this.#somethingChanged()
    if (used.policy.spec?.reinvocationPolicy === 'IfNeeded') this.#asked.add(keyOf(invocation))
  }

  /** Each mutation sees what those before it made. */
  #activation({ used, kind, params }: Invocation): Activation {
    return new Activation(this.#request, { kind, params, facts: this.#facts, variables: used.expressions.variables })
  }

  #mutate(invocation: Invocation, { patchType, expression, compiled }: CompiledMutation): void {
    const { used, binding, kind } = invocation
    const began = this.#facts.policyChecks.nowMs()
    const outcome = attempted(() => {
      const { value, error } = this.#activation(invocation).evaluate(expression, compiled, { left: costLimitPerPolicy })
      if (error !== undefined) return { error }
      replaceContent(this.#request.object, mutated(kind, this.#request.object, patchType, value))
      return undefined
    })
    const milliseconds = this.#facts.policyChecks.nowMs() - began
    const error = outcome === undefined ? 'no_error' : 'invalid_error'
    this.#facts.policyChecks.mutated({ policy: used.policy.metadata.name, binding: binding.metadata.name, error, milliseconds })
    if (outcome) this.#fault(used, binding, outcome.error, 'Invalid')
  }
}

function attempted<T>(run: () => T): T | { readonly error: string } {
  try {
    return run()
  } catch (error) {
    if (error instanceof BudgetError || error instanceof MutationError || error instanceof CostExceededError)
      return { error: error.message }
    throw error
  }
}

/** Whoever holds the object sees what became of it. */
function replaceContent(object: KubeObject, next: KubeObject): void {
  for (const key of Object.keys(object)) delete (object as unknown as Record<string, unknown>)[key]
  Object.assign(object, next)
}

/** The first fault decides; all are told. Upstream leaves the code at 403, whatever the reason. */
function denial(request: AdmissionRequest, faults: readonly Fault[]): StatusError {
  const causes = faults.map(({ policy, binding, message }) => ({
    message: `policy ${binding === undefined ? JSON.stringify(policy) : `'${policy}' with binding '${binding}'`} denied request: ${message}`,
  }))
  const { status } = refused(request, '')
  const reason = faults[0]?.reason ?? status.reason
  return new StatusError({
    ...status,
    message: causes[0]?.message ?? '',
    ...(reason ? { reason } : {}),
    details: { ...status.details, causes },
  })
}
