import { type FieldError, forbiddenField, invalidValue, required } from '../../machinery/field-error.ts'
import {
  anything,
  ConfigurationError,
  configurationOf,
  listOf,
  objectOf,
  readConfiguration,
  refuseFaults,
  refuseUnknown,
  text,
} from '../configuration-object.ts'
import { aesCbc, aesGcm, firstOf, identity, type Prefixed, secretbox, type Transformer } from './transformers.ts'

interface Key {
  readonly name?: string
  readonly secret?: string
}

interface Keys {
  readonly keys?: readonly Key[]
}

interface Provider {
  readonly aesgcm?: Keys
  readonly aescbc?: Keys
  readonly secretbox?: Keys
  readonly identity?: object
  readonly kms?: object
}

interface ResourceConfiguration {
  readonly resources?: readonly string[]
  readonly providers?: readonly Provider[]
}

const keys = objectOf('Keys', { keys: listOf(objectOf('Key', { name: text, secret: text })) })
const schema = configurationOf('EncryptionConfiguration', {
  resources: listOf(
    objectOf('ResourceConfiguration', {
      resources: listOf(text),
      providers: listOf(
        objectOf('ProviderConfiguration', {
          aesgcm: keys,
          aescbc: keys,
          secretbox: keys,
          identity: objectOf('Identity', {}),
          kms: anything,
        }),
      ),
    }),
  ),
})

/** Which kinds are stored how: `secrets`, `deployments.apps`, `*.apps`, `*.` for core's, `*.*`. */
export type Encryption = ReadonlyMap<string, Transformer>

/**
 * apiserver.config.k8s.io/v1 EncryptionConfiguration
 * (https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/). Throws ConfigurationError with all that is wrong.
 */
export async function readEncryptionConfiguration(content: string): Promise<Encryption> {
  const { object, unknown } = await readConfiguration<{ resources?: readonly ResourceConfiguration[] }>(content, {
    apiVersions: ['apiserver.config.k8s.io/v1'],
    kind: 'EncryptionConfiguration',
    schema,
  })
  refuseUnknown(unknown)
  const entries = object.resources ?? []
  refuseFaults(entries.length === 0 ? [required('resources', 'at least one resources is required')] : entries.flatMap(entryFaults))
  return transformersOf(entries)
}

function entryFaults({ resources = [], providers = [] }: ResourceConfiguration, index: number): FieldError[] {
  const [where, how] = [`resources[${index}].resources`, `resources[${index}].providers`]
  return [
    ...(resources.length === 0 ? [required(where, `at least one ${where} is required`)] : []),
    ...overlapFaults(where, resources),
    ...resources.flatMap((resource, at) => nameFaults(`${where}[${at}]`, resource)),
    ...(providers.length === 0 ? [required(how, `at least one ${how} is required`)] : []),
    ...providers.flatMap((provider, at) => providerFaults(`${how}[${at}]`, provider)),
  ]
}

const noKms = 'this server asks no key management service: use secretbox, aesgcm or aescbc'

function providerFaults(path: string, provider: Provider): FieldError[] {
  const { aesgcm, aescbc, secretbox, kms } = provider
  const named = Object.keys(provider)
  if (named.length === 0) {
    const none = 'provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity'
    return [invalidValue(path, provider, none)]
  }
  if (named.length > 1) {
    // Not with its keys, as they would be told to whoever reads the message.
    return [invalidValue(path, named, 'more than one provider specified in a single element, should split into different list elements')]
  }
  return [
    ...(kms ? [forbiddenField(`${path}.kms`, noKms)] : []),
    ...(aesgcm ? keyFaults(`${path}.aesgcm.keys`, aesgcm, aesKeyBytes) : []),
    ...(aescbc ? keyFaults(`${path}.aescbc.keys`, aescbc, aesKeyBytes) : []),
    ...(secretbox ? keyFaults(`${path}.secretbox.keys`, secretbox, boxKeyBytes) : []),
  ]
}

const aesKeyBytes = [16, 24, 32]
const boxKeyBytes = [32]

function keyFaults(path: string, { keys = [] }: Keys, keyBytes: readonly number[]): FieldError[] {
  if (keys.length === 0) return [required(path, 'at least one keys is required')]
  return keys.flatMap(({ name, secret }, index) => [
    ...(name ? [] : [required(`${path}[${index}].name`, 'name is a mandatory field for a key')]),
    ...secretFaults(`${path}[${index}].secret`, secret, keyBytes),
  ])
}

function secretFaults(path: string, secret: string | undefined, keyBytes: readonly number[]): FieldError[] {
  if (!secret) return [required(path, 'secret is a mandatory field for a key')]
  const redacted = (why: string): FieldError[] => [invalidValue(path, 'REDACTED', why)]
  const key = Buffer.from(secret, 'base64')
  if (key.toString('base64') !== secret) return redacted('secrets must be base64 encoded')
  if (keyBytes.includes(key.byteLength)) return []
  return redacted(`secret is not of the expected length, got ${key.byteLength}, expected one of [${keyBytes.join(' ')}]`)
}

interface GroupResource {
  readonly group: string
  readonly resource: string
}

function parsed(name: string): GroupResource {
  const dot = name.indexOf('.')
  return dot < 0 ? { group: '', resource: name } : { group: name.slice(dot + 1), resource: name.slice(0, dot) }
}

const written = ({ group, resource }: GroupResource): string => (group === '' && resource !== '*' ? resource : `${resource}.${group}`)

function overlapFaults(path: string, resources: readonly string[]): FieldError[] {
  const all = resources.map(parsed)
  const isRepeated = new Set(all.map(written)).size < all.length
  const overlaps = all.some((one, index) =>
    all.some((other, at) => {
      if (at === index || written(one) === written(other)) return false
      if (written(one) === '*.*') return true
      return one.group === other.group && (one.resource === '*' || other.resource === '*')
    }),
  )
  return [
    ...(isRepeated ? [invalidValue(path, resources, 'the same resource cannot be specified multiple times')] : []),
    ...(overlaps
      ? [
          invalidValue(
            path,
            resources,
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
          ),
        ]
      : []),
  ]
}

const unstored = new Set(['apiserveripinfo', 'serviceipallocations', 'servicenodeportallocations'])

function nameFaults(path: string, name: string): FieldError[] {
  const why = nameFault(name)
  return why === undefined ? [] : [invalidValue(path, name, why)]
}

function nameFault(name: string): string | undefined {
  const { group, resource } = parsed(name)
  if (name.toLowerCase() !== name) return 'resource name should not contain capital letters'
  if (name === '*') return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
  if (unstored.has(name)) return 'resources which do not have REST API/s cannot be encrypted'
  if (group === 'events.k8s.io') {
    return "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file"
  }
  if (group === 'extensions') return "'extensions' group has been removed and cannot be used for encryption"
  return group === '*' && resource !== '*' ? 'encrypting the same resource across groups is not supported' : undefined
}

/** Throws where an entry can never come to bear, as one before it takes all that it names. */
function transformersOf(entries: readonly ResourceConfiguration[]): Encryption {
  const lists = new Map<string, Prefixed[]>()
  for (const { resources = [], providers = [] } of entries) {
    const prefixed = providers.map(prefixedOf)
    for (const name of resources.map(parsed)) {
      for (const mask of [
        { group: name.group, resource: '*' },
        { group: '*', resource: '*' },
      ].map(written)) {
        if (lists.has(mask)) {
          throw new ConfigurationError(`resource ${JSON.stringify(written(name))} is masked by earlier rule ${JSON.stringify(mask)}`)
        }
      }
      lists.set(written(name), [...(lists.get(written(name)) ?? []), ...prefixed])
    }
  }
  return new Map([...lists].map(([name, all]) => [name, firstOf(all, 'no matching prefix found')]))
}

function prefixedOf({ aesgcm, aescbc, secretbox: box }: Provider): Prefixed {
  if (aesgcm) return { prefix: 'k8s:enc:aesgcm:v1:', transformer: byKeyName(aesgcm, aesGcm, 'AES') }
  if (aescbc) return { prefix: 'k8s:enc:aescbc:v1:', transformer: byKeyName(aescbc, aesCbc, 'AES') }
  if (box) return { prefix: 'k8s:enc:secretbox:v1:', transformer: byKeyName(box, secretbox, 'Secretbox') }
  return { prefix: '', transformer: identity }
}

function byKeyName({ keys = [] }: Keys, made: (key: Buffer) => Transformer, cipher: string): Transformer {
  const all = keys.map(({ name, secret = '' }) => ({ prefix: `${name}:`, transformer: made(Buffer.from(secret, 'base64')) }))
  return firstOf(all, `no matching key was found for the provided ${cipher} transformer`)
}

/** How objects of this kind are stored; undefined: plainly. */
export function transformerFor(encryption: Encryption, { group, plural }: { group: string; plural: string }): Transformer | undefined {
  return encryption.get(written({ group, resource: plural })) ?? encryption.get(written({ group, resource: '*' })) ?? encryption.get('*.*')
}
