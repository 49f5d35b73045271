import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { kinds } from '../api/registry.ts'
import { schemaOf } from '../api/schema.ts'
import { decodeObject, type FieldValidation } from './decode.ts'
import { parseBody } from './parse-body.ts'
import { StatusError } from './status.ts'

const deployment = (spec: unknown): object => ({ apiVersion: 'apps/v1', kind: 'Deployment', spec })
const containers = (...list: unknown[]): object => deployment({ template: { spec: { containers: list } } })
const decoded = (value: unknown, fieldValidation: FieldValidation = 'Strict') =>
  decodeObject<{ spec: unknown }>(schemaOf('Deployment'), value, { fieldValidation })

function refusal(act: () => unknown): { code: number; message: string } {
  try {
    act()
  } catch (error) {
    if (error instanceof StatusError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('it was accepted')
}

const head = 'Deployment in version "v1" cannot be handled as a Deployment: '

describe('what decoding refuses', () => {
  it.each([
    [
      'a word for a number',
      deployment({ replicas: 'x' }),
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      'a fraction',
      deployment({ replicas: 1.5 }),
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      'too large a number',
      deployment({ replicas: 2 ** 31 }),
      'json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      'a word for a list',
      deployment({ template: { spec: { containers: 'x' } } }),
      'json: cannot unmarshal string into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
    ],
    [
      'a number for a word',
      containers({ env: [{ value: 1 }] }),
      'json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string',
    ],
    [
      'a number as a label',
      { ...deployment({}), metadata: { labels: { a: 1 } } },
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    ['a list for an object', deployment([]), 'json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec'],
    [
      'a bad quantity',
      containers({ resources: { limits: { cpu: 'lots' } } }),
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      'a truth for a port',
      containers({ livenessProbe: { httpGet: { port: true } } }),
      'json: cannot unmarshal bool into Go value of type int32',
    ],
    [
      'unknown fields',
      containers({ nam: 'a' }, { imag: 'b' }),
      'strict decoding error: unknown field "spec.template.spec.containers[0].nam", unknown field "spec.template.spec.containers[1].imag"',
    ],
  ])('%s', (_, value, message) => {
    expect(refusal(() => decoded(value))).toEqual({ code: 400, message: head + message })
  })

  it('says which bytes are no base64', () => {
    const secret = { apiVersion: 'v1', kind: 'Secret', data: { a: 'not base64!' } }
    expect(refusal(() => decodeObject(schemaOf('Secret'), secret, { fieldValidation: 'Ignore' })).message).toContain(
      'illegal base64 data at input byte 3',
    )
  })

  it('answers 422 for what a patch has made', () => {
    const act = () => decodeObject(schemaOf('Deployment'), deployment({ x: 1 }), { fieldValidation: 'Strict', patch: { spec: { x: 1 } } })
    expect(refusal(act).code).toBe(422)
  })

  it('keeps no unknown field, and warns only if asked to', () => {
    const value = deployment({ replicas: 1, x: 1 })
    expect(decoded(value, 'Warn')).toEqual({ object: deployment({ replicas: 1 }), warnings: ['unknown field "spec.x"'] })
    expect(decoded(value, 'Ignore').warnings).toEqual([])
  })
})

describe('what decoding changes', () => {
  it('gives quantities, times and numbers their canonical form', () => {
    const value = {
      ...containers({ resources: { limits: { memory: '1024Mi', cpu: 0.5 } } }),
      metadata: { creationTimestamp: '2024-01-02T03:04:05.678+01:00' },
    }
    expect(decoded(value).object).toEqual({
      ...containers({ resources: { limits: { memory: '1Gi', cpu: '500m' } } }),
      metadata: { creationTimestamp: '2024-01-02T02:04:05Z' },
    })
  })
  it('counts null as absent, in lists and maps as the zero value', () => {
    const value = { ...deployment({ replicas: null, template: { spec: { containers: [null] } } }), metadata: { labels: { a: null } } }
    expect(decoded(value).object).toEqual({ ...containers({}), metadata: { labels: { a: '' } } })
  })
  it('drops empty lists and maps that are optional, and keeps empty objects', () => {
    const value = deployment({ template: { metadata: { labels: {} }, spec: { containers: [], tolerations: [], securityContext: {} } } })
    expect(decoded(value).object).toEqual(deployment({ template: { metadata: {}, spec: { containers: [], securityContext: {} } } }))
  })
  it('leaves a hostile key as data', () => {
    const value = JSON.parse('{"metadata":{"labels":{"__proto__":"x"}}}') as object
    const labels = (decodeObject(schemaOf('Pod'), value, { fieldValidation: 'Strict' }).object as { metadata: { labels: object } }).metadata
      .labels
    expect(Object.keys(labels)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype)
  })

  /** Alpha fields of releases after the one that the models are of. */
  const newer = /\.(mode|user|defaultUser|protocol|bindMountOptions|evictionResponders|podPreemptionPolicy|volumeHealth|mapping|overhead)"$/
  const fixtures = new URL('../../../shared/k8s-data/fixtures/', import.meta.url)
  it.skipIf(!existsSync(fixtures))('knows every field of upstream’s filled-in objects', () => {
    const known = new Map(kinds.map((kind) => [`${kind.group || 'core'}.${kind.version}.${kind.kind}.json`, kind]))
    const complaints = readdirSync(fixtures).flatMap((file) => {
      const kind = known.get(file)
      if (!kind) return []
      const value = JSON.parse(readFileSync(new URL(file, fixtures), 'utf8')) as object
      return decodeObject(kind.schema, value, { fieldValidation: 'Warn' }).warnings.map((warning) => `${file}: ${warning}`)
    })
    expect(complaints.filter((complaint) => !newer.test(complaint))).toEqual([])
  })
})

describe('bodies', () => {
  const read = (text: string, type = 'application/json') =>
    parseBody(new TextEncoder().encode(text), type, { findDuplicates: true, limits: { maxBytes: 1000, maxDepth: 20 } })
  it('finds duplicate fields with their paths', async () => {
    const { duplicates, value } = await read('{"a":1,"b":[{"c":"\\"c\\":","c":2}],"a":2, "d": {"a":1}}')
    expect(duplicates).toEqual(['duplicate field "b[0].c"', 'duplicate field "a"'])
    expect(value).toMatchObject({ a: 2 })
  })
  it('reads YAML as kubectl does', async () => {
    const { value, duplicates } = await read('a: yes\nb: 0777\nc: "yes"\na: no\n', 'application/yaml')
    expect(value).toEqual({ a: false, b: 511, c: 'yes' })
    expect(duplicates).toEqual(['yaml: unmarshal errors:\n  line 4: key "a" already set in map'])
  })
  it('tells the first duplicates of many, however long their paths', async () => {
    const long = 'k'.repeat(40_000)
    const many = `{"${long}":{${Array.from({ length: 500 }, (_, i) => `"a${i}":1,"a${i}":2`)}}}`
    const { duplicates } = await parseBody(Buffer.from(many), 'application/json', { findDuplicates: true })
    expect(duplicates.length).toBe(3)
    const few = `{${Array.from({ length: 500 }, (_, i) => `"a${i}":1,"a${i}":2`)}}`
    expect((await parseBody(Buffer.from(few), 'application/json', { findDuplicates: true })).duplicates.length).toBe(100)
  })
  it('looks for duplicates in nothing that is too deep', async () => {
    const deep = `${'{"a":0,"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
    const cpu = process.cpuUsage()
    await expect(parseBody(Buffer.from(deep), 'application/json', { findDuplicates: true })).rejects.toThrow('exceeded max depth')
    expect(process.cpuUsage(cpu).user / 1000).toBeLessThan(2_000)
  })
  it('refuses YAML that is deeper than its reader', async () => {
    await expect(parseBody(Buffer.from('['.repeat(20_000)), 'application/yaml', { findDuplicates: true })).rejects.toMatchObject({
      status: { code: 400 },
    })
  })
  it.each([
    ['{', 'application/json', 400],
    ['a: [', 'application/yaml', 400],
    ['{}', 'text/plain', 415],
    [`"${'x'.repeat(2000)}"`, 'application/json', 413],
    ['['.repeat(30) + ']'.repeat(30), 'application/json', 400],
  ])('refuses %s', async (text, type, code) => {
    await expect(read(text, type)).rejects.toMatchObject({ status: { code } })
  })
})
