import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { UnsignableRequestError } from '../controllers/certificates/signing.ts'
import { certificateRequests } from '../machinery/testing/certificate-requests.ts'
import { makeAuthority } from './issue-certificate.ts'
import { signerOf } from './sign-request.ts'

const dayMs = 86_400_000
const now = Date.parse('2026-03-01T00:00:00Z')
const authority = await makeAuthority({ commonName: 'ca', notBefore: now, notAfter: now + 10 * dayMs })
const sign = signerOf(authority)
const times = { notBefore: now, notAfter: now + dayMs }

test('a certificate has the subject, names and key of its request, and the usages asked for', async () => {
  const pem = await sign({ request: certificateRequests.kubeletServer, usages: ['digital signature', 'server auth'], ...times })
  const certificate = new X509Certificate(pem)
  expect(certificate.subject).toBe('O=system:nodes\nCN=system:node:n1')
  expect(certificate.subjectAltName).toBe('DNS:n1, IP Address:10.0.0.1')
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
  expect(certificate.ca).toBe(false)
  expect(certificate.verify(new X509Certificate(authority.cert).publicKey)).toBe(true)
  expect([certificate.validFromDate, certificate.validToDate].map(Number)).toEqual([now, now + dayMs])
})

test('none outlives its authority', async () => {
  const pem = await sign({ request: certificateRequests.person, usages: ['client auth'], ...times, notAfter: now + 365 * dayMs })
  expect(new X509Certificate(pem).validToDate.getTime()).toBe(now + 10 * dayMs)
})

test.each(['rsa', 'ed25519'] as const)('keys may be %s', async (kind) => {
  const certificate = new X509Certificate(await sign({ request: certificateRequests[kind], usages: ['client auth'], ...times }))
  expect(certificate.publicKey.asymmetricKeyType).toBe(kind)
  expect(certificate.verify(new X509Certificate(authority.cert).publicKey)).toBe(true)
})

test('a request that another key has signed is refused', async () => {
  const der = Buffer.from(certificateRequests.person.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  const cn = der.indexOf('jane')
  der.write('root', cn)
  const request = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
  await expect(sign({ request, usages: ['client auth'], ...times })).rejects.toThrow(UnsignableRequestError)
})
