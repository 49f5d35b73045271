import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { type Faults, labelSelectorFaults } from '../field-checks.ts'
import type {
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Variable,
} from '../generated/types.ts'
import { matchConditionsFaults, ruleFaults } from './webhook-validation.ts'

const failurePolicies = ['Fail', 'Ignore']
const actions = ['Audit', 'Deny', 'Warn']

function* paramKindFaults(path: string, kind: ParamKind | undefined): Faults {
  if (!kind) return
  if (!kind.apiVersion) yield required(`${path}.apiVersion`)
  if (!kind.kind) yield required(`${path}.kind`)
}

function* matchFaults(path: string, match: MatchResources | undefined): Faults {
  if (!match) return
  yield* labelSelectorFaults(`${path}.namespaceSelector`, match.namespaceSelector)
  yield* labelSelectorFaults(`${path}.objectSelector`, match.objectSelector)
  if (match.matchPolicy !== undefined && !['Equivalent', 'Exact'].includes(match.matchPolicy)) {
    yield notSupported(`${path}.matchPolicy`, match.matchPolicy, ['Equivalent', 'Exact'])
  }
  for (const field of ['resourceRules', 'excludeResourceRules'] as const) {
    for (const [index, rule] of (match[field] ?? []).entries()) yield* ruleFaults(`${path}.${field}[${index}]`, rule)
  }
}

function* variablesFaults(path: string, variables: readonly Variable[] = []): Faults {
  const seen = new Set<string>()
  for (const [index, { name, expression }] of variables.entries()) {
    if (!name) yield required(`${path}[${index}].name`)
    else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      yield invalidValue(`${path}[${index}].name`, name, 'name is not a valid CEL identifier')
    if (seen.has(name)) yield duplicate(`${path}[${index}].name`, name)
    seen.add(name)
    if (!expression?.trim()) yield required(`${path}[${index}].expression`, 'expression is not specified')
  }
}

/** What both kinds of policy share. */
function* policyFaults(spec: NonNullable<ValidatingAdmissionPolicy['spec']> | NonNullable<MutatingAdmissionPolicy['spec']>): Faults {
  if (spec.failurePolicy !== undefined && !failurePolicies.includes(spec.failurePolicy)) {
    yield notSupported('spec.failurePolicy', spec.failurePolicy, failurePolicies)
  }
  yield* paramKindFaults('spec.paramKind', spec.paramKind)
  if (!spec.matchConstraints) yield required('spec.matchConstraints')
  else {
    yield* matchFaults('spec.matchConstraints', spec.matchConstraints)
    if (!spec.matchConstraints.resourceRules?.length) yield required('spec.matchConstraints.resourceRules')
  }
  yield* matchConditionsFaults('spec.matchConditions', spec.matchConditions)
  yield* variablesFaults('spec.variables', spec.variables)
}

export function* validatingPolicyFaults({ spec }: ValidatingAdmissionPolicy): Faults {
  if (!spec) return
  yield* policyFaults(spec)
  if (!spec.validations?.length && !spec.auditAnnotations?.length) {
    const why = 'validations or auditAnnotations must be specified'
    yield required('spec.validations', why)
    yield required('spec.auditAnnotations', why)
  }
  for (const [index, { expression, message }] of (spec.validations ?? []).entries()) {
    if (!expression?.trim()) yield required(`spec.validations[${index}].expression`, 'expression is not specified')
    if (message?.includes('\n')) yield invalidValue(`spec.validations[${index}].message`, message, 'message must not contain line breaks')
  }
  for (const [index, { key, valueExpression }] of (spec.auditAnnotations ?? []).entries()) {
    if (!key) yield required(`spec.auditAnnotations[${index}].key`)
    if (!valueExpression?.trim()) yield required(`spec.auditAnnotations[${index}].valueExpression`, 'valueExpression is not specified')
  }
}

export function* mutatingPolicyFaults({ spec }: MutatingAdmissionPolicy): Faults {
  if (!spec) return
  yield* policyFaults(spec)
  if (!spec.mutations?.length) yield required('spec.mutations')
  for (const [index, { patchType, applyConfiguration, jsonPatch }] of (spec.mutations ?? []).entries()) {
    const path = `spec.mutations[${index}]`
    const field = { ApplyConfiguration: 'applyConfiguration', JSONPatch: 'jsonPatch' }[patchType]
    if (!patchType) yield required(`${path}.patchType`)
    else if (!field) yield notSupported(`${path}.patchType`, patchType, ['ApplyConfiguration', 'JSONPatch'])
    else if (!(field === 'jsonPatch' ? jsonPatch : applyConfiguration))
      yield required(`${path}.${field}`, `must be specified when patchType is ${patchType}`)
  }
  if (!spec.reinvocationPolicy) yield required('spec.reinvocationPolicy')
  else if (!['IfNeeded', 'Never'].includes(spec.reinvocationPolicy)) {
    yield notSupported('spec.reinvocationPolicy', spec.reinvocationPolicy, ['IfNeeded', 'Never'])
  }
}

function* paramRefFaults(path: string, { name, selector, parameterNotFoundAction }: ParamRef): Faults {
  if (name && selector) yield forbiddenField(`${path}.name`, 'name and selector are mutually exclusive')
  if (!name && !selector) yield required(path, 'one of name or selector must be specified')
  yield* labelSelectorFaults(`${path}.selector`, selector)
  if (!parameterNotFoundAction) yield required(`${path}.parameterNotFoundAction`)
  else if (!['Allow', 'Deny'].includes(parameterNotFoundAction)) {
    yield notSupported(`${path}.parameterNotFoundAction`, parameterNotFoundAction, ['Allow', 'Deny'])
  }
}

export function* bindingFaults({ spec }: ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding): Faults {
  if (!spec?.policyName) yield required('spec.policyName')
  if (spec?.paramRef) yield* paramRefFaults('spec.paramRef', spec.paramRef)
  yield* matchFaults('spec.matchResources', spec?.matchResources)
}

export function* validationActionsFaults(given: readonly string[] | undefined): Faults {
  const path = 'spec.validationActions'
  if (!given?.length) return yield required(path)
  for (const action of given) if (!actions.includes(action)) yield notSupported(path, action, actions)
  if (given.includes('Deny') && given.includes('Warn')) {
    yield invalidValue(
      path,
      given,
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    )
  }
}
