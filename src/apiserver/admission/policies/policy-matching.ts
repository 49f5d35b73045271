import type { MatchResources, NamedRuleWithOperations, Namespace } from '../../../api/generated/types.ts'
import type { Kind } from '../../../api/kind.ts'
import { kinds, namespaces } from '../../../api/registry.ts'
import { labelSelectorMatcher } from '../../../machinery/label-selector.ts'
import { notFound } from '../../../machinery/status.ts'
import type { AdmissionFacts, AdmissionRequest } from '../plugin.ts'

type Asked = Pick<AdmissionRequest, 'kind' | 'operation' | 'subresource' | 'form' | 'namespace' | 'name' | 'object' | 'previous'>

const isNamespace = ({ group, plural }: { group: string; plural: string }): boolean => group === '' && plural === 'namespaces'

/** What policies call the subresource: none is an empty text. */
export const subresourceOf = ({ subresource, form }: Pick<Asked, 'subresource' | 'form'>): string => form?.subresource ?? subresource ?? ''

/** Namespaces are in themselves. */
export function namespaceOf({ kind, namespace, name }: Pick<Asked, 'kind' | 'namespace' | 'name'>): string {
  return namespace ?? (isNamespace(kind) ? name : '')
}

/** Policies and webhooks are never asked about policies and webhooks: a bad one could not be taken away again. */
export function isExempt({ kind }: Pick<Asked, 'kind'>): boolean {
  return kind.group === 'admissionregistration.k8s.io'
}

/**
 * As which kind the request concerns whoever asks for these: its own, or with the match policy Equivalent another form of
 * the same objects. Undefined: it does not. Throws a StatusError where the namespace is not there.
 */
export function matchedKind(match: MatchResources, request: Asked, facts: Pick<AdmissionFacts, 'get'>): Kind | undefined {
  if (!matchesObject(match, request)) return undefined
  const rules = (given: readonly NamedRuleWithOperations[] | undefined): Kind | undefined =>
    ruledKind(given ?? [], match.matchPolicy, request)
  if (rules(match.excludeResourceRules)) return undefined
  const kind = match.resourceRules?.length ? rules(match.resourceRules) : request.kind
  // Last, so that a namespace that is not there matters to those only who would have a say.
  return kind && matchesNamespace(match, request, facts) ? kind : undefined
}

function isEverything(selector: MatchResources['objectSelector']): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0
}

function matchesObject({ objectSelector }: MatchResources, { object, previous }: Asked): boolean {
  if (isEverything(objectSelector)) return true
  const matches = labelSelectorMatcher(objectSelector)
  return [object, previous].some((one) => one !== undefined && matches(one.metadata.labels))
}

function matchesNamespace({ namespaceSelector }: MatchResources, request: Asked, facts: Pick<AdmissionFacts, 'get'>): boolean {
  const name = namespaceOf(request)
  if ((name === '' && !isNamespace(request.kind)) || isEverything(namespaceSelector)) return true
  const isWritten = isNamespace(request.kind) && request.subresource === undefined && request.operation !== 'delete'
  const namespace = isWritten ? request.object : facts.get<Namespace>(namespaces, undefined, name)
  if (!namespace) throw notFound(namespaces, name)
  return labelSelectorMatcher(namespaceSelector)(namespace.metadata.labels)
}

function ruledKind(rules: readonly NamedRuleWithOperations[], policy: string | undefined, request: Asked): Kind | undefined {
  const forms = policy === 'Exact' ? [request.kind] : [request.kind, ...otherFormsOf(request.kind)]
  return forms.find((kind) => rules.some((rule) => ruleMatches(rule, kind, request)))
}

/** The same objects, served in another version or group. */
function otherFormsOf(kind: Kind): readonly Kind[] {
  const found = otherForms.get(kind.plural) ?? []
  return found.filter((form) => form.storedAs?.kind.group === kind.group && form.storedAs.kind.kind === kind.kind)
}

/** By the plural of what they are stored as. */
const otherForms: ReadonlyMap<string, readonly Kind[]> = Map.groupBy(
  (kinds as readonly Kind[]).filter(({ storedAs }) => storedAs !== undefined),
  ({ storedAs }) => storedAs?.kind.plural ?? '',
)

const has = (wanted: readonly string[] | undefined, given: string): boolean => (wanted ?? []).some((one) => one === '*' || one === given)

function ruleMatches(rule: NamedRuleWithOperations, kind: Kind, request: Asked): boolean {
  const isCluster = isNamespace(request.kind) || namespaceOf(request) === ''
  const scope = rule.scope ?? '*'
  return (
    (scope === '*' || (scope === 'Cluster') === isCluster) &&
    has(rule.operations, request.operation.toUpperCase()) &&
    has(rule.apiGroups, kind.group) &&
    has(rule.apiVersions, kind.version) &&
    (rule.resources ?? []).some((resource) => resourceMatches(resource, kind.plural, subresourceOf(request))) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(request.name))
  )
}

/** `pods`, `pods/exec`, `*` + `/scale`, `pods/*`: without a slash, no subresource is meant. */
function resourceMatches(pattern: string, plural: string, subresource: string): boolean {
  const [resource = '', ...rest] = pattern.split('/')
  const part = rest.join('/')
  return (resource === '*' || resource === plural) && (part === '*' || part === subresource)
}
