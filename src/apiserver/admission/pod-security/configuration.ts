import { duplicate, type FieldError, invalidValue } from '../../../machinery/field-error.ts'
import { dnsLabelFaults, dnsSubdomainFaults } from '../../../machinery/names.ts'
import { configurationOf, decodeConfiguration, listOf, objectOf, refuseFaults, refuseUnknown, text } from '../../configuration-object.ts'
import { isLevel, type LevelVersion, levels, type Mode, modes, type Policy, parseVersion, privilegedPolicy } from './policy.ts'

/** What holds where a namespace's labels say nothing, and for whom nothing holds. */
export interface PodSecurityConfiguration {
  readonly defaults: Policy
  readonly exemptions: {
    readonly usernames: readonly string[]
    readonly namespaces: readonly string[]
    readonly runtimeClasses: readonly string[]
  }
}

export const privilegedForAll: PodSecurityConfiguration = {
  defaults: privilegedPolicy,
  exemptions: { usernames: [], namespaces: [], runtimeClasses: [] },
}

const type = {
  apiVersions: ['pod-security.admission.config.k8s.io/v1'],
  kind: 'PodSecurityConfiguration',
  schema: configurationOf('PodSecurityConfiguration', {
    defaults: objectOf(
      'PodSecurityDefaults',
      Object.fromEntries(
        modes.flatMap((mode) => [
          [mode, text],
          [`${mode}-version`, text],
        ]),
      ),
    ),
    exemptions: objectOf('PodSecurityExemptions', { usernames: listOf(text), namespaces: listOf(text), runtimeClasses: listOf(text) }),
  }),
}

/** Throws ConfigurationError with the paths of all that is wrong. */
export function podSecurityConfigurationOf(value: unknown): PodSecurityConfiguration {
  const { object, unknown } = decodeConfiguration<{
    defaults?: Readonly<Record<string, string>>
    exemptions?: Partial<PodSecurityConfiguration['exemptions']>
  }>(value, type)
  refuseUnknown(unknown)
  const faults: FieldError[] = []
  const given = object.defaults ?? {}
  const defaults = Object.fromEntries(modes.map((mode) => [mode, levelOf(mode, given, faults)])) as unknown as Policy
  const { usernames = [], namespaces = [], runtimeClasses = [] } = object.exemptions ?? {}
  faults.push(
    ...listFaults('exemptions.namespaces', namespaces, dnsLabelFaults),
    ...listFaults('exemptions.runtimeClasses', runtimeClasses, dnsSubdomainFaults),
    ...listFaults('exemptions.usernames', usernames, (name) => (name === '' ? ['username must not be empty'] : [])),
  )
  refuseFaults(faults)
  return { defaults, exemptions: { usernames, namespaces, runtimeClasses } }
}

function levelOf(mode: Mode, given: Readonly<Record<string, string>>, faults: FieldError[]): LevelVersion {
  const level = given[mode] || 'privileged'
  const version = given[`${mode}-version`] || 'latest'
  const parsed = parseVersion(version)
  if (!isLevel(level)) faults.push(invalidValue(`defaults.${mode}`, level, `must be one of ${levels.join(', ')}`))
  if (parsed === undefined) faults.push(invalidValue(`defaults.${mode}-version`, version, 'must be "latest" or "v1.x"'))
  return { level: isLevel(level) ? level : 'privileged', version: parsed ?? 'latest' }
}

function listFaults(path: string, values: readonly string[], faultsOf: (value: string) => readonly string[]): FieldError[] {
  return values.flatMap((value, index) => {
    const at = `${path}[${index}]`
    const faults = faultsOf(value)
    if (faults.length > 0) return [invalidValue(at, value, faults.join(', '))]
    return values.indexOf(value) < index ? [duplicate(at, value)] : []
  })
}
