import { duplicate, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsSubdomainFaults, type Faults, labelSelectorFaults, portNumberFaults, qualifiedNameFaults } from '../field-checks.ts'
import type {
  AdmissionregistrationV1WebhookClientConfig,
  MatchCondition,
  MutatingWebhook,
  RuleWithOperations,
  ValidatingWebhook,
} from '../generated/types.ts'

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']
const scopes = ['*', 'Cluster', 'Namespaced']
const knownReviews = ['v1', 'v1beta1']

/** `*` stands for all, and so for itself alone. */
function* wildcardFaults(path: string, values: readonly string[] | undefined, what: string): Faults {
  if (!values?.length) yield required(path)
  else if (values.includes('*') && values.length > 1) {
    yield invalidValue(path, values, `if '*' is present, must not specify other ${what}`)
  }
}

export function* ruleFaults(path: string, rule: RuleWithOperations): Faults {
  yield* wildcardFaults(`${path}.apiGroups`, rule.apiGroups, 'API groups')
  yield* wildcardFaults(`${path}.apiVersions`, rule.apiVersions, 'API versions')
  for (const [index, version] of (rule.apiVersions ?? []).entries()) if (!version) yield required(`${path}.apiVersions[${index}]`)
  if (!rule.resources?.length) yield required(`${path}.resources`)
  for (const [index, resource] of (rule.resources ?? []).entries()) if (!resource) yield required(`${path}.resources[${index}]`)
  if (rule.scope !== undefined && !scopes.includes(rule.scope)) yield notSupported(`${path}.scope`, rule.scope, scopes)
  yield* wildcardFaults(`${path}.operations`, rule.operations, 'operations')
  for (const [index, operation] of (rule.operations ?? []).entries()) {
    if (!operations.includes(operation)) yield notSupported(`${path}.operations[${index}]`, operation, operations)
  }
}

export function* matchConditionsFaults(path: string, conditions: readonly MatchCondition[] = []): Faults {
  const seen = new Set<string>()
  for (const [index, { name, expression }] of conditions.entries()) {
    const at = `${path}[${index}]`
    if (!expression) yield required(`${at}.expression`)
    if (!name) yield required(`${at}.name`)
    else yield* qualifiedNameFaults(`${at}.name`, name)
    if (seen.has(name)) yield duplicate(`${at}.name`, name)
    seen.add(name)
  }
}

/** Where a webhook is called: a Service of the cluster or an address of HTTPS. */
function* clientConfigFaults(path: string, config: AdmissionregistrationV1WebhookClientConfig | undefined): Faults {
  const { url, service } = config ?? {}
  if ((url === undefined) === (service === undefined)) {
    return yield required(path, 'exactly one of url or service is required')
  }
  if (url !== undefined) {
    const why = urlFault(url)
    if (why) yield invalidValue(`${path}.url`, url, why)
  }
  if (service) {
    if (!service.name) yield required(`${path}.service.name`, 'service name is required')
    if (!service.namespace) yield required(`${path}.service.namespace`, 'service namespace is required')
    for (const fault of portNumberFaults(`${path}.service.port`, service.port ?? 443)) {
      yield { ...fault, message: fault.message.replace('must be', 'port is not valid: must be') }
    }
    if (service.path !== undefined && !service.path.startsWith('/')) {
      yield invalidValue(`${path}.service.path`, service.path, "must start with a '/'")
    }
  }
}

const urlForm = '; desired format: https://host[/path]'

function urlFault(text: string): string | undefined {
  if (!URL.canParse(text)) return `url must be a valid URL${urlForm}`
  const url = new URL(text)
  if (url.protocol !== 'https:') return `'https' is the only allowed URL scheme${urlForm}`
  if (!url.host) return `host must be specified${urlForm}`
  if (url.username || url.password) return `user information is not permitted in the URL`
  if (url.hash) return 'fragments are not permitted in the URL'
  return url.search ? 'query parameters are not permitted in the URL' : undefined
}

function* webhookFaults(path: string, hook: ValidatingWebhook | MutatingWebhook): Faults {
  if (!hook.name) yield required(`${path}.name`)
  else {
    yield* dnsSubdomainFaults(`${path}.name`, hook.name)
    if (hook.name.split('.').length < 3) {
      yield invalidValue(`${path}.name`, hook.name, 'should be a domain with at least three segments separated by dots')
    }
  }
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
  yield* clientConfigFaults(`${path}.clientConfig`, hook.clientConfig)
  yield* matchConditionsFaults(`${path}.matchConditions`, hook.matchConditions)
  yield* reviewVersionFaults(`${path}.admissionReviewVersions`, hook.admissionReviewVersions)
  const again = 'reinvocationPolicy' in hook ? hook.reinvocationPolicy : undefined
  if (again !== undefined && again !== 'Never' && again !== 'IfNeeded') {
    yield notSupported(`${path}.reinvocationPolicy`, again, ['IfNeeded', 'Never'])
  }
}

function* reviewVersionFaults(path: string, versions: readonly string[] | undefined): Faults {
  if (!versions?.length) return yield required(path, `must specify one of ${knownReviews.join(', ')}`)
  const seen = new Set<string>()
  for (const [index, version] of versions.entries()) {
    if (seen.has(version)) yield invalidValue(`${path}[${index}]`, version, 'duplicate version')
    seen.add(version)
  }
  if (!versions.some((version) => knownReviews.includes(version))) {
    yield invalidValue(path, versions, `must include at least one of ${knownReviews.join(', ')}`)
  }
}

export function* webhooksFaults(webhooks: readonly (ValidatingWebhook | MutatingWebhook)[]): Faults {
  const seen = new Set<string>()
  for (const [index, hook] of webhooks.entries()) {
    yield* webhookFaults(`webhooks[${index}]`, hook)
    if (seen.has(hook.name)) yield duplicate(`webhooks[${index}].name`, hook.name)
    seen.add(hook.name)
  }
}
