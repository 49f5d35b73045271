import { type FieldError, forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsLabelFaults as labelFaults } from '../../machinery/names.ts'
import { ageColumn, column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { dnsLabelFaults, dnsSubdomainFaults, type Faults } from '../field-checks.ts'
import type {
  FlowcontrolV1Subject,
  FlowSchema,
  FlowSchemaSpec,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  ServiceAccountSubject,
} from '../generated/types.ts'
import { allMetadata } from '../kind.ts'
import { levelConditionsFaults } from './condition-validation.ts'

const maxPrecedence = 10_000
const neededOfResources = [
  ['apiGroups', 'resource rules must supply at least one api group', 'api groups'],
  ['resources', 'resource rules must supply at least one resource', 'resources'],
] as const
const distinguishers = ['ByNamespace', 'ByUser']

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch']
const kinds = ['Group', 'ServiceAccount', 'User'] as const
const fieldOf = { Group: 'group', ServiceAccount: 'serviceAccount', User: 'user' } as const

function* accountFaults(path: string, { name, namespace }: ServiceAccountSubject): Faults {
  if (!name) yield required(`${path}.name`)
  else if (name !== '*') yield* dnsSubdomainFaults(`${path}.name`, name)
  if (namespace) yield* dnsLabelFaults(`${path}.namespace`, namespace)
  else yield required(`${path}.namespace`, 'must specify namespace for service account')
}

function* subjectFaults(path: string, subject: FlowcontrolV1Subject): Faults {
  const kind = kinds.find((one) => one === subject.kind)
  if (!kind) return yield notSupported(`${path}.kind`, subject.kind, kinds)
  const field = fieldOf[kind]
  if (!subject[field]) yield required(`${path}.${field}`, `${field} is required when subject kind is '${kind}'`)
  else if (field === 'serviceAccount') yield* accountFaults(`${path}.${field}`, subject.serviceAccount as ServiceAccountSubject)
  else if (!subject[field].name) yield required(`${path}.${field}.name`)
  for (const other of ['ServiceAccount', 'User', 'Group'] as const) {
    const name = fieldOf[other]
    if (other !== kind && subject[name]) yield forbiddenField(`${path}.${name}`, `${name} is forbidden when subject kind is not '${other}'`)
  }
}

function* loneWildcardFaults(path: string, values: readonly string[], what: string): Faults {
  if (values.length > 1 && values.includes('*')) yield invalidValue(path, values, `if '*' is present, must not specify other ${what}`)
}

function* verbsFaults(path: string, given: readonly string[] = []): Faults {
  if (given.length === 0) yield required(path, 'verbs must contain at least one value')
  else if (given.includes('*')) yield* loneWildcardFaults(path, given, 'verbs')
  else if (!given.every((verb) => verbs.includes(verb))) yield notSupported(path, given, verbs)
}

function* urlsFaults(path: string, urls: readonly string[] = []): Faults {
  if (urls.length === 0) return yield required(path, 'nonResourceURLs must contain at least one value')
  if (urls.includes('*')) return yield* loneWildcardFaults(path, urls, 'non-resource URLs')
  for (const [index, url] of urls.entries()) {
    const why = urlFault(url)
    if (why) yield invalidValue(`${path}[${index}]`, url, why)
  }
}

function urlFault(url: string): string | undefined {
  if (url === '') return 'must not be empty'
  if (!url.startsWith('/')) return 'must start with slash'
  if (url.includes(' ')) return 'must not contain white-space'
  if (url.includes('//')) return 'must not contain double slash'
  const stars = url.split('*').length - 1
  return stars > 1 || (stars === 1 && !url.endsWith('/*')) ? 'wildcard can only do suffix matching' : undefined
}

function* resourceRuleFaults(path: string, rule: ResourcePolicyRule): Faults {
  yield* verbsFaults(`${path}.verbs`, rule.verbs)
  for (const [field, why, what] of neededOfResources) {
    if (!rule[field]?.length) yield required(`${path}.${field}`, why)
    else yield* loneWildcardFaults(`${path}.${field}`, rule[field], what)
  }
  const namespaces = rule.namespaces ?? []
  const at = `${path}.namespaces`
  if (namespaces.length === 0 && !rule.clusterScope) {
    yield required(at, 'resource rules that are not cluster scoped must supply at least one namespace')
  } else if (namespaces.includes('*')) yield* loneWildcardFaults(at, namespaces, 'namespaces')
  else
    for (const [index, name] of namespaces.entries()) {
      for (const why of labelFaults(name)) {
        yield invalidValue(`${at}[${index}]`, name, `each member of this list must be '*' or a DNS-1123 label; ${why}`)
      }
    }
}

function* ruleFaults(path: string, { subjects = [], resourceRules = [], nonResourceRules = [] }: PolicyRulesWithSubjects): Faults {
  if (subjects.length === 0) yield required(`${path}.subjects`, 'subjects must contain at least one value')
  for (const [index, subject] of subjects.entries()) yield* subjectFaults(`${path}.subjects[${index}]`, subject)
  if (resourceRules.length + nonResourceRules.length === 0) {
    yield required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty')
  }
  for (const [index, rule] of resourceRules.entries()) yield* resourceRuleFaults(`${path}.resourceRules[${index}]`, rule)
  for (const [index, rule] of nonResourceRules.entries()) {
    yield* verbsFaults(`${path}.nonResourceRules[${index}].verbs`, rule.verbs)
    yield* urlsFaults(`${path}.nonResourceRules[${index}].nonResourceURLs`, rule.nonResourceURLs)
  }
}

function* schemaFaults({ metadata, spec }: FlowSchema): Faults {
  const precedence = spec.matchingPrecedence ?? 0
  if (precedence <= 0) yield invalidValue('spec.matchingPrecedence', precedence, 'must be a positive value')
  if (precedence > maxPrecedence) yield invalidValue('spec.matchingPrecedence', precedence, `must not be greater than ${maxPrecedence}`)
  if (precedence === 1 && metadata.name !== 'exempt')
    yield invalidValue('spec.matchingPrecedence', precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
  const type = spec.distinguisherMethod?.type
  if (spec.distinguisherMethod && !distinguishers.includes(type ?? '')) {
    yield notSupported('spec.distinguisherMethod.type', spec.distinguisherMethod, distinguishers)
  }
  const level = spec.priorityLevelConfiguration?.name
  if (!level) yield required('spec.priorityLevelConfiguration.name', 'must reference a priority level')
  else yield* dnsSubdomainFaults('spec.priorityLevelConfiguration.name', level)
  for (const [index, rule] of (spec.rules ?? []).entries()) yield* ruleFaults(`spec.rules[${index}]`, rule)
}

export const flowSchemas = defineKind<FlowSchema>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  namespaced: false,
  hasStatus: true,
  statusKeeps: allMetadata,
  countsGeneration: true,
  columns: [
    nameColumn,
    column('PriorityLevel', 'string', 'The level of its requests.', ({ spec }) => spec?.priorityLevelConfiguration?.name ?? ''),
    column('MatchingPrecedence', 'string', 'Lower ones are asked first.', ({ spec }) => spec?.matchingPrecedence ?? 0),
    column('DistinguisherMethod', 'string', 'What tells its flows apart.', ({ spec }) => spec?.distinguisherMethod?.type ?? none),
    ageColumn,
    column(
      'MissingPL',
      'string',
      'Whether there is no such level.',
      ({ status }) => status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?',
    ),
  ],
  setDefaults: (schema) => {
    schema.spec ??= {} as FlowSchemaSpec
    schema.spec.matchingPrecedence ||= 1000
  },
  validate: (schema): FieldError[] => [...schemaFaults(schema as FlowSchema & { spec: FlowSchemaSpec })],
  validateStatusUpdate: ({ status }): FieldError[] => [...levelConditionsFaults(status?.conditions)],
})
