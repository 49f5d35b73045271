import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import type { Kind } from '../api/kind.ts'
import { kinds, storedKinds } from '../api/registry.ts'
import { silentLog } from '../host/log.ts'
import { VirtualClock } from '../host/virtual-clock.ts'
import type { ApiRequest } from '../machinery/api-request.ts'
import { decodeObject } from '../machinery/decode.ts'
import type { KubeObject } from '../machinery/object.ts'
import { MemoryStore } from '../storage/memory-store.ts'
import { jsonBytes } from './answer-bytes.ts'
import { Objects } from './objects.ts'
import { presentationOf } from './presentation.ts'
import { protobufBytes } from './protobuf-answer.ts'
import { decodeProtobuf } from './protobuf-body.ts'
import { inForm, readStored, storedKindOf } from './served-form.ts'
import { admin } from './testing/test-server.ts'
import { WatchCache } from './watch-cache.ts'

/**
 * Upstream's objects with every field filled in, beside the repository if they are there: read, stored, read back and answered, in
 * every form. They would not pass validation: what lies between the edge and the store is left out.
 */
const fixtures = new URL('../../../shared/k8s-data/fixtures/', import.meta.url)
const published = kinds.filter(({ group }) => !/^api(extensions|registration)\./.test(group))
const forms = { json: 'application/json', yaml: 'application/yaml', pb: 'application/vnd.kubernetes.protobuf' } as const

const fixtureOf = ({ group, version, kind }: Kind, form: keyof typeof forms): Buffer =>
  readFileSync(new URL(`${group || 'core'}.${version}.${kind}.${form}`, fixtures))

describe.skipIf(!existsSync(fixtures))('every field of every kind survives', () => {
  const clock = new VirtualClock()
  const store = new MemoryStore({ clock })
  let cache: WatchCache
  let objects: Objects
  beforeAll(async () => {
    cache = await WatchCache.start(storedKinds, { store, clock, log: silentLog })
    objects = new Objects(store, cache, { eventTtlSeconds: 3600 })
  })
  afterAll(async () => {
    await cache.close()
    await store.close()
  })

  const request = (contentType: string, body: Buffer): ApiRequest => ({
    method: 'POST',
    path: '/',
    query: new URLSearchParams(),
    contentType,
    accept: '',
    userAgent: '',
    body,
    user: admin,
    signal: new AbortController().signal,
  })
  const cases = published.flatMap((kind) =>
    (['json', 'yaml', 'pb'] as const).map((form) => [`${kind.group}/${kind.version} ${kind.kind}`, form, kind] as const),
  )

  test.each(cases)('%s as %s', async (_, form, kind) => {
    const { object } = await readStored(request(forms[form], fixtureOf(kind, form)), kind, 'Strict')
    const name = `${kind.group || 'core'}-${kind.version}-${form}`
    object.metadata.name = name
    const place = { kind: storedKindOf(kind), namespace: kind.namespaced ? 'default' : undefined, name }
    expect(await objects.insert(place, object, false)).toBeDefined()
    const item = await objects.read(place)
    const plain = presentationOf(kind, undefined, null, () => 0)
    const answer = (kind.storedAs ? inForm(kind, kind.storedAs, plain) : plain).one(item.object) as KubeObject

    const given = JSON.parse(fixtureOf(kind, 'json').toString()) as KubeObject
    const expected = decodeObject<KubeObject>(kind.schema, given, { fieldValidation: 'Strict' }).object
    Object.assign(expected.metadata, { name, resourceVersion: String(item.revision) })
    expect(answer).toEqual(expected)
    expect(JSON.parse(jsonBytes(answer).toString())).toEqual(expected)
    expect(parse(stringify(answer, { version: '1.1' }))).toEqual(expected)
    const decoded = decodeProtobuf(protobufBytes(answer) as Buffer, () => kind.schema)
    expect(decodeObject(kind.schema, decoded, { fieldValidation: 'Strict' }).object).toEqual(expected)
  })
})
