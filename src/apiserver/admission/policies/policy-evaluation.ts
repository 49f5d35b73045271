import { costLimitPerPolicy } from '../../../machinery/cel/budget.ts'
import type { Value } from '../../../machinery/cel/values.ts'
import { type Activation, type Budget, BudgetError, type Outcome } from './activation.ts'
import type { CompiledAnnotation, CompiledValidation, ValidatingExpressions } from './compiled-policy.ts'
import { conditionsHold } from './policy-conditions.ts'

/** What one validation of a policy says to a request. */
export interface Decision {
  /** Its place among the policy's validations. */
  readonly index: number
  readonly holds: boolean
  /** It could not be worked out, whether or not that counts against the request. */
  readonly failed: boolean
  readonly message: string
  readonly reason: string
  readonly milliseconds: number
}

export interface Annotated {
  readonly key: string
  /** Undefined: nothing is to be said, or it could not be worked out. */
  readonly value: string | undefined
  /** Counts against the request. */
  readonly error: string | undefined
  readonly milliseconds: number
}

export interface Evaluation {
  readonly decisions: readonly Decision[]
  readonly annotations: readonly Annotated[]
}

const maxMessageBytes = 5 * 1024
const nothingSaid: Evaluation = { decisions: [], annotations: [] }

interface Judge {
  readonly activation: Activation
  /** What could not be worked out counts for nothing: failurePolicy Ignore. */
  readonly ignoresFailures: boolean
  readonly nowMs: () => number
}

/** What a policy says to a request that it has been matched with. */
export function evaluated(expressions: ValidatingExpressions, judge: Judge): Evaluation {
  const failed = (message: string): Evaluation => ({ decisions: [failure(0, message, judge, 0)], annotations: [] })
  try {
    const matched = conditionsHold(expressions.conditions, judge.activation, judge.ignoresFailures)
    if (matched !== true) return matched === false ? nothingSaid : failed(matched.error)
    const decisions = decided(expressions.validations, judge)
    return { decisions, annotations: annotated(expressions.annotations, judge) }
  } catch (error) {
    if (error instanceof BudgetError) return failed(error.message)
    throw error
  }
}

const failure = (index: number, message: string, { ignoresFailures }: Judge, milliseconds: number): Decision => ({
  index,
  holds: ignoresFailures,
  failed: true,
  message,
  reason: 'Invalid',
  milliseconds,
})

function decided(validations: readonly CompiledValidation[], judge: Judge): Decision[] {
  const { activation, nowMs } = judge
  const budget: Budget = { left: costLimitPerPolicy }
  const outcomes = validations.map(({ expression, condition }) => {
    const began = nowMs()
    const outcome = activation.evaluate(expression, condition, budget)
    return { outcome, milliseconds: nowMs() - began }
  })
  const messages = spoken(validations, outcomes, { activation, budget })
  return outcomes.map(({ outcome, milliseconds }, index): Decision => {
    if (outcome.error !== undefined) return failure(index, outcome.error, judge, milliseconds)
    if (messages.error !== undefined) return failure(index, `failed messageExpression: ${messages.error}`, judge, milliseconds)
    if (outcome.value === true) return { index, holds: true, failed: false, message: '', reason: '', milliseconds }
    const { reason, message = '', expression } = validations[index] as CompiledValidation
    const said = messageOf(messages.outcomes[index]?.value) || message.trim() || `failed expression: ${expression.trim()}`
    return { index, holds: false, failed: false, message: said, reason: reason || 'Invalid', milliseconds }
  })
}

/** Only what is going to be said is worked out. */
function spoken(
  validations: readonly CompiledValidation[],
  outcomes: readonly { readonly outcome: Outcome }[],
  { activation, budget }: { activation: Activation; budget: Budget },
): { readonly outcomes: readonly (Outcome | undefined)[]; readonly error?: string } {
  try {
    return {
      outcomes: validations.map(({ told, messageExpression = '' }, index) =>
        told && outcomes[index]?.outcome.value === false ? activation.evaluate(messageExpression, told, budget) : undefined,
      ),
    }
  } catch (error) {
    if (error instanceof BudgetError) return { outcomes: [], error: error.message }
    throw error
  }
}

/** Empty: it is of no use as a message. */
function messageOf(value: Value | undefined): string {
  const text = typeof value === 'string' ? value.trim() : ''
  return text.includes('\n') || Buffer.byteLength(text) > maxMessageBytes ? '' : text
}

function annotated(annotations: readonly CompiledAnnotation[], { activation, ignoresFailures, nowMs }: Judge): Annotated[] {
  const budget: Budget = { left: costLimitPerPolicy }
  return annotations.map(({ key, valueExpression, compiled }) => {
    const began = nowMs()
    const { value, error } = activation.evaluate(valueExpression, compiled, budget)
    const text = typeof value === 'string' ? value.trim() : ''
    const told = error === undefined || ignoresFailures ? undefined : error
    return { key, value: text || undefined, error: told, milliseconds: nowMs() - began }
  })
}
