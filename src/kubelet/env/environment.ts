import type { ConfigMap, Container, EnvVar, Pod, Secret, Service } from '../../api/generated/types.ts'
import { namespaceOf } from '../labels.ts'
import { expand } from './expand.ts'
import { fieldText, type NodeFacts, resourceText } from './field-ref.ts'
import { serviceEnv } from './service-env.ts'

/** What a container's configuration names is not there: status CreateContainerConfigError. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

/** Undefined: there is no such object. */
export interface ReferencedObjects {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>
  secret(namespace: string, name: string): Promise<Secret | undefined>
}

export interface EnvironmentSources {
  readonly objects: ReferencedObjects
  readonly services: readonly Service[]
  readonly facts: NodeFacts
}

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString()

/** The variables of a container, in upstream's order of precedence: services, envFrom, env. Throws {@link ConfigError}. */
export async function environmentOf(pod: Pod, container: Container, sources: EnvironmentSources): Promise<Map<string, string>> {
  const env = new Map<string, string>()
  for (const from of container.envFrom ?? []) {
    const prefix = from.prefix ?? ''
    for (const [key, value] of await everyEntry(pod, from, sources.objects)) env.set(prefix + key, value)
  }
  const announced = serviceEnv(sources.services, namespaceOf(pod), pod.spec.enableServiceLinks ?? true)
  for (const variable of container.env ?? []) {
    const value = await variableValue(pod, container, variable, sources, (name) => env.get(name) ?? announced.get(name))
    if (value !== undefined) env.set(variable.name, value)
  }
  for (const [name, value] of announced) if (!env.has(name)) env.set(name, value)
  return env
}

type EnvFrom = NonNullable<Container['envFrom']>[number]

async function everyEntry(pod: Pod, from: EnvFrom, objects: ReferencedObjects): Promise<[string, string][]> {
  const namespace = namespaceOf(pod)
  if (from.configMapRef) {
    const { name = '', optional } = from.configMapRef
    const map = await objects.configMap(namespace, name)
    if (map) return Object.entries(map.data ?? {})
    if (optional) return []
    throw new ConfigError(`configmap "${name}" not found`)
  }
  if (from.secretRef) {
    const { name = '', optional } = from.secretRef
    const secret = await objects.secret(namespace, name)
    if (secret) return Object.entries(secret.data ?? {}).map(([key, value]) => [key, decoded(value)])
    if (optional) return []
    throw new ConfigError(`secret "${name}" not found`)
  }
  return []
}

async function variableValue(
  pod: Pod,
  container: Container,
  variable: EnvVar,
  { objects, facts }: EnvironmentSources,
  lookUp: (name: string) => string | undefined,
): Promise<string | undefined> {
  const from = variable.valueFrom
  if (!from) return expand(variable.value ?? '', lookUp)
  if (from.fieldRef) return fieldText(pod, from.fieldRef.fieldPath, facts)
  if (from.resourceFieldRef) {
    const { containerName } = from.resourceFieldRef
    const target = containerName ? pod.spec.containers.find(({ name }) => name === containerName) : container
    if (!target) throw new ConfigError(`container ${containerName} not found`)
    return resourceText(target, from.resourceFieldRef, facts)
  }
  const namespace = namespaceOf(pod)
  if (from.configMapKeyRef) {
    const { name = '', key, optional } = from.configMapKeyRef
    const map = await objects.configMap(namespace, name)
    if (map?.data?.[key] !== undefined) return map.data[key]
    if (optional) return undefined
    throw new ConfigError(map ? `couldn't find key ${key} in ConfigMap ${namespace}/${name}` : `configmap "${name}" not found`)
  }
  if (from.secretKeyRef) {
    const { name = '', key, optional } = from.secretKeyRef
    const secret = await objects.secret(namespace, name)
    if (secret?.data?.[key] !== undefined) return decoded(secret.data[key])
    if (optional) return undefined
    throw new ConfigError(secret ? `couldn't find key ${key} in Secret ${namespace}/${name}` : `secret "${name}" not found`)
  }
  throw new ConfigError(`env ${variable.name}: this source is not supported`)
}
