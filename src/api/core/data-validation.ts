import { deepEqual, isObject } from '../../machinery/equality.ts'
import { type FieldError, forbiddenField, invalidValue, required, tooLong } from '../../machinery/field-error.ts'
import { dataKeyFaults, type Faults, immutableFaults } from '../field-checks.ts'
import type { ConfigMap, Secret } from '../generated/types.ts'

/** What a ConfigMap or Secret may hold, decoded. */
const maxBytes = 1024 * 1024

/** Bytes that base64 text stands for. */
function decodedBytes(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  return Math.floor((text.length * 3) / 4) - padding
}

const sum = (values: readonly string[], size: (text: string) => number): number => values.reduce((bytes, text) => bytes + size(text), 0)

function* keyFaults(path: string, map: Readonly<Record<string, string>>): Faults {
  for (const key of Object.keys(map)) yield* dataKeyFaults(`${path}[${key}]`, key)
}

function* configMapFaults({ data = {}, binaryData = {} }: ConfigMap): Faults {
  for (const key of Object.keys(data)) {
    yield* dataKeyFaults(`data[${key}]`, key)
    if (Object.hasOwn(binaryData, key)) yield invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData')
  }
  yield* keyFaults('binaryData', binaryData)
  if (sum(Object.values(data), Buffer.byteLength) + sum(Object.values(binaryData), decodedBytes) > maxBytes) yield tooLong('[]', maxBytes)
}

export const validateConfigMap = (map: ConfigMap): FieldError[] => [...configMapFaults(map)]

/** Once immutable, always immutable. */
function* frozenFaults<T extends ConfigMap | Secret>(now: T, before: T, fields: readonly (keyof T & string)[]): Faults {
  if (!before.immutable) return
  const why = 'field is immutable when `immutable` is set'
  if (!now.immutable) yield forbiddenField('immutable', why)
  for (const field of fields) if (!deepEqual(now[field] ?? {}, before[field] ?? {})) yield forbiddenField(field, why)
}

export const validateConfigMapUpdate = (now: ConfigMap, before: ConfigMap): FieldError[] => [
  ...frozenFaults(now, before, ['data', 'binaryData']),
]

/** Types that Kubernetes gave a meaning need their keys. */
const neededKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
}

/** What keeps a text from being a JSON object, as Go says it, as far as it can be told without Go's parser. */
function jsonObjectFault(text: string): string | undefined {
  const first = text.trimStart()[0]
  if (first === undefined) return 'unexpected end of JSON input'
  if (!/[-0-9"[{tfn]/.test(first)) return `invalid character '${first}' looking for beginning of value`
  const value = jsonOf(text)
  if (value === undefined) return 'invalid JSON'
  if (value === null || isObject(value)) return undefined
  const name = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
  return `json: cannot unmarshal ${name} into Go value of type map[string]interface {}`
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function* typedSecretFaults({ type = '', data = {}, metadata }: Secret): Faults {
  for (const key of neededKeys[type] ?? []) {
    const value = data[key]
    const isEmpty = type === 'kubernetes.io/ssh-auth' ? !value : value === undefined
    if (isEmpty) yield required(`data[${key}]`)
    if (value === undefined || !type.startsWith('kubernetes.io/docker')) continue
    const why = jsonObjectFault(Buffer.from(value, 'base64').toString())
    if (why) yield invalidValue(`data[${key}]`, '<secret contents redacted>', why)
  }
  if (type === 'kubernetes.io/basic-auth' && data.username === undefined && data.password === undefined) {
    yield required('data[username]')
    yield required('data[password]')
  }
  if (type === 'kubernetes.io/service-account-token' && !metadata.annotations?.['kubernetes.io/service-account.name']) {
    yield required('metadata.annotations[kubernetes.io/service-account.name]')
  }
}

function* secretFaults(secret: Secret): Faults {
  const { data = {} } = secret
  yield* keyFaults('data', data)
  if (sum(Object.values(data), decodedBytes) > maxBytes) yield tooLong('data', maxBytes)
  yield* typedSecretFaults(secret)
}

export const validateSecret = (secret: Secret): FieldError[] => [...secretFaults(secret)]

export const validateSecretUpdate = (now: Secret, before: Secret): FieldError[] => [
  ...immutableFaults('type', now.type, before.type),
  ...frozenFaults(now, before, ['data']),
]
