import type { Activation, Budget } from './activation.ts'
import type { CompiledCondition } from './compiled-policy.ts'

/** Upstream's: of all conditions together. */
const conditionsBudget = 2_500_000

/** Whether a policy is for a request. One condition that is false decides, whatever became of the others. Throws BudgetError. */
export function conditionsHold(
  conditions: readonly CompiledCondition[],
  activation: Activation,
  ignoresFailures: boolean,
): boolean | { readonly error: string } {
  const budget: Budget = { left: conditionsBudget }
  const errors: string[] = []
  for (const { expression, compiled } of conditions) {
    const { value, error } = activation.evaluate(expression, compiled, budget)
    if (error !== undefined) errors.push(error)
    else if (value === false) return false
  }
  if (errors.length === 0) return true
  return ignoresFailures ? false : { error: errors.length === 1 ? (errors[0] as string) : `[${[...new Set(errors)].join(', ')}]` }
}
