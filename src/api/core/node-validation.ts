import { duplicate, type FieldError, forbiddenField, invalidValue } from '../../machinery/field-error.ts'
import { cidrFaults, type Faults, labelValueFaults, qualifiedNameFaults } from '../field-checks.ts'
import type { Node, Taint } from '../generated/types.ts'
import { taintEffectFaults } from './scheduling-validation.ts'

function* taintsFaults(path: string, taints: readonly Taint[]): Faults {
  const seen = new Set<string>()
  for (const [index, { key, value = '', effect }] of taints.entries()) {
    const at = `${path}[${index}]`
    yield* qualifiedNameFaults(`${at}.key`, key ?? '')
    yield* labelValueFaults(`${at}.value`, value)
    yield* taintEffectFaults(`${at}.effect`, effect)
    const pair = `${effect}/${key}`
    if (seen.has(pair)) {
      const fault = duplicate(at, taints[index])
      yield { ...fault, message: `${fault.message}: taints must be unique by key and effect pair` }
    }
    seen.add(pair)
  }
}

function* podCidrFaults({ podCIDR, podCIDRs = [] }: Node['spec']): Faults {
  for (const [index, cidr] of podCIDRs.entries()) yield* cidrFaults(`spec.podCIDRs[${index}]`, cidr)
  if (podCIDRs.length > 2) yield invalidValue('spec.podCIDRs', podCIDRs, 'may specify no more than one CIDR for each IP family')
  if (podCIDR && podCIDRs.length > 0 && podCIDRs[0] !== podCIDR) {
    yield invalidValue('spec.podCIDRs[0]', podCIDRs[0], 'must be equal to `podCIDR`')
  }
}

export function validateNode({ spec }: Node): FieldError[] {
  return [...taintsFaults('spec.taints', spec.taints ?? []), ...podCidrFaults(spec)]
}

/** Pods have addresses from the node's range: it can be given once, and never changed. */
export function validateNodeUpdate({ spec }: Node, { spec: before }: Node): FieldError[] {
  const faults: FieldError[] = []
  const now = spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : [])
  const was = before.podCIDRs ?? (before.podCIDR ? [before.podCIDR] : [])
  if (was.length > 0 && (now.length !== was.length || now.some((cidr, index) => cidr !== was[index]))) {
    faults.push(forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
  }
  if (before.providerID && spec.providerID !== before.providerID) {
    faults.push(forbiddenField('spec.providerID', 'node updates may not change providerID except from "" to valid'))
  }
  return faults
}
