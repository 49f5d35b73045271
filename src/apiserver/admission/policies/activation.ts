import type { Compiled, CompiledVariable } from '../../../api/admissionregistration/policy-expressions.ts'
import type { Namespace } from '../../../api/generated/types.ts'
import type { Kind } from '../../../api/kind.ts'
import { namespaces } from '../../../api/registry.ts'
import { CostExceededError, costLimitPerCall } from '../../../machinery/cel/budget.ts'
import { authorizerValue, resourceCheckValue } from '../../../machinery/cel/library/authorizer.ts'
import { EvaluationError, fromJson, MapValue, type Value } from '../../../machinery/cel/values.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import type { AdmissionFacts, AdmissionRequest } from '../plugin.ts'
import { RequestOracle } from './access-oracle.ts'
import { namespaceOf, subresourceOf } from './policy-matching.ts'
import { objectsAs, requestValue } from './request-values.ts'

/** All that the expressions of a policy may cost together. */
export class BudgetError extends Error {
  constructor() {
    super('validation failed due to running out of cost budget, no further validation rules will be run')
    this.name = 'BudgetError'
  }
}

/** What is left of it. */
export interface Budget {
  left: number
}

/** What an expression came to, or why it came to nothing. */
export type Outcome = { readonly value: Value; readonly error?: never } | { readonly value?: never; readonly error: string }

/** Whom expressions speak of while one request is looked at by one policy, with one of its parameters. */
export class Activation {
  readonly #values: ReadonlyMap<string, () => Value>
  readonly #known = new Map<string, Value>()
  readonly #variables: ReadonlyMap<string, Compiled>
  /** What variables that have been asked for came to. */
  readonly #outcomes = new Map<string, Outcome>()
  /** Whose evaluation is under way: what variables cost is its. */
  #budget: Budget = { left: 0 }

  constructor(
    request: AdmissionRequest,
    {
      kind,
      params,
      facts,
      variables,
    }: { kind: Kind; params: KubeObject | undefined; facts: AdmissionFacts; variables: readonly CompiledVariable[] },
  ) {
    this.#variables = new Map(variables.map(({ name, compiled }) => [name, compiled]))
    const objects = objectsAs(kind, request)
    const oracle = new RequestOracle(request.user, facts)
    this.#values = new Map<string, () => Value>([
      ['object', () => fromJson(objects.object)],
      ['oldObject', () => fromJson(objects.oldObject)],
      ['params', () => fromJson(params)],
      ['request', () => fromJson(requestValue(request, kind))],
      ['namespaceObject', () => fromJson(shownNamespace(request, facts))],
      ['authorizer', () => authorizerValue(oracle)],
      ['authorizer.requestResource', () => resourceCheckValue(oracle, questionOf(request))],
      [
        'variables',
        () => new MapValue({ size: variables.length, get: (name) => this.#variable(name), keys: () => variables.map(({ name }) => name) }),
      ],
    ])
  }

  /** Throws {@link BudgetError} once the budget is spent. */
  evaluate(expression: string, { program, fault }: Compiled, budget: Budget): Outcome {
    if (!program) return { error: `compilation error: ${fault}` }
    this.#budget = budget
    try {
      return { value: this.#run(program) }
    } catch (error) {
      if (!(error instanceof EvaluationError || error instanceof CostExceededError)) throw error
      return { error: `expression '${expression}' resulted in error: ${error.message}` }
    }
  }

  #run(program: NonNullable<Compiled['program']>): Value {
    const budget = this.#budget
    const spent = (cost: number): void => {
      if (cost > budget.left) throw new BudgetError()
      budget.left -= cost
    }
    return program.evaluate((name) => this.#value(name), { limit: costLimitPerCall, spent })
  }

  #value(name: string): Value | undefined {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const value = this.#values.get(name)?.()
    if (value !== undefined) this.#known.set(name, value)
    return value
  }

  /** Each is worked out once, when it is first asked for. */
  #variable(name: Value): Value | undefined {
    const compiled = typeof name === 'string' ? this.#variables.get(name) : undefined
    if (!compiled || typeof name !== 'string') return undefined
    const outcome = this.#outcomes.get(name) ?? this.#outcomeOf(name, compiled)
    this.#outcomes.set(name, outcome)
    if (outcome.error !== undefined) throw new EvaluationError(outcome.error)
    return outcome.value
  }

  #outcomeOf(name: string, { program, fault }: Compiled): Outcome {
    if (!program) return { error: `composited variable "${name}" fails to compile: ${fault}` }
    try {
      return { value: this.#run(program) }
    } catch (error) {
      if (!(error instanceof EvaluationError || error instanceof CostExceededError)) throw error
      return { error: `composited variable "${name}" fails to evaluate: ${error.message}` }
    }
  }
}

function questionOf(request: AdmissionRequest): Parameters<typeof resourceCheckValue>[1] {
  const { kind, name } = request
  const where = { namespace: namespaceOf(request), name, subresource: subresourceOf(request) }
  return { group: kind.group, resource: kind.plural, ...where, fieldSelector: '', labelSelector: '' }
}

/** The namespace that the object is in; null of those that are in none, namespaces among them. */
function shownNamespace({ namespace }: AdmissionRequest, facts: AdmissionFacts): unknown {
  const found = namespace === undefined ? undefined : facts.get<Namespace>(namespaces, undefined, namespace)
  if (!found) return null
  const { managedFields: _, ownerReferences: __, ...metadata } = found.metadata
  return { metadata, spec: found.spec, status: found.status }
}
