import { addQuantities, compareQuantities, type Quantity } from '../../machinery/quantity.ts'
import type { Container, PodSpec } from '../generated/types.ts'
import { isQuantity } from '../quantity-checks.ts'
import { isSidecar } from './pod-facts.ts'

type Amounts = Readonly<Record<string, Quantity>>
type Pick = (container: Container) => Readonly<Record<string, string>> | undefined

function merged(a: Amounts, b: Amounts, merge: (x: Quantity, y: Quantity) => Quantity): Amounts {
  const both: Record<string, Quantity> = { ...a }
  for (const [name, amount] of Object.entries(b)) both[name] = both[name] ? merge(both[name], amount) : amount
  return both
}
const sum = (a: Amounts, b: Amounts): Amounts => merged(a, b, addQuantities)
const most = (a: Amounts, b: Amounts): Amounts => merged(a, b, (x, y) => (compareQuantities(x, y) < 0 ? y : x))

/** What the containers have together, or the largest moment of their start, whichever is more. */
export function containersTogether({ initContainers = [], containers }: PodSpec, pick: Pick): Amounts {
  const amounts = (container: Container): Amounts => {
    const sound = Object.entries(pick(container) ?? {}).filter(([, amount]) => isQuantity(amount))
    return Object.fromEntries(sound.map(([name, amount]) => [name, addQuantities('0', amount)]))
  }
  let sidecars: Amounts = {}
  let start: Amounts = {}
  for (const container of initContainers) {
    const beside = sum(sidecars, amounts(container))
    if (isSidecar(container)) sidecars = beside
    start = most(start, beside)
  }
  return most(
    containers.reduce((total, container) => sum(total, amounts(container)), sidecars),
    start,
  )
}
