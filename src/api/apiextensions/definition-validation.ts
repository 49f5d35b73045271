import { forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dnsLabelFaults, dnsSubdomainFaults, type Faults, immutableFaults } from '../field-checks.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionVersion } from '../generated/types.ts'
import { structuralFaults } from './structural-schema.ts'

const scopes = ['Cluster', 'Namespaced']
const columnTypes = ['boolean', 'date', 'integer', 'number', 'string']

function* namesFaults(names: CustomResourceDefinitionNames): Faults {
  const path = 'spec.names'
  if (!names.plural) yield required(`${path}.plural`)
  else yield* dnsLabelFaults(`${path}.plural`, names.plural)
  if (names.singular) yield* dnsLabelFaults(`${path}.singular`, names.singular)
  if (!names.kind) yield required(`${path}.kind`)
  else {
    for (const { message } of dnsLabelFaults('', names.kind.toLowerCase())) {
      yield invalidValue(
        `${path}.kind`,
        names.kind,
        `may have mixed case, but should otherwise match: ${message.replace(/^Invalid value: "[^"]*": /, '')}`,
      )
    }
  }
  if (!names.listKind) yield required(`${path}.listKind`)
  else if (names.listKind === names.kind) yield invalidValue(`${path}.listKind`, names.listKind, 'kind and listKind may not be the same')
  for (const field of ['shortNames', 'categories'] as const) {
    for (const [index, name] of (names[field] ?? []).entries()) yield* dnsLabelFaults(`${path}.${field}[${index}]`, name)
  }
}

function* columnsFaults(path: string, version: CustomResourceDefinitionVersion): Faults {
  for (const [index, { name, type, jsonPath }] of (version.additionalPrinterColumns ?? []).entries()) {
    const at = `${path}.additionalPrinterColumns[${index}]`
    if (!name) yield required(`${at}.name`)
    if (!type) yield required(`${at}.type`, `must be one of ${columnTypes.join(',')}`)
    else if (!columnTypes.includes(type)) yield invalidValue(`${at}.type`, type, `must be one of ${columnTypes.join(',')}`)
    if (!jsonPath) yield required(`${at}.jsonPath`)
  }
}

function* versionFaults(path: string, version: CustomResourceDefinitionVersion): Faults {
  yield* dnsLabelFaults(`${path}.name`, version.name ?? '')
  const schema = version.schema?.openAPIV3Schema
  if (!schema) yield required(`${path}.schema.openAPIV3Schema`, 'schemas are required')
  else yield* structuralFaults(`${path}.schema.openAPIV3Schema`, schema)
  const { scale } = version.subresources ?? {}
  if (scale) {
    for (const [field, start] of Object.entries({ specReplicasPath: '.spec', statusReplicasPath: '.status' })) {
      const value = scale[field as 'specReplicasPath' | 'statusReplicasPath']
      if (!value) yield required(`${path}.subresources.scale.${field}`)
      else if (!value.startsWith(`${start}.`)) {
        yield invalidValue(`${path}.subresources.scale.${field}`, value, `should be a json path under ${start}`)
      }
    }
  }
  yield* columnsFaults(path, version)
}

function* versionsFaults(versions: readonly CustomResourceDefinitionVersion[]): Faults {
  const names = new Set<string>()
  let duplicated = false
  for (const [index, version] of versions.entries()) {
    if (names.has(version.name)) duplicated = true
    names.add(version.name)
    yield* versionFaults(`spec.versions[${index}]`, version)
  }
  if (duplicated) yield invalidValue('spec.versions', versions, 'must contain unique version names')
  if (versions.filter(({ storage }) => storage).length !== 1) {
    yield invalidValue('spec.versions', versions, 'must have exactly one version marked as storage version')
  }
}

function* conversionFaults({ spec }: CustomResourceDefinition): Faults {
  const { strategy, webhook } = spec.conversion ?? { strategy: '' }
  const path = 'spec.conversion'
  if (!strategy) yield required(`${path}.strategy`)
  else if (strategy !== 'None' && strategy !== 'Webhook') yield notSupported(`${path}.strategy`, strategy, ['None', 'Webhook'])
  if (strategy === 'None' && webhook) yield forbiddenField(`${path}.webhook`, 'should not be set when strategy is not set to Webhook')
  if (strategy !== 'Webhook') return
  if (!webhook?.clientConfig) yield required(`${path}.webhook.clientConfig`, 'required when strategy is set to Webhook')
  if (!webhook?.conversionReviewVersions?.length) yield required(`${path}.webhook.conversionReviewVersions`)
  if (spec.preserveUnknownFields) yield invalidValue(`${path}.strategy`, strategy, 'must be None if spec.preserveUnknownFields is true')
}

export function* definitionFaults(definition: CustomResourceDefinition): Faults {
  const { metadata, spec } = definition
  const expected = `${spec.names?.plural ?? ''}.${spec.group ?? ''}`
  if (metadata.name && metadata.name !== expected)
    yield invalidValue('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group')
  if (!spec.group) yield required('spec.group')
  else {
    yield* dnsSubdomainFaults('spec.group', spec.group)
    if (spec.group.split('.').length < 2) yield invalidValue('spec.group', spec.group, 'should be a domain with at least one dot')
  }
  if (!spec.scope) yield required('spec.scope')
  else if (!scopes.includes(spec.scope)) yield notSupported('spec.scope', spec.scope, scopes)
  if (spec.preserveUnknownFields) {
    yield invalidValue(
      'spec.preserveUnknownFields',
      true,
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
    )
  }
  yield* versionsFaults(spec.versions ?? [])
  yield* namesFaults(spec.names ?? ({} as CustomResourceDefinitionNames))
  yield* conversionFaults(definition)
}

/** What stored objects lie under does not change once the names have been accepted. */
export function* definitionUpdateFaults({ spec }: CustomResourceDefinition, previous: CustomResourceDefinition): Faults {
  yield* immutableFaults('spec.group', spec.group, previous.spec.group)
  yield* immutableFaults('spec.names.plural', spec.names.plural, previous.spec.names.plural)
  const established = previous.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True')
  if (established) {
    yield* immutableFaults('spec.scope', spec.scope, previous.spec.scope)
    yield* immutableFaults('spec.names.kind', spec.names.kind, previous.spec.names.kind)
  }
  for (const [index, name] of (previous.status?.storedVersions ?? []).entries()) {
    if (!spec.versions?.some((version) => version.name === name)) {
      const why = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`
      yield invalidValue(`status.storedVersions[${index}]`, name, why)
    }
  }
}
