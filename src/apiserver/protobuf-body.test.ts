import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { kinds } from '../api/registry.ts'
import { schemaOf } from '../api/schema.ts'
import { decodeObject } from '../machinery/decode.ts'
import { decodeProtobuf } from './protobuf-body.ts'
import { reviews } from './virtual-resources.ts'

/** Upstream's objects with every field filled in, in both forms: an oracle that lies beside the repository, if it is there. */
const fixtures = join(import.meta.dirname, '../../../shared/k8s-data/fixtures')
const groupOf = (group: string): string => group || 'core'

describe.skipIf(!existsSync(fixtures))('protobuf says what JSON says', () => {
  const stored = kinds.map(({ group, version, kind, schema }) => ({ group, version, kind, schema }))
  const asked = reviews.map(({ group, version, kind }) => ({ group, version, kind, schema: schemaOf(kind) }))
  test.each([...stored, ...asked].map((kind) => [kind.kind, kind] as const))('%s', (_name, kind) => {
    const file = join(fixtures, `${groupOf(kind.group)}.${kind.version}.${kind.kind}`)
    const json = JSON.parse(readFileSync(`${file}.json`, 'utf8'))
    const decoded = decodeProtobuf(readFileSync(`${file}.pb`), () => kind.schema)
    const options = { fieldValidation: 'Ignore' } as const
    expect(decodeObject(kind.schema, decoded, options).object).toEqual(decodeObject(kind.schema, json, options).object)
  })
})

test('bytes that are no message are refused', () => {
  const pods = kinds.find((kind) => kind.plural === 'pods')
  const schema = (): NonNullable<typeof pods>['schema'] => (pods as NonNullable<typeof pods>).schema
  for (const bytes of ['', 'nonsense', 'k8s\0\xff\xff\xff', 'k8s\0\x12\x7fshort']) {
    expect(() => decodeProtobuf(Buffer.from(bytes, 'latin1'), schema)).toThrow(/no valid protobuf message/)
  }
})
