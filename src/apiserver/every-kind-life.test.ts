import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { Kind } from '../api/kind.ts'
import { kinds } from '../api/registry.ts'
import { TestServer } from './testing/test-server.ts'

/** What upstream's conformance suite asks of each API: every verb, every step told to a watch, dry runs, apply and deletecollection. */
let server: TestServer
beforeAll(async () => {
  server = await TestServer.start()
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name: 'default' } } })
})
afterAll(() => server.close())

interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; labels?: Record<string, string> }
}
const text = readFileSync(new URL('../../test/e2e/every-kind.yaml', import.meta.url), 'utf8')
const manifests = parseAllDocuments(text).map((document) => document.toJS() as Manifest)
const versionOf = ({ group, version }: Kind): string => (group ? `${group}/${version}` : version)
const seen = new Set<Kind>()
const rows = manifests.flatMap((manifest): [string, Kind, Manifest][] => {
  const kind = kinds.find((one) => one.kind === manifest.kind && versionOf(one) === manifest.apiVersion)
  if (!kind || seen.has(kind) || (kind.verbs && !kind.verbs.includes('deletecollection'))) return []
  seen.add(kind)
  return [[`${manifest.apiVersion} ${manifest.kind}`, kind, manifest]]
})
/** Their names are decided by what they hold, or one spoils the others. */
const unnamed = new Set(['apiservices', 'customresourcedefinitions', 'ipaddresses', 'servicecidrs', 'clustertrustbundles'])
/** Only ever go in steps. */
const lingering = new Set(['namespaces', 'persistentvolumes', 'persistentvolumeclaims', 'servicecidrs'])

/** Controllers in the server itself write to them as well. */
const looked = new Set(['flowschemas', 'prioritylevelconfigurations'])

const merge = 'application/merge-patch+json'
const apply = 'application/apply-patch+yaml'

describe('the life of', () => {
  test.each(rows)('%s', async (_, kind, manifest) => {
    const { group, version, plural, namespaced } = kind
    const root = group ? `/apis/${group}/${version}` : `/api/${version}`
    const path = `${root}${namespaced ? '/namespaces/default' : ''}/${plural}`
    const named = (name: string) => ({
      ...manifest,
      metadata: { ...manifest.metadata, name: unnamed.has(plural) ? manifest.metadata.name : name, labels: { life: plural } },
    })
    const names = unnamed.has(plural) ? [manifest.metadata.name] : ['life-a', 'life-b', 'life-c']
    const [first = ''] = names
    const list = async () => (await server.ask('GET', `${path}?labelSelector=life%3D${plural}`)).object
    const { metadata } = await list()
    const watch = await server.watch(`${path}?watch=1&labelSelector=life%3D${plural}&resourceVersion=${metadata.resourceVersion}`)
    const told = async (...events: string[]) => {
      if (!looked.has(plural)) expect((await watch.take(events.length)).sort()).toEqual(events.sort())
    }

    const dry = await server.ask('POST', `${path}?dryRun=All`, { body: named(first) })
    expect([dry.code, dry.object.message]).toEqual([201, undefined])
    for (const name of names) expect((await server.ask('POST', path, { body: named(name) })).code).toBe(201)
    await told(...names.map((name) => `ADDED ${name}`))
    expect((await list()).items.map((item) => item.metadata.name)).toEqual(names)
    expect(await server.refusal('POST', path, { body: named(first) })).toMatch(/^409 .*already exists/)

    const one = `${path}/${first}`
    const patched = await server.ask('PATCH', one, { contentType: merge, body: { metadata: { annotations: { patched: 'yes' } } } })
    expect([patched.code, patched.object.metadata.annotations]).toMatchObject([200, { patched: 'yes' }])
    const { object } = await server.ask('GET', one)
    const changed = { ...object, metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, updated: 'yes' } } }
    const updated = await server.ask('PUT', one, { body: changed })
    expect([updated.code, updated.object.message, updated.object.metadata.annotations]).toMatchObject([200, undefined, { updated: 'yes' }])
    expect(await server.refusal('PUT', one, { body: changed })).toMatch(/^409 .*the object has been modified/)
    await told(`MODIFIED ${first}`, `MODIFIED ${first}`)

    if (kind.hasStatus) {
      const status = await server.ask('PATCH', `${one}/status`, {
        ...{ contentType: merge, body: { metadata: { annotations: { status: 'yes' } } } },
      })
      expect(status.code).toBe(200)
      const kept = kind.statusKeeps.includes('annotations')
      expect(status.object.metadata.annotations?.status).toBe(kept ? undefined : 'yes')
      if (!kept) await told(`MODIFIED ${first}`)
      expect((await server.ask('GET', `${one}/status`)).object.kind).toBe(kind.kind)
    }

    const { apiVersion, kind: kindName } = manifest
    const applied = { apiVersion, kind: kindName, metadata: { name: first, annotations: { applied: 'yes' } } }
    const answer = await server.ask('PATCH', `${one}?fieldManager=life`, { contentType: apply, body: applied })
    expect([answer.code, answer.object.message]).toEqual([200, undefined])
    expect([answer.code, answer.object.metadata.annotations]).toMatchObject([200, { applied: 'yes', patched: 'yes' }])
    expect(answer.object.metadata.managedFields?.map(({ manager }) => manager)).toContain('life')
    await told(`MODIFIED ${first}`)

    expect((await server.ask('DELETE', `${path}?dryRun=All&labelSelector=life%3D${plural}`)).code).toBe(200)
    expect((await list()).items).toHaveLength(names.length)
    const removed = await server.ask('DELETE', `${path}?labelSelector=life%3D${plural}`, {
      body: { gracePeriodSeconds: 0, propagationPolicy: 'Background' },
    })
    expect(removed.code).toBe(200)
    if (!lingering.has(plural)) {
      expect((await list()).items).toEqual([])
      await told(...names.map((name) => `DELETED ${name}`))
    }
    watch.stop()
  })
})
