import { invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { dataKeyFaults, dnsLabelFaults, dnsSubdomainFaults, type Faults, noBackstepFaults, qualifiedNameFaults } from '../field-checks.ts'
import type {
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  FileKeySelector,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from '../generated/types.ts'

/** Fields of the pod that variables may show; labels and annotations besides, one key each. */
const variableFields = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]
export const volumeFields = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid']
const knownFields = new Set([...variableFields, ...volumeFields, 'spec.restartPolicy', 'spec.schedulerName', 'status.phase', 'spec.host'])
const resourceFields = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
]

/** `metadata.labels['app']` as its path and key. */
function subscriptOf(fieldPath: string): { path: string; key: string } | undefined {
  const match = /^(.*)\['(.*)'\]$/.exec(fieldPath)
  return match ? { path: match[1] ?? '', key: match[2] ?? '' } : undefined
}

export function* fieldRefFaults(path: string, ref: ObjectFieldSelector, allowed: readonly string[]): Faults {
  if (!ref.apiVersion) return yield required(`${path}.apiVersion`)
  if (!ref.fieldPath) return yield required(`${path}.fieldPath`)
  const subscript = subscriptOf(ref.fieldPath)
  const isKnown = subscript ? ['metadata.labels', 'metadata.annotations'].includes(subscript.path) : knownFields.has(ref.fieldPath)
  if (ref.apiVersion !== 'v1') {
    return yield invalidValue(`${path}.fieldPath`, ref.fieldPath, `error converting fieldPath: unsupported pod version: ${ref.apiVersion}`)
  }
  if (!isKnown) {
    return yield invalidValue(
      `${path}.fieldPath`,
      ref.fieldPath,
      `error converting fieldPath: field label not supported: ${subscript?.path ?? ref.fieldPath}`,
    )
  }
  if (subscript) {
    const key = subscript.path === 'metadata.annotations' ? subscript.key.toLowerCase() : subscript.key
    yield* qualifiedNameFaults(path, key)
  } else if (!allowed.includes(ref.fieldPath)) yield notSupported(`${path}.fieldPath`, ref.fieldPath, allowed)
}

const byteUnits = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']

function* divisorFaults(path: string, { resource, divisor }: ResourceFieldSelector): Faults {
  if (!divisor || divisor === '0') return
  const name = resource.slice(resource.indexOf('.') + 1)
  if (name === 'cpu' && !['1m', '1'].includes(divisor)) {
    yield invalidValue(`${path}.divisor`, resource, "only divisor's values 1m and 1 are supported with the cpu resource")
  }
  const kinds: Record<string, string> = { memory: 'memory', 'ephemeral-storage': 'local ephemeral storage' }
  const kind = name.startsWith('hugepages-') ? 'hugepages' : kinds[name]
  if (kind && !byteUnits.includes(divisor)) {
    yield invalidValue(`${path}.divisor`, resource, `only divisor's values ${byteUnits.join(', ')} are supported with the ${kind} resource`)
  }
}

/** `container` says that the reference must name its container, as it must outside of one. */
export function* resourceRefFaults(path: string, ref: ResourceFieldSelector, container: 'named' | 'own'): Faults {
  if (container === 'named' && !ref.containerName) yield required(`${path}.containerName`)
  else if (!ref.resource) yield required(`${path}.resource`)
  else if (!resourceFields.includes(ref.resource) && !/^(requests|limits)\.hugepages-/.test(ref.resource)) {
    yield notSupported(`${path}.resource`, ref.resource, resourceFields)
  }
  yield* divisorFaults(path, { ...ref, resource: ref.resource ?? '' })
}

/** A reference to one key of a ConfigMap or Secret. */
function* keyRefFaults(path: string, ref: { name?: string; key: string }): Faults {
  yield* dnsSubdomainFaults(`${path}.name`, ref.name ?? '')
  if (!ref.key) yield required(`${path}.key`)
  else yield* dataKeyFaults(`${path}.key`, ref.key)
}

/** A variable in a file that another container has written. */
function* fileRefFaults(path: string, { key, volumeName, path: file }: FileKeySelector): Faults {
  if (!key) yield required(`${path}.key`)
  else yield* variableNameFaults(`${path}.key`, key)
  if (!volumeName) yield required(`${path}.volumeName`)
  else yield* dnsLabelFaults(`${path}.volumeName`, volumeName)
  if (!file) yield required(`${path}.path`)
  else yield* noBackstepFaults(`${path}.path`, file)
}

function* valueFromFaults(path: string, source: EnvVarSource, value: string | undefined): Faults {
  if (source.fieldRef) yield* fieldRefFaults(`${path}.fieldRef`, source.fieldRef, variableFields)
  if (source.resourceFieldRef) yield* resourceRefFaults(`${path}.resourceFieldRef`, source.resourceFieldRef, 'own')
  if (source.configMapKeyRef) yield* keyRefFaults(`${path}.configMapKeyRef`, source.configMapKeyRef)
  if (source.secretKeyRef) yield* keyRefFaults(`${path}.secretKeyRef`, source.secretKeyRef)
  if (source.fileKeyRef) yield* fileRefFaults(`${path}.fileKeyRef`, source.fileKeyRef)
  const count = Object.values(source).filter((one) => one !== undefined && one !== null).length
  if (count === 0) {
    yield invalidValue(path, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`')
  } else if (value) yield invalidValue(path, '', 'may not be specified when `value` is not empty')
  else if (count > 1) yield invalidValue(path, '', 'may not have more than one field specified at a time')
}

/** Variable names may be any printable ASCII but `=`. */
function* variableNameFaults(path: string, name: string): Faults {
  if (/^[ -<>-~]+$/.test(name)) return
  yield invalidValue(path, name, "a valid environment variable name must consist only of printable ASCII characters other than '='")
}

export function* envFaults(path: string, variables: readonly EnvVar[]): Faults {
  for (const [index, variable] of variables.entries()) {
    const at = `${path}[${index}]`
    if (!variable.name) yield required(`${at}.name`)
    else yield* variableNameFaults(`${at}.name`, variable.name)
    if (variable.valueFrom) yield* valueFromFaults(`${at}.valueFrom`, variable.valueFrom, variable.value)
  }
}

export function* envFromFaults(path: string, sources: readonly EnvFromSource[]): Faults {
  for (const [index, source] of sources.entries()) {
    const at = `${path}[${index}]`
    if (source.prefix) yield* variableNameFaults(`${at}.prefix`, source.prefix)
    for (const key of ['configMapRef', 'secretRef'] as const) {
      const ref = source[key]
      if (!ref) continue
      if (!ref.name) yield required(`${at}.${key}.name`)
      else yield* dnsSubdomainFaults(`${at}.${key}.name`, ref.name, 'prefix')
    }
    if (!source.configMapRef && !source.secretRef) yield invalidValue(path, '', 'must specify one of: `configMapRef` or `secretRef`')
    if (source.configMapRef && source.secretRef) yield invalidValue(path, '', 'may not have more than one field specified at a time')
  }
}
