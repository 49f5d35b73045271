import type { UserInfo } from '../../machinery/api-request.ts'
import { type FieldError, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsSubdomainFaults } from '../../machinery/names.ts'
import {
  ConfigurationError,
  configurationOf,
  flag,
  listOf,
  objectOf,
  readConfiguration,
  refuseFaults,
  text,
} from '../configuration-object.ts'
import type { ResourceRoute, Route } from '../route.ts'

const levels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const
const stages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const
export type AuditLevel = (typeof levels)[number]
export type AuditStage = (typeof stages)[number]

interface GroupResources {
  readonly group?: string
  readonly resources?: readonly string[]
  readonly resourceNames?: readonly string[]
}

interface PolicyRule {
  readonly level?: AuditLevel
  readonly users?: readonly string[]
  readonly userGroups?: readonly string[]
  readonly verbs?: readonly string[]
  readonly resources?: readonly GroupResources[]
  readonly namespaces?: readonly string[]
  readonly nonResourceURLs?: readonly string[]
  readonly omitStages?: readonly AuditStage[]
  readonly omitManagedFields?: boolean
}

/** audit.k8s.io/v1 Policy (https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/). */
export interface AuditPolicy {
  readonly rules: readonly PolicyRule[]
  readonly omitStages?: readonly AuditStage[]
  readonly omitManagedFields?: boolean
}

/** What is told of one request. */
export interface AuditDecision {
  readonly level: AuditLevel
  readonly omitStages: ReadonlySet<AuditStage>
  readonly omitManagedFields: boolean
}

const texts = listOf(text)
const schema = configurationOf('Policy', {
  rules: listOf(
    objectOf('PolicyRule', {
      level: text,
      users: texts,
      userGroups: texts,
      verbs: texts,
      resources: listOf(objectOf('GroupResources', { group: text, resources: texts, resourceNames: texts })),
      namespaces: texts,
      nonResourceURLs: texts,
      omitStages: texts,
      omitManagedFields: flag,
    }),
  ),
  omitStages: texts,
  omitManagedFields: flag,
})

/** Throws ConfigurationError with the paths of all fields that are wrong; unknown fields are only told, as upstream does. */
export async function readAuditPolicy(content: string): Promise<{ policy: AuditPolicy; unknown: readonly string[] }> {
  const { object, unknown } = await readConfiguration<Partial<AuditPolicy>>(content, {
    apiVersions: ['audit.k8s.io/v1'],
    kind: 'Policy',
    schema,
  })
  const rules = object.rules ?? []
  refuseFaults([...stageFaults('omitStages', object.omitStages), ...rules.flatMap((rule, index) => ruleFaults(`rules[${index}]`, rule))])
  if (rules.length === 0) throw new ConfigurationError('loaded illegal policy with 0 rules')
  return { policy: { ...object, rules }, unknown }
}

function ruleFaults(path: string, rule: PolicyRule): FieldError[] {
  const { level, nonResourceURLs: urls = [], resources = [], namespaces = [] } = rule
  const mixed = urls.length > 0 && (resources.length > 0 || namespaces.length > 0)
  return [
    ...(level ? [] : [required(`${path}.level`)]),
    ...(level && !levels.includes(level) ? [notSupported(`${path}.level`, level, levels)] : []),
    ...urls.flatMap((url, index) => urlFaults(`${path}.nonResourceURLs[${index}]`, url)),
    ...resources.flatMap((each) => resourceFaults(`${path}.resources`, each)),
    ...stageFaults(`${path}.omitStages`, rule.omitStages),
    ...(mixed ? [invalidValue(`${path}.nonResourceURLs`, urls, 'rules cannot apply to both regular resources and non-resource URLs')] : []),
  ]
}

function urlFaults(path: string, url: string): FieldError[] {
  if (url === '*') return []
  return [
    ...(url.startsWith('/') ? [] : [invalidValue(path, url, "non-resource URL rules must begin with a '/' character")]),
    ...(url.slice(0, -1).includes('*')
      ? [invalidValue(path, url, "non-resource URL wildcards '*' must be the final character of the rule")]
      : []),
  ]
}

function resourceFaults(path: string, { group = '', resources = [], resourceNames = [] }: GroupResources): FieldError[] {
  const faults = group === '' || group === '*' ? [] : dnsSubdomainFaults(group)
  return [
    ...(faults.length > 0 ? [invalidValue(`${path}.group`, group, faults.join(','))] : []),
    ...(resourceNames.length > 0 && resources.length === 0
      ? [invalidValue(`${path}.resourceNames`, resourceNames, 'using resourceNames requires at least one resource')]
      : []),
  ]
}

function stageFaults(path: string, omitted: readonly AuditStage[] = []): FieldError[] {
  return omitted.flatMap((stage, index) =>
    stages.includes(stage) ? [] : [invalidValue(`${path}[${index}]`, stage, `allowed stages are ${stages.join(',')}`)],
  )
}

/** The first rule that matches decides; none: nothing is told. */
export class AuditRules {
  readonly #rules: readonly { readonly rule: PolicyRule; readonly decision: AuditDecision }[]
  readonly #otherwise: AuditDecision

  constructor({ rules, omitStages = [], omitManagedFields = false }: AuditPolicy) {
    this.#rules = rules.map((rule) => ({
      rule,
      decision: {
        level: rule.level as AuditLevel,
        omitStages: new Set([...omitStages, ...(rule.omitStages ?? [])]),
        omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
      },
    }))
    this.#otherwise = { level: 'None', omitStages: new Set(omitStages), omitManagedFields }
  }

  decide(user: UserInfo, route: Route): AuditDecision {
    return this.#rules.find(({ rule }) => matches(rule, user, route))?.decision ?? this.#otherwise
  }
}

const allows = (list: readonly string[] | undefined, value: string): boolean => !list?.length || list.includes(value)

function matches(rule: PolicyRule, user: UserInfo, route: Route): boolean {
  if (!allows(rule.users, user.name) || !allows(rule.verbs, route.verb)) return false
  if (rule.userGroups?.length && !user.groups.some((group) => rule.userGroups?.includes(group))) return false
  if (rule.namespaces?.length || rule.resources?.length) return route.type === 'resource' && matchesResource(rule, route)
  if (!rule.nonResourceURLs?.length) return true
  return route.type === 'path' && rule.nonResourceURLs.some((url) => matchesPath(url, route.path))
}

function matchesPath(pattern: string, path: string): boolean {
  return pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)))
}

function matchesResource({ namespaces, resources }: PolicyRule, route: ResourceRoute): boolean {
  // What is in no namespace is of the empty one.
  if (!allows(namespaces, route.namespace ?? '')) return false
  if (!resources?.length) return true
  const { plural, subresource, name = '' } = route
  const whole = subresource ? `${plural}/${subresource}` : plural
  return resources.some(({ group = '', resources: named = [], resourceNames }) => {
    if (group !== route.group && group !== '*') return false
    if (named.length === 0) return true
    if (!allows(resourceNames, name)) return false
    return named.some(
      (one) => one === whole || one === '*' || one === `${plural}/*` || (subresource !== undefined && one === `*/${subresource}`),
    )
  })
}
