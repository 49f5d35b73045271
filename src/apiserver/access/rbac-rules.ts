import type { PolicyRule } from '../../api/generated/types.ts'
import type { Route } from '../route.ts'

/**
 * What one rule of a Role or ClusterRole grants, and which rules go beyond others
 * (https://kubernetes.io/docs/reference/access-authn-authz/rbac/). Rules only ever allow.
 */
export function ruleAllows(rule: PolicyRule, route: Route): boolean {
  if (!holds(rule.verbs, route.verb)) return false
  if (route.type === 'path') return (rule.nonResourceURLs ?? []).some((url) => pathMatches(url, route.path))
  const names = rule.resourceNames ?? []
  return (
    holds(rule.apiGroups ?? [], route.group) &&
    (rule.resources ?? []).some((resource) => resourceMatches(resource, resourceText(route))) &&
    (names.length === 0 || (route.name !== undefined && names.includes(route.name)))
  )
}

const holds = (list: readonly string[], value: string): boolean => list.includes('*') || list.includes(value)

function resourceText({ plural, subresource }: { plural: string; subresource: string | undefined }): string {
  return subresource === undefined ? plural : `${plural}/${subresource}`
}

/** `*` is every resource with its subresources, and with a slash behind it one subresource of every resource. */
function resourceMatches(granted: string, asked: string): boolean {
  if (granted === '*' || granted === asked) return true
  return granted.startsWith('*/') && asked.slice(asked.indexOf('/')) === granted.slice(1)
}

function pathMatches(granted: string, asked: string): boolean {
  if (granted === '*' || granted === asked) return true
  return granted.endsWith('*') && asked.startsWith(granted.slice(0, -1))
}

/** The rules of `wanted`, taken apart into single grants, that `owned` does not hold: nobody hands out more than they have. */
export function missingRules(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(singleGrants).filter((grant) => !owned.some((rule) => ruleCovers(rule, grant)))
}

/** One verb on one resource of one group (and of one name) each, or one verb on one path. */
function singleGrants({ verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }: PolicyRule): PolicyRule[] {
  const names = resourceNames.length === 0 ? [undefined] : resourceNames
  return verbs.flatMap((verb) => [
    ...apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        names.map((name) => ({
          verbs: [verb],
          apiGroups: [group],
          resources: [resource],
          ...(name === undefined ? {} : { resourceNames: [name] }),
        })),
      ),
    ),
    ...nonResourceURLs.map((url) => ({ verbs: [verb], nonResourceURLs: [url] })),
  ])
}

function ruleCovers(rule: PolicyRule, grant: PolicyRule): boolean {
  const every = (asked: readonly string[] = [], test: (one: string) => boolean): boolean => asked.every(test)
  const names = rule.resourceNames ?? []
  const grantNames = grant.resourceNames ?? []
  const sameSort = (grant.resources ? rule.resources : rule.nonResourceURLs)?.length
  return (
    Boolean(sameSort) &&
    every(grant.verbs, (verb) => holds(rule.verbs, verb)) &&
    every(grant.apiGroups, (group) => holds(rule.apiGroups ?? [], group)) &&
    every(grant.resources, (asked) => (rule.resources ?? []).some((resource) => resourceMatches(resource, asked))) &&
    every(grant.nonResourceURLs, (asked) => (rule.nonResourceURLs ?? []).some((url) => pathMatches(url, asked))) &&
    (names.length === 0 || (grantNames.length > 0 && every(grantNames, (name) => names.includes(name))))
  )
}

/** Single grants that differ in their verb alone, as one rule each: for messages that people read. */
export function gatherVerbs(grants: readonly PolicyRule[]): PolicyRule[] {
  const byPlace = new Map<string, { rule: PolicyRule; verbs: string[] }>()
  for (const { verbs, ...place } of grants) {
    const key = JSON.stringify(place)
    const known = byPlace.get(key)
    if (known) known.verbs.push(...verbs)
    else byPlace.set(key, { rule: { ...place, verbs: [] }, verbs: [...verbs] })
  }
  return [...byPlace.values()].map(({ rule, verbs }) => ({ ...rule, verbs }))
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`: as upstream writes a rule in its messages. */
export function ruleText({ apiGroups, resources, nonResourceURLs, resourceNames, verbs }: PolicyRule): string {
  const parts = [
    ['APIGroups', apiGroups],
    ['Resources', resources],
    ['NonResourceURLs', nonResourceURLs],
    ['ResourceNames', resourceNames],
    ['Verbs', verbs],
  ] as const
  return `{${parts.flatMap(([name, list]) => (list?.length ? [`${name}:${quotedList(list)}`] : [])).join(', ')}}`
}

/** `["a" "b"]` */
export function quotedList(list: readonly string[]): string {
  return `[${list.map((each) => JSON.stringify(each)).join(' ')}]`
}
