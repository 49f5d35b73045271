import { type FieldError, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { ageColumn, column, nameColumn, none } from '../columns.ts'
import { defineKind } from '../define-kind.ts'
import { dnsSubdomainFaults, type Faults } from '../field-checks.ts'
import type { FlowSchema, FlowSchemaSpec, PolicyRulesWithSubjects } from '../generated/types.ts'
import { allMetadata } from '../kind.ts'

const maxPrecedence = 10_000
const neededOfResources = {
  verbs: 'verbs must contain at least one value',
  apiGroups: 'resource rules must supply at least one api group',
  resources: 'resource rules must supply at least one resource',
}
const distinguishers = ['ByNamespace', 'ByUser']

function* ruleFaults(path: string, { subjects, resourceRules, nonResourceRules }: PolicyRulesWithSubjects): Faults {
  if (!subjects?.length) yield required(`${path}.subjects`, 'subjects must contain at least one value')
  for (const [index, { kind, user, group, serviceAccount }] of (subjects ?? []).entries()) {
    const at = `${path}.subjects[${index}]`
    const wanted = { User: user, Group: group, ServiceAccount: serviceAccount }[kind]
    if (!['User', 'Group', 'ServiceAccount'].includes(kind)) yield notSupported(`${at}.kind`, kind, ['Group', 'ServiceAccount', 'User'])
    else if (!wanted) {
      const field = `${kind.charAt(0).toLowerCase()}${kind.slice(1)}`
      yield required(`${at}.${field}`, `${field} is required when subject kind is '${kind}'`)
    }
  }
  if (!resourceRules?.length && !nonResourceRules?.length) {
    yield required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty')
  }
  for (const [index, rule] of (resourceRules ?? []).entries()) {
    const at = `${path}.resourceRules[${index}]`
    for (const [field, why] of Object.entries(neededOfResources)) if (!rule[field as 'verbs']?.length) yield required(`${at}.${field}`, why)
    if (!rule.namespaces?.length && !rule.clusterScope) {
      yield required(`${at}.namespaces`, 'resource rules that are not cluster scoped must supply at least one namespace')
    }
  }
  for (const [index, rule] of (nonResourceRules ?? []).entries()) {
    const at = `${path}.nonResourceRules[${index}]`
    if (!rule.verbs?.length) yield required(`${at}.verbs`, neededOfResources.verbs)
    if (!rule.nonResourceURLs?.length) yield required(`${at}.nonResourceURLs`, 'nonResourceURLs must contain at least one value')
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
})
