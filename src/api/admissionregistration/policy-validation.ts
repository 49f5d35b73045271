import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import * as names from '../../machinery/names.ts'
import { conditionsFaults } from '../condition-validation.ts'
import {
  choiceFaults,
  dnsSubdomainFaults,
  type Faults,
  labelSelectorFaults,
  optionalChoiceFaults,
  pathSegmentFaults,
  qualifiedNameFaults,
} from '../field-checks.ts'
import type {
  AuditAnnotation,
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  Mutation,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation,
  Variable,
} from '../generated/types.ts'
import { PolicyEnvironment } from './policy-expressions.ts'
import { expressionFaults, matchConditionsFaults, ruleFaults } from './webhook-validation.ts'

const failurePolicies = ['Fail', 'Ignore']
const actions = ['Audit', 'Deny', 'Warn']
const mutableOperations = ['*', 'CONNECT', 'CREATE', 'UPDATE']
const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge']
const maxAnnotations = 20
const maxExpressionBytes = 5 * 1024
/** Words of CEL that nothing else can be called. */
const reservedNames = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
)

function* paramKindFaults(path: string, kind: ParamKind | undefined): Faults {
  if (!kind) return
  const { apiVersion = '', kind: name = '' } = kind
  yield* versionFaults(`${path}.apiVersion`, apiVersion)
  if (!name) return yield required(`${path}.kind`)
  const why = names.dns1035LabelFaults(name.toLowerCase())
  if (why.length > 0) yield invalidValue(`${path}.kind`, name, `may have mixed case, but should otherwise match: ${why.join(',')}`)
}

function* versionFaults(path: string, text: string): Faults {
  if (!text) return yield required(path)
  const parts = text.split('/')
  if (parts.length > 2) return yield invalidValue(path, text, `unexpected GroupVersion string: ${text}`)
  const [group, version] = parts.length === 2 ? (parts as [string, string]) : ['', text]
  const inGroup = group ? names.dnsSubdomainFaults(group) : []
  if (inGroup.length > 0) yield invalidValue(path, group, inGroup.join(','))
  const inVersion = names.dns1035LabelFaults(version)
  if (!version) yield invalidValue(path, text, 'version must be specified')
  else if (inVersion.length > 0) yield invalidValue(path, version, inVersion.join(','))
}

function* matchFaults(path: string, match: MatchResources | undefined): Faults {
  if (!match) return
  yield* choiceFaults(`${path}.matchPolicy`, match.matchPolicy, ['Equivalent', 'Exact'])
  for (const field of ['namespaceSelector', 'objectSelector'] as const) {
    if (!match[field]) yield required(`${path}.${field}`)
    yield* labelSelectorFaults(`${path}.${field}`, match[field])
  }
  for (const field of ['resourceRules', 'excludeResourceRules'] as const) {
    for (const [index, rule] of (match[field] ?? []).entries()) {
      yield* resourceNamesFaults(`${path}.${field}[${index}].resourceNames`, rule.resourceNames)
      yield* ruleFaults(`${path}.${field}[${index}]`, rule)
    }
  }
}

function* resourceNamesFaults(path: string, given: readonly string[] = []): Faults {
  for (const [index, name] of given.entries()) {
    yield* pathSegmentFaults(`${path}[${index}]`, name)
    if (given.indexOf(name) < index) yield duplicate(`${path}[${index}]`, name)
  }
}

function* variablesFaults(path: string, variables: readonly Variable[] = [], environment: PolicyEnvironment): Faults {
  for (const [index, { name, expression }] of variables.entries()) {
    if (!name?.trim()) yield required(`${path}[${index}].name`, 'name is not specified')
    else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || reservedNames.has(name))
      yield invalidValue(`${path}[${index}].name`, name, 'must be a valid CEL identifier')
    if (!expression?.trim()) yield required(`${path}[${index}].expression`, 'expression is not specified')
    const compiled = environment.variables[index]?.compiled
    if (compiled) yield* expressionFaults(`${path}[${index}].expression`, expression, compiled)
  }
}

/** What both kinds of policy share. */
function* policyFaults(
  spec: NonNullable<ValidatingAdmissionPolicy['spec']> | NonNullable<MutatingAdmissionPolicy['spec']>,
  environment: PolicyEnvironment,
): Faults {
  yield* choiceFaults('spec.failurePolicy', spec.failurePolicy, failurePolicies)
  yield* paramKindFaults('spec.paramKind', spec.paramKind)
  if (!spec.matchConstraints) yield required('spec.matchConstraints')
  else {
    yield* matchFaults('spec.matchConstraints', spec.matchConstraints)
    if (!spec.matchConstraints.resourceRules?.length) yield required('spec.matchConstraints.resourceRules')
  }
  yield* matchConditionsFaults('spec.matchConditions', spec.matchConditions, environment)
  yield* variablesFaults('spec.variables', spec.variables, environment)
}

export function* validatingPolicyFaults({ metadata, spec }: ValidatingAdmissionPolicy): Faults {
  if (!spec) return
  const environment = new PolicyEnvironment(spec)
  yield* policyFaults(spec, environment)
  if (!spec.validations?.length && !spec.auditAnnotations?.length) {
    const why = 'validations or auditAnnotations must contain at least one item'
    yield required('spec.validations', why)
    yield required('spec.auditAnnotations', why)
  }
  for (const [index, one] of (spec.validations ?? []).entries()) yield* validationFaults(`spec.validations[${index}]`, one, environment)
  yield* auditFaults('spec.auditAnnotations', metadata.name, spec.auditAnnotations ?? [], environment)
}

function* validationFaults(
  path: string,
  { expression, message, messageExpression, reason }: Validation,
  environment: PolicyEnvironment,
): Faults {
  if (!expression?.trim()) yield required(`${path}.expression`, 'expression is not specified')
  else yield* expressionFaults(`${path}.expression`, expression, environment.condition(expression))
  if (messageExpression && !messageExpression.trim()) {
    yield invalidValue(`${path}.messageExpression`, messageExpression, 'must be non-empty if specified')
  } else if (messageExpression)
    yield* expressionFaults(`${path}.messageExpression`, messageExpression, environment.message(messageExpression))
  if (message && !message.trim()) yield invalidValue(`${path}.message`, message, 'must be non-empty if specified')
  else if (/[\n\r]/.test(message?.trim() ?? '')) yield invalidValue(`${path}.message`, message, 'must not contain line breaks')
  yield* optionalChoiceFaults(`${path}.reason`, reason, reasons)
}

function* auditFaults(path: string, policy: string, annotations: readonly AuditAnnotation[], environment: PolicyEnvironment): Faults {
  if (annotations.length > maxAnnotations)
    yield invalidValue(path, annotations, `must not have more than ${maxAnnotations} auditAnnotations`)
  const seen = new Set<string>()
  for (const [index, { key = '', valueExpression }] of annotations.entries()) {
    const at = `${path}[${index}]`
    yield* qualifiedNameFaults(`${at}.key`, `${policy}/${key}`)
    const expression = valueExpression?.trim() ?? ''
    if (!expression) yield required(`${at}.valueExpression`, 'valueExpression is not specified')
    else if (Buffer.byteLength(expression) > maxExpressionBytes) {
      yield required(`${at}.valueExpression`, `must not exceed ${maxExpressionBytes} bytes in length`)
    } else yield* expressionFaults(`${at}.valueExpression`, expression, environment.annotation(expression))
    if (seen.has(key)) yield duplicate(`${at}.key`, key)
    seen.add(key)
  }
}

/** What the controller that types expressions found. */
export function* validatingPolicyStatusFaults({ status }: ValidatingAdmissionPolicy): Faults {
  for (const [index, { warning, fieldRef }] of (status?.typeChecking?.expressionWarnings ?? []).entries()) {
    const path = `status.typeChecking.expressionWarnings[${index}]`
    if (!warning) yield required(`${path}.warning`)
    if (!fieldRef?.trim()) yield required(`${path}.fieldRef`)
  }
  yield* conditionsFaults('status.conditions', status?.conditions)
}

export function* mutatingPolicyFaults({ spec }: MutatingAdmissionPolicy): Faults {
  if (!spec) return
  const environment = new PolicyEnvironment(spec)
  yield* policyFaults(spec, environment)
  for (const { operations = [] } of spec.matchConstraints?.resourceRules ?? []) {
    for (const operation of operations) {
      if (!mutableOperations.includes(operation)) {
        yield notSupported('spec.matchConstraints.resourceRules.operations', operation, mutableOperations)
      }
    }
  }
  if (!spec.mutations?.length) yield required('spec.mutations', 'mutations must contain at least one item')
  for (const [index, one] of (spec.mutations ?? []).entries()) yield* mutationFaults(`spec.mutations[${index}]`, one, environment)
  if (!spec.reinvocationPolicy) yield required('spec.reinvocationPolicy')
  else if (!['IfNeeded', 'Never'].includes(spec.reinvocationPolicy)) {
    yield notSupported('spec.reinvocationPolicy', spec.reinvocationPolicy, ['IfNeeded', 'Never'])
  }
}

function* mutationFaults(path: string, mutation: Mutation, environment: PolicyEnvironment): Faults {
  const { patchType } = mutation
  if (!patchType) return yield required(`${path}.patchType`)
  if (patchType !== 'ApplyConfiguration' && patchType !== 'JSONPatch') {
    return yield notSupported(`${path}.patchType`, patchType, ['ApplyConfiguration', 'JSONPatch'])
  }
  const [field, other] =
    patchType === 'JSONPatch' ? (['jsonPatch', 'applyConfiguration'] as const) : (['applyConfiguration', 'jsonPatch'] as const)
  const expression = mutation[field]?.expression
  if (!mutation[field]) yield required(`${path}.${field}`, `must be specified when patchType is ${patchType}`)
  else if (!expression?.trim()) yield required(`${path}.${field}.expression`)
  else yield* expressionFaults(`${path}.${field}.expression`, expression, environment[field](expression))
  if (mutation[other]) yield invalidValue(`${path}.${other}`, `{${other}}`, `must not be specified when patchType is ${patchType}`)
}

function* paramRefFaults(path: string, { name, selector, parameterNotFoundAction }: ParamRef): Faults {
  const both = 'name and selector are mutually exclusive'
  if (name) yield* pathSegmentFaults(`${path}.name`, name)
  if (name && selector) yield forbiddenField(`${path}.name`, both)
  yield* labelSelectorFaults(`${path}.selector`, selector)
  if (name && selector) yield forbiddenField(`${path}.selector`, both)
  if (!name && !selector) yield required(path, 'one of name or selector must be specified')
  if (!parameterNotFoundAction) yield required(`${path}.parameterNotFoundAction`)
  else if (!['Allow', 'Deny'].includes(parameterNotFoundAction)) {
    yield notSupported(`${path}.parameterNotFoundAction`, parameterNotFoundAction, ['Deny', 'Allow'])
  }
}

export function* bindingFaults({ spec }: ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding): Faults {
  if (!spec?.policyName) yield required('spec.policyName')
  else yield* dnsSubdomainFaults('spec.policyName', spec.policyName)
  if (spec?.paramRef) yield* paramRefFaults('spec.paramRef', spec.paramRef)
  yield* matchFaults('spec.matchResources', spec?.matchResources)
}

export function* validationActionsFaults(given: readonly string[] | undefined): Faults {
  const path = 'spec.validationActions'
  if (!given?.length) return yield required(path, 'at least one validation action is required')
  for (const [index, action] of given.entries()) {
    if (!actions.includes(action)) yield notSupported(`${path}[${index}]`, action, actions)
    if (given.indexOf(action) < index) yield duplicate(`${path}[${index}]`, action)
  }
  if (given.includes('Deny') && given.includes('Warn')) {
    yield invalidValue(
      path,
      given,
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    )
  }
}
