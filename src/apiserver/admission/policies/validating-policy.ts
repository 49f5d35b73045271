import type { MatchResources, ValidatingAdmissionPolicyBinding } from '../../../api/generated/types.ts'
import type { Kind } from '../../../api/kind.ts'
import { StatusError } from '../../../machinery/status.ts'
import { type AdmissionFacts, type AdmissionPlugin, type AdmissionRequest, refused } from '../plugin.ts'
import { Activation } from './activation.ts'
import { type ValidatingPolicyInUse, validatingPoliciesInUse } from './compiled-policy.ts'
import type { PolicyCheck } from './policy-checks.ts'
import { type Decision, type Evaluation, evaluated } from './policy-evaluation.ts'
import { isExempt, matchedKind, namespaceOf } from './policy-matching.ts'
import { ConfigurationError, paramsOf } from './policy-params.ts'

/** ValidatingAdmissionPolicies (https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/). */
export function validatingAdmissionPolicy(): AdmissionPlugin {
  const inUse = validatingPoliciesInUse()
  const judge = (request: AdmissionRequest, facts: AdmissionFacts): void => {
    const policies = inUse.now(facts)
    if (policies.length === 0 || isExempt(request) || isAboutNothing(request)) return
    const hearing = new Hearing(request, facts)
    for (const policy of policies) hearing.ask(policy)
    hearing.conclude()
  }
  return { name: 'ValidatingAdmissionPolicy', validate: judge, judgeForm: judge }
}

/** A deletion of what is not there. */
const isAboutNothing = ({ operation, previous }: AdmissionRequest): boolean => operation === 'delete' && previous === undefined

interface Denial {
  readonly policy: string
  readonly binding: string | undefined
  readonly message: string
  readonly reason: string
}

const maxAnnotationBytes = 10 * 1024
const maxFailuresTold = 50
const codes: Readonly<Record<string, number>> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413 }

/** One request before all policies: all are heard before the first denial decides. */
class Hearing {
  readonly #request: AdmissionRequest
  readonly #facts: AdmissionFacts
  readonly #denials: Denial[] = []
  readonly #failures: object[] = []

  constructor(request: AdmissionRequest, facts: AdmissionFacts) {
    this.#request = request
    this.#facts = facts
  }

  ask(used: ValidatingPolicyInUse): void {
    const { policy, bindings } = used
    const kind = this.#configured(used, undefined, () => this.#matched(policy.spec?.matchConstraints))
    if (!kind) return
    const annotations = new Map<string, string[]>()
    for (const binding of bindings) {
      const evaluations = this.#configured(used, binding, () => this.#evaluated(used, binding, kind))
      for (const evaluation of evaluations ?? []) this.#note(used, binding, evaluation, annotations)
    }
    for (const [key, values] of annotations) this.#request.audit?.annotate(`${policy.metadata.name}/${key}`, values.join(', '))
  }

  /** Throws the refusal, if there is one. */
  conclude(): void {
    const { audit } = this.#request
    if (this.#failures.length > 0 && audit) {
      audit.annotate('validation.policy.admission.k8s.io/validation_failure', JSON.stringify(this.#failures.slice(0, maxFailuresTold)))
    }
    const [first] = this.#denials
    if (first) throw denial(this.#request, first)
  }

  #matched(match: MatchResources | undefined): Kind | undefined {
    if (!match) throw new ConfigurationError('policy contained no match constraints, a required field')
    return matchedKind(match, this.#request, this.#facts)
  }

  #evaluated(used: ValidatingPolicyInUse, binding: ValidatingAdmissionPolicyBinding, kind: Kind): readonly Evaluation[] {
    const { policy, expressions } = used
    const { spec } = binding
    if (spec?.matchResources && !matchedKind(spec.matchResources, this.#request, this.#facts)) return []
    const ignoresFailures = policy.spec?.failurePolicy === 'Ignore'
    const nowMs = (): number => this.#facts.policyChecks.nowMs()
    return paramsOf(policy.spec?.paramKind, spec?.paramRef, namespaceOf(this.#request), this.#facts).map((params) => {
      const activation = new Activation(this.#request, { kind, params, facts: this.#facts, variables: expressions.variables })
      return evaluated(expressions, { activation, ignoresFailures, nowMs })
    })
  }

  /** What is wrong with the policy or binding itself counts as its failure policy says. */
  #configured<T>({ policy }: ValidatingPolicyInUse, binding: ValidatingAdmissionPolicyBinding | undefined, ask: () => T): T | undefined {
    try {
      return ask()
    } catch (error) {
      if (!(error instanceof ConfigurationError || error instanceof StatusError)) throw error
      if (policy.spec?.failurePolicy === 'Ignore') return undefined
      const message = `failed to configure ${binding ? 'binding' : 'policy'}: ${error.message}`
      this.#denials.push({ policy: policy.metadata.name, binding: binding?.metadata.name, message, reason: 'Invalid' })
      return undefined
    }
  }

  #note(
    used: ValidatingPolicyInUse,
    binding: ValidatingAdmissionPolicyBinding,
    evaluation: Evaluation,
    annotations: Map<string, string[]>,
  ): void {
    for (const decision of evaluation.decisions) {
      if (!decision.holds) this.#enforce(used, binding, decision)
      else if (decision.failed) this.#count(used, binding, decision, 'allow')
    }
    for (const { key, value, error, milliseconds } of evaluation.annotations) {
      if (error !== undefined) {
        const decision = { index: 0, holds: false, failed: true, message: error, reason: 'Invalid', milliseconds }
        this.#deny(used, binding, decision)
        this.#count(used, binding, decision, 'deny')
      }
      const told = annotations.get(key) ?? []
      const text = value && Buffer.from(value).subarray(0, maxAnnotationBytes).toString()
      if (text && !told.includes(text)) annotations.set(key, [...told, text])
    }
  }

  #enforce(used: ValidatingPolicyInUse, binding: ValidatingAdmissionPolicyBinding, decision: Decision): void {
    const { policy } = used
    const validationActions = binding.spec?.validationActions ?? []
    const { message, index } = decision
    for (const action of validationActions) {
      if (action === 'Deny') this.#deny(used, binding, decision)
      if (action === 'Warn')
        this.#request.warnings.add(`Validation failed for ${about(policy.metadata.name, binding.metadata.name)}: ${message}`)
      if (action === 'Audit') {
        this.#failures.push({
          message,
          policy: policy.metadata.name,
          binding: binding.metadata.name,
          expressionIndex: index,
          validationActions,
        })
      }
      this.#count(used, binding, decision, action.toLowerCase() as PolicyCheck['action'])
    }
  }

  #deny({ policy }: ValidatingPolicyInUse, binding: ValidatingAdmissionPolicyBinding, { message, reason }: Decision): void {
    this.#denials.push({ policy: policy.metadata.name, binding: binding.metadata.name, message, reason })
  }

  #count(
    { policy }: ValidatingPolicyInUse,
    binding: ValidatingAdmissionPolicyBinding,
    decision: Decision,
    action: PolicyCheck['action'],
  ): void {
    const { milliseconds } = decision
    this.#facts.policyChecks.checked({
      policy: policy.metadata.name,
      binding: binding.metadata.name,
      error: errorOf(decision),
      action,
      milliseconds,
    })
  }
}

/** By the words of the message, as upstream tells them apart. */
function errorOf({ message }: Decision): PolicyCheck['error'] {
  if (message.startsWith('compilation')) return 'compile_error'
  return message.startsWith('validation failed due to running out of cost budget') ? 'out_of_budget' : 'invalid_error'
}

function about(policy: string, binding: string | undefined): string {
  return `ValidatingAdmissionPolicy '${policy}'${binding === undefined ? '' : ` with binding '${binding}'`}`
}

/** A refusal with the reason and code that the validation names. */
function denial(request: AdmissionRequest, { policy, binding, message, reason }: Denial): StatusError {
  const told = `${about(policy, binding)} denied request: ${message}`
  const { status } = refused(request, told)
  return new StatusError({ ...status, reason, code: codes[reason] ?? 422, details: { ...status.details, causes: [{ message: told }] } })
}
