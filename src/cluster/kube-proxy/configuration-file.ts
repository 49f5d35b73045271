import { readFile } from 'node:fs/promises'
import {
  durationText,
  filePathOf,
  parseDuration,
  type Setting,
  SettingsError,
  type SettingValue,
  type SettingValues,
  settings,
} from './settings.ts'

const apiVersion = 'kubeproxy.config.k8s.io/v1alpha1'
const kind = 'KubeProxyConfiguration'

/** Reads a KubeProxyConfiguration. Throws SettingsError for what is none, and for each field that there is not. */
export async function readConfigurationFile(path: string): Promise<SettingValues> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new SettingsError([`cannot read the configuration file ${path}: ${(cause as Error).message}`])
  }
  const { parse, YAMLParseError } = await import('yaml')
  try {
    return configurationValues(parse(text), path)
  } catch (cause) {
    if (cause instanceof YAMLParseError) throw new SettingsError([`${path} is not valid YAML: ${cause.message}`])
    throw cause
  }
}

export function configurationValues(document: unknown, path: string): SettingValues {
  if (!isMap(document) || document.kind !== kind || document.apiVersion !== apiVersion) {
    throw new SettingsError([`${path} is not a ${kind} of ${apiVersion}`])
  }
  const { kind: _kind, apiVersion: _version, ...fields } = document
  const known = new Map(settings.map((each) => [filePathOf(each), each]))
  const found = new Map<string, SettingValue>()
  const faults: string[] = []
  const read = (value: unknown, at: string): void => {
    const setting = known.get(at)
    if (value === null || value === undefined) return // as if it were not there
    if (setting) {
      const own = valueOfField(setting, value)
      if (own === undefined) faults.push(`${path}: ${at}: ${JSON.stringify(value)} is not ${wanted[setting.type]}`)
      else if (says(setting, own)) found.set(setting.path, own)
    } else if (isMap(value) && [...known.keys()].some((name) => name.startsWith(`${at}.`))) {
      for (const [name, inner] of Object.entries(value)) read(inner, `${at}.${name}`)
    } else faults.push(`${path}: unknown field "${at}"`)
  }
  for (const [name, value] of Object.entries(fields)) read(value, name)
  if (faults.length > 0) throw new SettingsError(faults)
  return found
}

/** Where zero is a value of its own; elsewhere it stands for the default, as in every file that kubeadm writes. */
const zeroCounts = /masqueradeBit$|oomScoreAdj$|conntrack\.(maxPerCore|min|tcp\w+Timeout)$/

function says({ path }: Setting, value: SettingValue): boolean {
  if (value === 0) return zeroCounts.test(path)
  return value !== '' && !(Array.isArray(value) && value.length === 0)
}

const wanted: Record<Setting['type'], string> = {
  text: 'a text',
  yes: 'true or false',
  number: 'a number',
  duration: 'a time such as 30s',
  list: 'a list of texts',
  gates: 'a map of names to true or false',
}

function valueOfField({ type }: Setting, value: unknown): SettingValue | undefined {
  switch (type) {
    case 'text':
      return typeof value === 'string' ? value : undefined
    case 'yes':
      return typeof value === 'boolean' ? value : undefined
    case 'number':
      return typeof value === 'number' ? value : undefined
    case 'duration': // a number is of nanoseconds
      return typeof value === 'string' ? parseDuration(value) : typeof value === 'number' ? value / 1e6 : undefined
    case 'list':
      return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined
    case 'gates':
      return isMap(value) ? (value as Record<string, boolean>) : undefined
  }
}

/** The file that says what holds without one: for `--write-config-to`. */
export async function defaultConfigurationText(): Promise<string> {
  const { stringify } = await import('yaml')
  const document: Record<string, unknown> = { apiVersion, kind }
  for (const setting of settings) {
    const names = filePathOf(setting).split('.')
    const last = names.pop() as string
    let parent = document
    for (const name of names) {
      parent[name] ??= {}
      parent = parent[name] as Record<string, unknown>
    }
    parent[last] = setting.type === 'duration' ? durationText(setting.default as number) : setting.default
  }
  return stringify(document)
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
