import { duplicate, invalidValue, notSupported, required, tooMany } from '../../machinery/field-error.ts'
import * as names from '../../machinery/names.ts'
import { dns1035LabelFaults, type Faults, labelSelectorFaults, portNumberFaults, qualifiedNameFaults } from '../field-checks.ts'
import type {
  AdmissionregistrationV1WebhookClientConfig,
  MatchCondition,
  MutatingWebhook,
  RuleWithOperations,
  ValidatingWebhook,
} from '../generated/types.ts'
import { type Compiled, PolicyEnvironment } from './policy-expressions.ts'

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']
const scopes = ['*', 'Cluster', 'Namespaced']
const maxConditions = 64
const knownReviews = ['v1', 'v1beta1']

/** `*` stands for all, and so for itself alone. */
function* wildcardFaults(path: string, values: readonly string[] | undefined, what: string): Faults {
  if (!values?.length) yield required(path)
  else if (values.includes('*') && values.length > 1) {
    yield invalidValue(path, values, `if '*' is present, must not specify other ${what}`)
  }
}

/** `pods/*` stands for all of pods' subresources, `*` + `/scale` for those of all, `*` for all without any. */
function* resourcesFaults(path: string, resources: readonly string[] = []): Faults {
  if (resources.length === 0) yield required(path)
  const wholes = new Set<string>()
  const everywhere = new Set<string>()
  let isLastPlain = false
  for (const [index, text] of resources.entries()) {
    const at = `${path}[${index}]`
    if (!text) yield required(at)
    if (!text.includes('/')) {
      if (text) isLastPlain = text !== '*'
      continue
    }
    const resource = text.slice(0, text.indexOf('/'))
    const sub = text.slice(text.indexOf('/') + 1)
    if (wholes.has(resource)) yield invalidValue(at, text, `if '${resource}/*' is present, must not specify ${text}`)
    if (everywhere.has(sub)) yield invalidValue(at, text, `if '*/${sub}' is present, must not specify ${text}`)
    if (sub === '*') wholes.add(resource)
    if (resource === '*') everywhere.add(sub)
  }
  if (resources.length > 1 && resources.includes('*/*')) {
    yield invalidValue(path, resources, "if '*/*' is present, must not specify other resources")
  }
  if (resources.includes('*') && isLastPlain) {
    yield invalidValue(path, resources, "if '*' is present, must not specify other resources without subresources")
  }
}

export function* ruleFaults(path: string, rule: RuleWithOperations): Faults {
  yield* wildcardFaults(`${path}.operations`, rule.operations, 'operations')
  for (const [index, operation] of (rule.operations ?? []).entries()) {
    if (!operations.includes(operation)) yield notSupported(`${path}.operations[${index}]`, operation, operations)
  }
  yield* wildcardFaults(`${path}.apiGroups`, rule.apiGroups, 'API groups')
  yield* wildcardFaults(`${path}.apiVersions`, rule.apiVersions, 'API versions')
  for (const [index, version] of (rule.apiVersions ?? []).entries()) if (!version) yield required(`${path}.apiVersions[${index}]`)
  yield* resourcesFaults(`${path}.resources`, rule.resources)
  if (rule.scope !== undefined && !scopes.includes(rule.scope)) yield notSupported(`${path}.scope`, rule.scope, scopes)
}

/** An expression that would never run. */
export function* expressionFaults(path: string, expression: string | undefined, { fault }: Pick<Compiled, 'fault'>): Faults {
  if (expression?.trim() && fault !== undefined) yield invalidValue(path, expression, fault)
}

export function* matchConditionsFaults(
  path: string,
  conditions: readonly MatchCondition[] = [],
  environment: PolicyEnvironment = new PolicyEnvironment({}),
): Faults {
  const seen = new Set<string>()
  if (conditions.length > maxConditions) yield tooMany(path, conditions.length, maxConditions)
  for (const [index, { name, expression }] of conditions.entries()) {
    const at = `${path}[${index}]`
    if (!expression?.trim()) yield required(`${at}.expression`)
    else yield* expressionFaults(`${at}.expression`, expression, environment.condition(expression))
    if (!name) yield required(`${at}.name`)
    else yield* qualifiedNameFaults(`${at}.name`, name)
    if (name && seen.has(name)) yield duplicate(`${at}.name`, name)
    seen.add(name)
  }
}

/** Where a webhook is called: a Service of the cluster or an address of HTTPS. */
function* clientConfigFaults(path: string, config: AdmissionregistrationV1WebhookClientConfig | undefined): Faults {
  const { url, service } = config ?? {}
  if ((url === undefined) === (service === undefined)) {
    return yield required(path, 'exactly one of url or service is required')
  }
  if (url !== undefined) yield* urlFaults(`${path}.url`, url)
  if (service) {
    if (!service.name) yield required(`${path}.service.name`, 'service name is required')
    if (!service.namespace) yield required(`${path}.service.namespace`, 'service namespace is required')
    for (const fault of portNumberFaults(`${path}.service.port`, service.port ?? 443)) {
      yield { ...fault, message: fault.message.replace('must be', 'port is not valid: must be') }
    }
    yield* servicePathFaults(`${path}.service.path`, service.path)
  }
}

function* servicePathFaults(at: string, path: string | undefined): Faults {
  if (!path || path === '/') return
  if (path === '//') return yield invalidValue(at, path, 'segment[0] may not be empty')
  if (!path.startsWith('/')) yield invalidValue(at, path, "must start with a '/'")
  for (const [index, segment] of path.slice(1).replace(/\/$/, '').split('/').entries()) {
    if (!segment) yield invalidValue(at, path, `segment[${index}] may not be empty`)
    else for (const why of names.dnsSubdomainFaults(segment)) yield invalidValue(at, path, `segment[${index}]: ${why}`)
  }
}

const urlForm = '; desired format: https://host[/path]'

/** Each part is told by itself. */
function* urlFaults(path: string, text: string): Faults {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(text) ?? [undefined, '', text]
  const whole = /^(?:\/\/([^/?#]*))?[^?#]*(?:\?([^#]*))?(?:#(.*))?$/s.exec(rest)
  const [, authority = '', query = '', fragment = ''] = whole ?? []
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  if (!URL.canParse(text) && scheme && host) return yield required(path, `url must be a valid URL${urlForm}`)
  if (scheme.toLowerCase() !== 'https') yield invalidValue(path, scheme.toLowerCase(), `'https' is the only allowed URL scheme${urlForm}`)
  if (!host) yield invalidValue(path, host, `host must be specified${urlForm}`)
  if (authority.includes('@')) {
    yield invalidValue(path, authority.slice(0, authority.lastIndexOf('@')), 'user information is not permitted in the URL')
  }
  if (fragment) yield invalidValue(path, fragment, 'fragments are not permitted in the URL')
  if (query) yield invalidValue(path, query, 'query parameters are not permitted in the URL')
}

/** `example.com/hook`: a name that nobody else gives. */
function* fullNameFaults(path: string, name: string): Faults {
  if (!name) return yield required(path)
  const faults = names.dnsSubdomainFaults(name)
  if (faults.length > 0) yield invalidValue(path, name, faults.join(','))
  else if (name.split('.').length < 3) {
    yield invalidValue(path, name, 'should be a domain with at least three segments separated by dots')
  }
}

function* webhookFaults(path: string, hook: ValidatingWebhook | MutatingWebhook): Faults {
  yield* fullNameFaults(`${path}.name`, hook.name ?? '')
  for (const [index, rule] of (hook.rules ?? []).entries()) yield* ruleFaults(`${path}.rules[${index}]`, rule)
  const choices = { failurePolicy: ['Fail', 'Ignore'], matchPolicy: ['Equivalent', 'Exact'] } as const
  for (const field of ['failurePolicy', 'matchPolicy'] as const) {
    const value = hook[field]
    if (value !== undefined && !(choices[field] as readonly string[]).includes(value))
      yield notSupported(`${path}.${field}`, value, choices[field])
  }
  const effects = ['None', 'NoneOnDryRun']
  if (!hook.sideEffects) yield required(`${path}.sideEffects`, `must specify one of ${effects.join(', ')}`)
  else if (!effects.includes(hook.sideEffects)) yield notSupported(`${path}.sideEffects`, hook.sideEffects, effects)
  const { timeoutSeconds: timeout } = hook
  if (timeout !== undefined && (timeout < 1 || timeout > 30)) {
    yield invalidValue(`${path}.timeoutSeconds`, timeout, 'the timeout value must be between 1 and 30 seconds')
  }
  yield* labelSelectorFaults(`${path}.namespaceSelector`, hook.namespaceSelector)
  yield* labelSelectorFaults(`${path}.objectSelector`, hook.objectSelector)
  const again = 'reinvocationPolicy' in hook ? hook.reinvocationPolicy : undefined
  if (again !== undefined && again !== 'Never' && again !== 'IfNeeded') {
    yield notSupported(`${path}.reinvocationPolicy`, again, ['IfNeeded', 'Never'])
  }
  yield* clientConfigFaults(`${path}.clientConfig`, hook.clientConfig)
  yield* matchConditionsFaults(`${path}.matchConditions`, hook.matchConditions)
  yield* reviewVersionFaults(`${path}.admissionReviewVersions`, hook.admissionReviewVersions)
}

function* reviewVersionFaults(path: string, versions: readonly string[] | undefined): Faults {
  if (!versions?.length) return yield required(path, `must specify one of ${knownReviews.join(', ')}`)
  const seen = new Set<string>()
  for (const [index, version] of versions.entries()) {
    if (seen.has(version)) {
      yield invalidValue(`${path}[${index}]`, version, 'duplicate version')
      continue
    }
    seen.add(version)
    yield* dns1035LabelFaults(`${path}[${index}]`, version)
  }
  if (!versions.some((version) => knownReviews.includes(version))) {
    yield invalidValue(path, versions, `must include at least one of ${knownReviews.join(', ')}`)
  }
}

export function* webhooksFaults(webhooks: readonly (ValidatingWebhook | MutatingWebhook)[]): Faults {
  const seen = new Set<string>()
  for (const [index, hook] of webhooks.entries()) {
    yield* webhookFaults(`webhooks[${index}]`, hook)
    if (hook.name && seen.has(hook.name)) yield duplicate(`webhooks[${index}].name`, hook.name)
    seen.add(hook.name)
  }
}
