import {
  anything,
  ConfigurationError,
  configurationOf,
  decoded,
  listOf,
  objectOf,
  readConfiguration,
  refuseUnknown,
  text,
} from '../configuration-object.ts'
import { type AdmissionPlugins, defaultPlugins } from './admission.ts'
import { allPlugins, notHere, offByDefault } from './admission-plugins.ts'
import { parseLabelMap } from './label-map.ts'
import type { AdmissionPlugin } from './plugin.ts'
import { podNodeSelector } from './pod-node-selector.ts'
import { podSecurityConfigurationOf } from './pod-security/configuration.ts'
import { podSecurity } from './pod-security/pod-security.ts'

export interface AdmissionChoice {
  readonly enable: readonly string[]
  readonly disable: readonly string[]
  /** Of AdmissionConfiguration, by the plug-in's name. */
  readonly configurations: ReadonlyMap<string, unknown>
}

const known = new Set(allPlugins.map(({ name }) => name))

/** Throws ConfigurationError for names that upstream does not know, and for plug-ins that are not here and were asked for. */
export function chosenPlugins({ enable, disable, configurations }: AdmissionChoice): AdmissionPlugins {
  if (enable.length + disable.length + configurations.size === 0) return defaultPlugins
  const both = enable.filter((name) => disable.includes(name))
  const faults = [
    ...enable
      .filter((name) => !known.has(name) && !notHere.has(name))
      .map((name) => `enable-admission-plugins plugin "${name}" is unknown`),
    ...disable
      .filter((name) => !known.has(name) && !notHere.has(name))
      .map((name) => `disable-admission-plugins plugin "${name}" is unknown`),
    ...enable.filter((name) => notHere.has(name)).map((name) => `enable-admission-plugins plugin "${name}" is not in this server`),
    ...(both.length > 0 ? [`[${both.join(' ')}] in enable-admission-plugins and disable-admission-plugins overlapped`] : []),
  ]
  if (faults.length > 0) throw new ConfigurationError(faults.join('\n'))
  return allPlugins
    .filter(({ name }) => enable.includes(name) || !(offByDefault.has(name) || disable.includes(name)))
    .map((plugin) => (configurations.has(plugin.name) ? configured(plugin, configurations.get(plugin.name)) : plugin))
}

function configured(plugin: AdmissionPlugin, configuration: unknown): AdmissionPlugin {
  try {
    if (plugin.name === 'PodSecurity') return podSecurity(podSecurityConfigurationOf(configuration))
    if (plugin.name === 'PodNodeSelector') return podNodeSelector(nodeSelectorsOf(configuration))
  } catch (error) {
    if (error instanceof ConfigurationError) {
      throw new ConfigurationError(`failed to initialize admission plugin ${JSON.stringify(plugin.name)}: ${error.message}`, {
        cause: error,
      })
    }
    throw error
  }
  throw new ConfigurationError(`admission plugin ${JSON.stringify(plugin.name)} takes no configuration here`)
}

const schema = configurationOf('AdmissionConfiguration', {
  plugins: listOf(objectOf('AdmissionPluginConfiguration', { name: text, path: text, configuration: anything })),
})

/**
 * apiserver.config.k8s.io/v1 AdmissionConfiguration: by name what each plug-in is told. `parsedFile` reads a file that it leads to, and
 * throws ConfigurationError.
 */
export async function readAdmissionConfiguration(
  content: string,
  parsedFile: (path: string) => Promise<unknown>,
): Promise<ReadonlyMap<string, unknown>> {
  const { object, unknown } = await readConfiguration<{ plugins?: readonly { name?: string; path?: string; configuration?: unknown }[] }>(
    content,
    { apiVersions: ['apiserver.config.k8s.io/v1'], kind: 'AdmissionConfiguration', schema },
  )
  refuseUnknown(unknown)
  const configurations = new Map<string, unknown>()
  for (const { name = '', path, configuration } of object.plugins ?? []) {
    // The first of a name counts, as upstream.
    if (configurations.has(name)) continue
    if (configuration !== undefined && configuration !== null) configurations.set(name, configuration)
    else if (path) configurations.set(name, await parsedFile(path))
  }
  return configurations
}

const selectorsSchema = objectOf('PodNodeSelectorConfiguration', {
  podNodeSelectorPluginConfig: { type: 'map', items: text },
})

function nodeSelectorsOf(value: unknown): Readonly<Record<string, string>> {
  const { object, unknown } = decoded<{ podNodeSelectorPluginConfig?: Readonly<Record<string, string>> }>(selectorsSchema, value)
  refuseUnknown(unknown)
  const selectors = object.podNodeSelectorPluginConfig ?? {}
  for (const [namespace, selector] of Object.entries(selectors)) {
    const { fault } = parseLabelMap(selector)
    if (fault !== undefined) throw new ConfigurationError(`podNodeSelectorPluginConfig[${namespace}]: ${fault}`)
  }
  return selectors
}
