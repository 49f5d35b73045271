import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ConfigMap, Secret, ServiceAccount, TokenReview } from '../api/generated/types.ts'
import { configMaps, secrets, serviceAccounts } from '../api/registry.ts'
import { type Clock, timestamp } from '../host/clock.ts'
import { lineLog } from '../host/log.ts'
import { seededRandom } from '../host/seeded-random.ts'
import type { NewObject } from '../machinery/object.ts'
import { isNotFound } from '../machinery/status.ts'
import { anyCertificate } from '../machinery/testing/certificate-requests.ts'
import { detachedSignature } from './bootstrap/detached-signature.ts'
import { Informers } from './informers.ts'
import { legacyTokenCleaner, stepFor } from './legacy-token-cleaner.ts'
import { ControlPlane } from './testing/control-plane.ts'

const tokenReviews = { group: 'authentication.k8s.io', version: 'v1', plural: 'tokenreviews', kind: 'TokenReview', namespaced: false }
const hourMs = 3_600_000
let plane: ControlPlane
beforeEach(async () => {
  plane = await ControlPlane.start()
})
afterEach(async () => {
  await plane.close()
  expect(plane.errors).toEqual([])
})

async function review(token: string) {
  const made = await plane.client.resource<TokenReview>(tokenReviews).create({ metadata: {}, spec: { token } } as NewObject<TokenReview>)
  return made.status
}
/** Keys sign on threads of their own, which virtual time does not wait for. */
async function until<T>(look: () => Promise<T>, isSo: (found: T) => unknown): Promise<T> {
  for (let tries = 0; ; tries++) {
    await plane.rest()
    const found = await look()
    if (isSo(found) || tries === 200) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
const text = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString()
const isThere = (found: Promise<unknown>): Promise<boolean> =>
  found.then(
    () => true,
    (error) => {
      if (isNotFound(error)) return false
      throw error
    },
  )

describe('the token of an account in a Secret', () => {
  const accounts = () => plane.client.resource<ServiceAccount>(serviceAccounts, 'default')
  const inDefault = () => plane.client.resource<Secret>(secrets, 'default')
  const asking = (account: string): NewObject<Secret> => ({
    metadata: { name: 'robot-token', annotations: { 'kubernetes.io/service-account.name': account } },
    type: 'kubernetes.io/service-account-token',
  })
  async function filled(): Promise<Secret> {
    await accounts().create({ metadata: { name: 'robot' } })
    await inDefault().create(asking('robot'))
    return until(
      () => inDefault().get('robot-token'),
      ({ data }) => data?.token,
    )
  }

  test('is filled in, and speaks for the account', async () => {
    const { data = {}, metadata } = await filled()
    expect([text(data.namespace), text(data['ca.crt'])]).toEqual(['default', anyCertificate])
    const { uid } = (await accounts().get('robot')).metadata
    expect(metadata.annotations?.['kubernetes.io/service-account.uid']).toBe(uid)
    expect(await review(text(data.token))).toMatchObject({
      authenticated: true,
      user: { username: 'system:serviceaccount:default:robot', uid, groups: expect.arrayContaining(['system:serviceaccounts']) },
    })
    const day = timestamp(plane.clock.now()).slice(0, 10)
    const used = await until(
      () => inDefault().get('robot-token'),
      (secret) => secret.metadata.labels,
    )
    expect(used.metadata.labels).toEqual({ 'kubernetes.io/legacy-token-last-used': day })
  })

  test('goes with its account, for another of the same name too', async () => {
    const token = text((await filled()).data?.token)
    await accounts().delete('robot')
    expect((await review(token))?.authenticated).toBe(false)
    await accounts().create({ metadata: { name: 'robot' } })
    await plane.rest()
    expect(await isThere(inDefault().get('robot-token'))).toBe(false)
    expect((await review(token))?.error).toBe('[invalid bearer token, Token has been invalidated]')
  })

  test('of nobody is removed', async () => {
    await inDefault().create(asking('nobody'))
    await plane.rest()
    expect(await isThere(inDefault().get('robot-token'))).toBe(false)
  })

  test('is refused where the Secret says so, or holds another', async () => {
    const token = text((await filled()).data?.token)
    const since = { 'kubernetes.io/legacy-token-invalid-since': '2026-03-01' }
    await inDefault().patch('robot-token', { type: 'merge', body: { metadata: { labels: since } } })
    expect((await review(token))?.error).toMatch(
      /token in secret default\/robot-token for service account default\/robot has been marked invalid/,
    )
    const lifted = { metadata: { labels: { 'kubernetes.io/legacy-token-invalid-since': null } } }
    await inDefault().patch('robot-token', { type: 'merge', body: lifted })
    expect((await review(token))?.authenticated).toBe(true)
    await inDefault().patch('robot-token', { type: 'merge', body: { data: { token: 'eA==' } } })
    expect((await review(token))?.error).toBe("[invalid bearer token, Token does not match server's copy]")
  })
})

describe('a bootstrap token', () => {
  const inSystem = () => plane.client.resource<Secret>(secrets, 'kube-system')
  const make = (fields: Record<string, string> = {}, name = 'bootstrap-token-abcdef') =>
    inSystem().create({
      metadata: { name },
      type: 'bootstrap.kubernetes.io/token',
      stringData: {
        'token-id': 'abcdef',
        'token-secret': '0123456789abcdef',
        'usage-bootstrap-authentication': 'true',
        'usage-bootstrap-signing': 'true',
        ...fields,
      },
    })
  const token = 'abcdef.0123456789abcdef'

  test('speaks for itself and its groups', async () => {
    await make({ 'auth-extra-groups': 'system:bootstrappers:workers' })
    expect(await review(token)).toMatchObject({
      authenticated: true,
      user: {
        username: 'system:bootstrap:abcdef',
        groups: ['system:bootstrappers', 'system:bootstrappers:workers', 'system:authenticated'],
      },
    })
    expect((await review('abcdef.0123456789abcdee'))?.error).toBe('invalid bearer token')
  })

  test.each([
    ['that is not for it', { 'usage-bootstrap-authentication': 'false' }],
    ['that would give other groups', { 'auth-extra-groups': 'system:masters' }],
    ['of another id', { 'token-id': 'fedcba' }],
    ['whose end is no time', { expiration: 'tomorrow' }],
  ])('%s lets nobody in', async (_, fields) => {
    await make(fields)
    expect((await review(token))?.authenticated).toBe(false)
  })

  test('ends, and is removed then', async () => {
    await make({ expiration: timestamp(plane.clock.now() + hourMs) })
    await plane.rest()
    expect((await review(token))?.authenticated).toBe(true)
    await plane.clock.advance(hourMs)
    expect((await review(token))?.authenticated).toBe(false)
    expect(await isThere(inSystem().get('bootstrap-token-abcdef'))).toBe(false)
  })

  test('signs what strangers are told of the cluster', async () => {
    const maps = plane.client.resource<ConfigMap>(configMaps, 'kube-public')
    const signatures = async (): Promise<string[]> => Object.keys((await maps.get('cluster-info')).data ?? {}).sort()
    await maps.create({ metadata: { name: 'cluster-info' }, data: { kubeconfig: 'one', 'jws-kubeconfig-000000': 'stale' } })
    await make()
    await plane.rest()
    expect(await signatures()).toEqual(['jws-kubeconfig-abcdef', 'kubeconfig'])
    await maps.patch('cluster-info', { type: 'merge', body: { data: { kubeconfig: 'two' } } })
    await plane.rest()
    const { data } = await maps.get('cluster-info')
    const { flattenedVerify } = await import('jose')
    const [header = '', , signature = ''] = (data?.['jws-kubeconfig-abcdef'] ?? '').split('.')
    const whole = { protected: header, payload: Buffer.from('two').toString('base64url'), signature }
    expect((await flattenedVerify(whole, Buffer.from('0123456789abcdef'))).protectedHeader).toEqual({ alg: 'HS256', kid: 'abcdef' })
    await inSystem().delete('bootstrap-token-abcdef')
    await plane.rest()
    expect(await signatures()).toEqual(['kubeconfig'])
  })
})

test('a detached signature has a place for its content, and nothing in it', () => {
  expect(detachedSignature('content', 'abcdef', 'secret')).toMatch(/^[\w-]+\.\.[\w-]{43}$/)
})

describe('tokens of accounts that nobody uses', () => {
  const secret = (labels: Record<string, string> = {}) =>
    ({ metadata: { name: 't', creationTimestamp: '2020-01-01T00:00:00Z', labels } }) as unknown as Secret
  const at = { made: true, mounted: false, atMs: Date.parse('2025-03-01T12:00:00Z') }
  const used = (date: string) => ({ 'kubernetes.io/legacy-token-last-used': date })
  const invalid = (date: string) => ({ 'kubernetes.io/legacy-token-invalid-since': date })

  test.each([
    ['never used', secret(), at, 'invalidate'],
    ['used long ago', secret(used('2024-01-01')), at, 'invalidate'],
    ['used of late', secret(used('2025-06-01')), at, 'keep'],
    ['made by somebody', secret(), { ...at, made: false }, 'keep'],
    ['that a pod names', secret(), { ...at, mounted: true }, 'keep'],
    ['made of late', secret(), { ...at, atMs: Date.parse('2019-01-01') }, 'keep'],
    ['out of use of late', secret(invalid('2025-06-01')), at, 'keep'],
    ['out of use for a year', secret(invalid('2025-02-01')), at, 'delete'],
    ['out of use, and used since', secret({ ...invalid('2025-02-01'), ...used('2025-06-01') }), at, 'keep'],
  ] as const)('%s', (_, token, facts, step) => expect(stepFor(token, facts)).toBe(step))

  test('are out of use after a year, and gone after two', async () => {
    /** What the cleaner does that many days later: other controllers have no part in it, and need not live through them. */
    async function cleanIn(days: number): Promise<void> {
      const { client, clock } = plane
      const stop = new AbortController()
      const later: Clock = {
        now: () => clock.now() + days * 24 * hourMs,
        monotonic: () => clock.monotonic(),
        after: (delayMs, run) => clock.after(delayMs, run),
        sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
      }
      const log = lineLog((line) => plane.errors.push(line), { level: 'error', now: later.now })
      const deps = { client, clock: later, random: seededRandom(1), log, signal: stop.signal }
      const informers = new Informers(deps)
      const run = legacyTokenCleaner({ ...deps, informers })
      await plane.rest()
      const ended = run()
      await plane.rest()
      stop.abort(new Error('the cleaner has cleaned'))
      await ended
    }
    const inDefault = plane.client.resource<Secret>(secrets, 'default')
    await plane.client
      .resource<ServiceAccount>(serviceAccounts, 'default')
      .create({ metadata: { name: 'robot' }, secrets: [{ name: 'made' }] })
    const annotations = { 'kubernetes.io/service-account.name': 'robot' }
    for (const name of ['made', 'own']) {
      await inDefault.create({ metadata: { name, annotations }, type: 'kubernetes.io/service-account-token' })
    }
    const { data } = await until(
      () => inDefault.get('made'),
      (made) => made.data?.token,
    )
    await cleanIn(360)
    expect((await review(text(data?.token)))?.authenticated).toBe(true)
    await cleanIn(400)
    expect((await review(text(data?.token)))?.error).toMatch(/has been marked invalid/)
    await cleanIn(700)
    expect(await isThere(inDefault.get('made'))).toBe(true)
    await cleanIn(800)
    expect([await isThere(inDefault.get('made')), await isThere(inDefault.get('own'))]).toEqual([false, true])
  })
})
