import { describe, expect, test } from 'vitest'
import { readEncryptionConfiguration, transformerFor } from './encryption-configuration.ts'
import { secretbox, TransformError } from './transformers.ts'

const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n'
const key = (fill: number, bytes = 32): string => Buffer.alloc(bytes, fill).toString('base64')
const one = (resources: string, providers: string): string => `${head}resources: [{resources: [${resources}], providers: [${providers}]}]`
const fault = (text: string): Promise<string> =>
  readEncryptionConfiguration(text).then(
    () => 'taken',
    (error: Error) => error.message,
  )
const secrets = { group: '', plural: 'secrets' }
const at = '/registry/core/secrets/default/a'

describe('a configuration that cannot be used', () => {
  test.each([
    [head, 'resources: Required value: at least one resources is required'],
    [
      `${head}resources: [{}]`,
      '[resources[0].resources: Required value: at least one resources[0].resources is required, resources[0].providers: Required value: at least one resources[0].providers is required]',
    ],
    [`${head}resource: []`, 'strict decoding error: unknown field "resource"'],
    [
      one('secrets', '{}'),
      'resources[0].providers[0]: Invalid value: {}: provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity',
    ],
    [
      one('secrets', `{identity: {}, aesgcm: {keys: [{name: a, secret: ${key(1)}}]}}`),
      'resources[0].providers[0]: Invalid value: ["identity","aesgcm"]: more than one provider specified in a single element, should split into different list elements',
    ],
    [
      one('secrets', '{aesgcm: {}}, {aescbc: {keys: [{}, {name: b, secret: "*"}, {name: c, secret: YWJj}]}}'),
      '[resources[0].providers[0].aesgcm.keys: Required value: at least one keys is required, ' +
        'resources[0].providers[1].aescbc.keys[0].name: Required value: name is a mandatory field for a key, ' +
        'resources[0].providers[1].aescbc.keys[0].secret: Required value: secret is a mandatory field for a key, ' +
        'resources[0].providers[1].aescbc.keys[1].secret: Invalid value: "REDACTED": secrets must be base64 encoded, ' +
        'resources[0].providers[1].aescbc.keys[2].secret: Invalid value: "REDACTED": secret is not of the expected length, got 3, expected one of [16 24 32]]',
    ],
    [
      one('secrets', `{kms: {name: k}}, {secretbox: {keys: [{name: a, secret: ${key(1, 16)}}]}}`),
      '[resources[0].providers[0].kms: Forbidden: this server asks no key management service: use secretbox, aesgcm or aescbc, ' +
        'resources[0].providers[1].secretbox.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected length, got 16, expected one of [32]]',
    ],
    [
      one('secrets, secrets', '{identity: {}}'),
      'resources[0].resources: Invalid value: ["secrets","secrets"]: the same resource cannot be specified multiple times',
    ],
    [
      one("secrets, '*.'", '{identity: {}}'),
      `resources[0].resources: Invalid value: ["secrets","*."]: using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked`,
    ],
    [
      one("Secrets, '*', events.events.k8s.io, ingresses.extensions, 'pods.*', apiserveripinfo", '{identity: {}}'),
      `resources[0].resources[0]: Invalid value: "Secrets": resource name should not contain capital letters, ` +
        `resources[0].resources[1]: Invalid value: "*": use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources, ` +
        `resources[0].resources[2]: Invalid value: "events.events.k8s.io": '*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file, ` +
        `resources[0].resources[3]: Invalid value: "ingresses.extensions": 'extensions' group has been removed and cannot be used for encryption, ` +
        `resources[0].resources[4]: Invalid value: "pods.*": encrypting the same resource across groups is not supported, ` +
        `resources[0].resources[5]: Invalid value: "apiserveripinfo": resources which do not have REST API/s cannot be encrypted`,
    ],
    [
      `${head}resources: [{resources: ['*.apps'], providers: [{identity: {}}]}, {resources: [deployments.apps], providers: [{identity: {}}]}]`,
      'resource "deployments.apps" is masked by earlier rule "*.apps"',
    ],
  ])('%j', async (text, message) => {
    expect(await fault(text)).toContain(message)
  })

  test('never tells a key', async () => {
    const secret = key(7, 20)
    expect(await fault(one('secrets', `{aesgcm: {keys: [{name: a, secret: ${secret}}]}}`))).not.toContain(secret)
  })
})

describe('which kinds are stored how', () => {
  const encryption = readEncryptionConfiguration(`${head}resources:
- {resources: [secrets], providers: [{aesgcm: {keys: [{name: k1, secret: ${key(1)}}]}}]}
- {resources: ['*.apps', 'leases.coordination.k8s.io'], providers: [{aescbc: {keys: [{name: k2, secret: ${key(2)}}]}}]}
- {resources: [configmaps], providers: [{secretbox: {keys: [{name: k4, secret: ${key(4)}}]}}]}
- {resources: ['*.'], providers: [{identity: {}}]}
- {resources: ['*.*'], providers: [{aesgcm: {keys: [{name: k3, secret: ${key(3, 16)}}]}}]}
`)
  test.each([
    ['', 'secrets', 'k8s:enc:aesgcm:v1:k1:'],
    ['apps', 'deployments', 'k8s:enc:aescbc:v1:k2:'],
    ['coordination.k8s.io', 'leases', 'k8s:enc:aescbc:v1:k2:'],
    ['', 'configmaps', 'k8s:enc:secretbox:v1:k4:'],
    ['', 'pods', '{"a"'],
    ['batch', 'jobs', 'k8s:enc:aesgcm:v1:k3:'],
  ])('%s/%s', async (group, plural, prefix) => {
    const stored = transformerFor(await encryption, { group, plural })?.toStorage(Buffer.from('{"a":1}'), at) as Buffer
    expect(stored.toString('latin1').startsWith(prefix)).toBe(true)
    expect(
      transformerFor(await encryption, { group, plural })
        ?.fromStorage(stored, at)
        .data.toString(),
    ).toBe('{"a":1}')
  })
})

describe('keys that come and go', () => {
  const configured = async (...providers: string[]) =>
    transformerFor(await readEncryptionConfiguration(one('secrets', providers.join(', '))), secrets) as NonNullable<
      ReturnType<typeof transformerFor>
    >
  const gcm = (name: string, fill: number): string => `{aesgcm: {keys: [{name: ${name}, secret: ${key(fill)}}]}}`
  const refusal = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      if (error instanceof TransformError) return error.message
      throw error
    }
    return 'read'
  }

  test('the first writes, all read; what another than the first has read is stale', async () => {
    const before = await configured('{identity: {}}', gcm('old', 1))
    const plain = before.toStorage(Buffer.from('{}'), at)
    expect(plain.toString()).toBe('{}')
    const both = await configured(`{aesgcm: {keys: [{name: new, secret: ${key(2)}}, {name: old, secret: ${key(1)}}]}}`, '{identity: {}}')
    const old = (await configured(gcm('old', 1))).toStorage(Buffer.from('{}'), at)
    expect(both.fromStorage(old, at)).toEqual({ data: Buffer.from('{}'), isStale: true })
    expect(both.fromStorage(plain, at).isStale).toBe(true)
    expect(both.fromStorage(both.toStorage(Buffer.from('{}'), at), at).isStale).toBe(false)
    expect(before.fromStorage(old, at).isStale).toBe(true)
  })

  test('the same provider twice, with different keys', async () => {
    const old = (await configured(gcm('a', 1))).toStorage(Buffer.from('x'), at)
    expect((await configured(gcm('b', 2), gcm('a', 1))).fromStorage(old, at).data.toString()).toBe('x')
    expect((await configured(gcm('a', 2), gcm('a', 1))).fromStorage(old, at).data.toString()).toBe('x')
  })

  test('what cannot be read says why, as upstream', async () => {
    const gcm1 = await configured(gcm('a', 1))
    const stored = gcm1.toStorage(Buffer.from('{}'), at)
    expect(refusal(() => gcm1.fromStorage(stored, `${at}b`))).toBe('cipher: message authentication failed')
    const changed = Buffer.from(stored)
    changed[changed.length - 1] = (changed.at(-1) as number) ^ 1
    expect(refusal(() => gcm1.fromStorage(changed, at))).toBe('cipher: message authentication failed')
    expect(refusal(() => gcm1.fromStorage(Buffer.from('{}'), at))).toBe('no matching prefix found')
    expect(refusal(() => gcm1.fromStorage(Buffer.from('k8s:enc:aesgcm:v1:a:short'), at))).toBe(
      'the stored data was shorter than the required size',
    )
    const other = await configured(gcm('b', 1))
    expect(refusal(() => other.fromStorage(stored, at))).toBe('no matching key was found for the provided AES transformer')
    expect(refusal(() => gcm1.fromStorage(Buffer.from('k8s:enc:kms:v2:x'), at))).toBe('no matching prefix found')
    const cbc = await configured(`{aescbc: {keys: [{name: a, secret: ${key(1)}}]}}`)
    const blocks = cbc.toStorage(Buffer.from('{}'), at)
    expect(refusal(() => cbc.fromStorage(blocks.subarray(0, -1), at))).toBe('the stored data is not a multiple of the block size')
    expect(cbc.fromStorage(blocks, 'elsewhere').data.toString()).toBe('{}')
    const box = await configured(`{secretbox: {keys: [{name: a, secret: ${key(1)}}]}}`)
    const boxed = box.toStorage(Buffer.from('{}'), at)
    expect(refusal(() => box.fromStorage(boxed.subarray(0, -1), at))).toBe('output array was not large enough for encryption')
    expect(refusal(() => box.fromStorage(boxed.subarray(0, 60), at))).toBe('the stored data was shorter than the required size')
    const otherBox = await configured(`{secretbox: {keys: [{name: b, secret: ${key(1)}}]}}`)
    expect(refusal(() => otherBox.fromStorage(boxed, at))).toBe('no matching key was found for the provided Secretbox transformer')
  })

  test('a secretbox is laid out as NaCl’s: its published example opens', () => {
    const bytes = (...hex: string[]): Buffer => Buffer.from(hex.join(''), 'hex')
    const nonce = bytes('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37')
    const opened = secretbox(bytes('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389')).fromStorage(
      Buffer.concat([
        nonce,
        bytes(
          'f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a',
          'c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae',
          '90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74',
          'e355a5',
        ),
      ]),
      at,
    )
    expect(opened.data.toString('hex')).toMatch(/^be075fc53c81f2d5cf141316ebeb0c7b[0-9a-f]{230}$/)
  })
})
