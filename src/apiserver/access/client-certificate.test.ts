import { expect, test } from 'vitest'
import { anonymous, endOfPeer, userOfPeer } from './client-certificate.ts'

const socket = (certificate: object | null, authorized = true) => ({ authorized, getPeerCertificate: () => certificate })
const shown = (subject: object) => ({ subject, fingerprint256: 'AB:CD:01', valid_to: 'Mar  1 12:00:00 2026 GMT' })
const extra = { 'authentication.kubernetes.io/credential-id': ['X509SHA256=abcd01'] }

test.each([
  ['a name alone', { CN: 'jane' }, { name: 'jane', uid: '', groups: ['system:authenticated'] }],
  ['its organizations', { CN: 'jane', O: ['devs', 'ops'] }, { name: 'jane', uid: '', groups: ['devs', 'ops', 'system:authenticated'] }],
  ['the last of several names', { CN: ['first', 'last'] }, { name: 'last', uid: '', groups: ['system:authenticated'] }],
  ['a UID', { CN: 'jane', '1.3.6.1.4.1.57683.2': 'u1' }, { name: 'jane', uid: 'u1', groups: ['system:authenticated'] }],
])('a certificate with %s', (_, subject, user) => {
  expect(userOfPeer(socket(shown(subject)))).toEqual({ ...user, extra })
})

test('nobody is known by a certificate that names nobody, has two UIDs, or is somebody else’s', () => {
  expect(userOfPeer(socket(shown({ O: 'devs' })))).toBeUndefined()
  expect(userOfPeer(socket(shown({ CN: 'jane', '1.3.6.1.4.1.57683.2': ['u1', 'u2'] })))).toBeUndefined()
  expect(userOfPeer(socket(shown({ CN: 'jane' }), false))).toBeUndefined()
  expect(userOfPeer(socket(null))).toBeUndefined()
})

test('without one it is nobody in particular, for as long as the connection lasts', () => {
  expect(userOfPeer(socket({}))).toBe(anonymous)
  expect(endOfPeer(socket({}))).toBe(Number.POSITIVE_INFINITY)
  expect(endOfPeer(socket(shown({ CN: 'jane' })))).toBe(Date.parse('2026-03-01T12:00:00Z'))
})
