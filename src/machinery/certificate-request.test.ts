import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type CertificateRequest, certificateRequestFault, parseCertificateRequest } from './certificate-request.ts'
import { certificateRequests } from './testing/certificate-requests.ts'

const pemOf = (bytes: Uint8Array): string =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(bytes).toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`

const nothing = { dnsNames: [], emails: [], addressCount: 0, uriCount: 0 }

test.each<[keyof typeof certificateRequests, CertificateRequest]>([
  ['person', { ...nothing, organizations: ['devs'], commonName: 'jane' }],
  ['kubelet', { ...nothing, organizations: ['system:nodes'], commonName: 'system:node:n1' }],
  ['kubeletServer', { ...nothing, organizations: ['system:nodes'], commonName: 'system:node:n1', dnsNames: ['n1'], addressCount: 1 }],
])('reads what a %s asks for', (name, asked) => {
  expect(parseCertificateRequest(certificateRequests[name])).toEqual(asked)
})

test('knows what is no request', () => {
  expect(parseCertificateRequest('')).toBeUndefined()
  expect(parseCertificateRequest(certificateRequests.person.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'))).toBeUndefined()
})

test.each(Object.keys(certificateRequests) as (keyof typeof certificateRequests)[])('%s: signed by its own key', (name) => {
  expect(certificateRequestFault(certificateRequests[name])).toBeUndefined()
})

test.each([
  ['person', 'jane', 'root', 'x509: ECDSA verification failure'],
  ['rsa', 'devs', 'boss', 'crypto/rsa: verification error'],
  ['ed25519', 'devs', 'boss', 'x509: Ed25519 verification failure'],
] as const)('%s: changed by somebody after it was signed', (name, from, to, fault) => {
  const der = Buffer.from(certificateRequests[name].replace(/-----[^-]+-----|\s/g, ''), 'base64')
  der.write(to, der.indexOf(from))
  expect(certificateRequestFault(pemOf(der))).toBe(fault)
})

test('an algorithm that is not for the key verifies nothing', () => {
  const der = Buffer.from(certificateRequests.ed25519.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  const ecdsa = Buffer.from(certificateRequests.person.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  // The last two parts of one behind what the other asks for.
  const info = der.subarray(3, 3 + 2 + (der[4] as number))
  const rest = ecdsa.subarray(3 + 3 + (ecdsa[5] as number))
  const body = Buffer.concat([info, rest])
  expect(certificateRequestFault(pemOf(Buffer.concat([Buffer.from([0x30, 0x81, body.length]), body])))).toBe(
    'x509: Ed25519 verification failure',
  )
})

test('says what is no request', () => {
  expect(certificateRequestFault('nonsense')).toBe('PEM block type must be CERTIFICATE REQUEST')
  expect(certificateRequestFault(pemOf(Buffer.from('nonsense')))).toBe('asn1: structure error: malformed certificate request')
})

test('answers for any bytes', () => {
  const sound = Buffer.from(certificateRequests.kubeletServer.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => parseCertificateRequest(pemOf(bytes)) === undefined))
  fc.assert(
    fc.property(fc.nat(sound.length - 1), fc.nat(255), (at, byte) => {
      const changed = Buffer.from(sound)
      changed[at] = byte
      const read = parseCertificateRequest(pemOf(changed))
      const sameAsSigned = changed.equals(sound)
      return (
        (read === undefined || typeof read.commonName === 'string') &&
        (certificateRequestFault(pemOf(changed)) === undefined) === sameAsSigned
      )
    }),
  )
})
