import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seededRandom } from '../../host/seeded-random.ts'
import { VirtualClock } from '../../host/virtual-clock.ts'
import type { UserInfo } from '../../machinery/api-request.ts'
import { pod, TestServer } from '../testing/test-server.ts'
import { authenticated, tokenOfProtocols, withoutToken } from './authentication.ts'
import { anonymous } from './client-certificate.ts'
import { ServiceAccountTokens } from './service-account-tokens.ts'
import { authenticateToken, RefusedTokenError } from './token-authenticator.ts'
import { newServiceAccountKey } from './token-signatures.ts'

const account = '/api/v1/namespaces/default/serviceaccounts/robot'
const reviews = '/apis/authentication.k8s.io/v1/tokenreviews'
let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name: 'robot' } } })
})
afterAll(() => server.close())

async function request(spec: object = {}): Promise<{ code: number; token: string; message: string }> {
  const { code, object } = await server.ask('POST', `${account}/token`, { body: { spec } })
  return { code, token: (object.status as { token?: string }).token ?? '', message: object.message }
}
async function review(
  token: string,
  audiences?: string[],
): Promise<{ authenticated?: boolean; user?: { username?: string }; audiences?: string[] }> {
  const { object } = await server.ask('POST', reviews, { body: { spec: { token, ...(audiences ? { audiences } : {}) } } })
  return object.status
}

describe('a token that was asked for', () => {
  test('speaks for its account, to the API server', async () => {
    const { code, token } = await request()
    expect(code).toBe(201)
    expect(await review(token)).toMatchObject({
      authenticated: true,
      user: { username: 'system:serviceaccount:default:robot', groups: expect.arrayContaining(['system:serviceaccounts:default']) },
      audiences: ['https://kubernetes.default.svc.cluster.local'],
    })
  })
  test('for others says nothing to the API server', async () => {
    const { token } = await request({ audiences: ['vault'] })
    expect(await review(token)).toEqual({
      authenticated: false,
      user: {},
      error:
        '[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["https://kubernetes.default.svc.cluster.local"]]',
    })
    expect(await review(token, ['vault', 'other'])).toMatchObject({ authenticated: true, audiences: ['vault'] })
  })
  test('is bound to a pod: it ends when the pod does', async () => {
    await server.ask('POST', '/api/v1/namespaces/default/pods', { body: pod('bound', { serviceAccountName: 'robot' }) })
    const { token } = await request({ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'bound' } })
    expect(await review(token)).toMatchObject({ authenticated: true })
    await server.ask('DELETE', '/api/v1/namespaces/default/pods/bound')
    expect(await review(token)).toMatchObject({ authenticated: false })
  })
  test('ends with its account, even if one of the same name comes', async () => {
    await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name: 'brief' } } })
    const brief = account.replace('robot', 'brief')
    const { object } = await server.ask('POST', `${brief}/token`, { body: { spec: {} } })
    const { token = '' } = object.status as { token?: string }
    expect(await review(token)).toMatchObject({ authenticated: true })
    await server.ask('DELETE', brief)
    await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { body: { metadata: { name: 'brief' } } })
    expect(await review(token)).toMatchObject({ authenticated: false })
  })
  test.each<[string, object, RegExp]>([
    [
      'too short a time',
      { expirationSeconds: 60 },
      /^422 .*spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes/,
    ],
    ['a pod that is not there', { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'gone' } }, /^404 pods "gone" not found/],
    [
      'a thing that tokens are not bound to',
      { boundObjectRef: { apiVersion: 'v1', kind: 'Service', name: 'x' } },
      /^400 cannot bind token/,
    ],
  ])('is refused: %s', async (_, spec, refusal) => {
    const { code, message } = await request(spec)
    expect(`${code} ${message}`).toMatch(refusal)
  })
  test('can be verified by others', async () => {
    const { object } = await server.ask('GET', '/openid/v1/jwks')
    const { createLocalJWKSet, jwtVerify } = await import('jose')
    const { payload } = await jwtVerify((await request()).token, createLocalJWKSet(object as never))
    expect(payload.sub).toBe('system:serviceaccount:default:robot')
  })
})

describe('tokens', () => {
  const clock = new VirtualClock()
  const tokens = (key: string): ServiceAccountTokens =>
    new ServiceAccountTokens({ issuer: 'https://x', key, clock, random: seededRandom(1), isStillThere: () => true })
  const robot = { namespace: 'default', serviceAccount: { name: 'robot', uid: 'u' } }

  test('run out', async () => {
    const some = tokens(newServiceAccountKey())
    const { token } = await some.issue(robot, ['https://x'], 600)
    expect(await some.verify(token)).toBeDefined()
    await clock.advance(601_000)
    await expect(some.verify(token)).rejects.toThrow('service account token has expired')
  })
  test.each<[string, (token: string) => string]>([
    ['of another key', (token) => token],
    ['cut short', (token) => token.slice(0, -4)],
    ['without a signature', (token) => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]}.`],
    ['that are none', () => 'x'],
    ['that are empty', () => ''],
  ])('%s are nobody’s', async (name, changed) => {
    const some = tokens(newServiceAccountKey())
    const other = name === 'of another key' ? tokens(newServiceAccountKey()) : some
    const { token } = await other.issue(robot, ['https://x'], 600)
    await expect(authenticateToken(changed(token), ['https://x'], [(...asked) => some.verify(...asked)])).rejects.toThrow(
      /invalid bearer token/,
    )
  })
})

describe('the caller', () => {
  const jane: UserInfo = { name: 'jane', uid: '', groups: [], extra: {} }
  const known = async (token: string): Promise<UserInfo> => {
    if (token === 'good') return jane
    throw new RefusedTokenError('not good')
  }

  test('is whom the certificate names, whatever token comes with it', async () => {
    expect(await authenticated(jane, 'Bearer bad', known)).toBe(jane)
  })
  test('is whom the token speaks for', async () => expect(await authenticated(anonymous, 'Bearer good', known)).toBe(jane))
  test('is nobody in particular without either', async () => expect(await authenticated(anonymous, '', known)).toBe(anonymous))
  test.each(['Bearer bad', 'Basic Zm9v', 'Bearer', 'nonsense'])('with %j is refused', async (header) => {
    await expect(authenticated(anonymous, header, known)).rejects.toThrow('Unauthorized')
  })
  test('with a certificate that is not ours is refused', async () => {
    await expect(authenticated(undefined, 'Bearer good', known)).rejects.toThrow('Unauthorized')
  })
  test('offers its token as a WebSocket protocol where it cannot set headers', () => {
    const coded = Buffer.from('good').toString('base64url')
    expect(tokenOfProtocols(`v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.${coded}`)).toBe('good')
    expect(tokenOfProtocols('v5.channel.k8s.io')).toBeUndefined()
    expect(withoutToken(`v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.${coded}, v4.channel.k8s.io`)).toBe(
      'v5.channel.k8s.io, v4.channel.k8s.io',
    )
  })
})
