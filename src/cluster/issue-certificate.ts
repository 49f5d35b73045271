import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

/** A certificate and its private key, PEM. */
export interface KeyPair {
  cert: string
  key: string
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
type CryptoKey = webcrypto.CryptoKey
const crypto = webcrypto
x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[1])

const serverAuth = '1.3.6.1.5.5.7.3.1'
const clientAuth = '1.3.6.1.5.5.7.3.2'

function pem(label: string, bytes: ArrayBuffer): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** 127 random bits: positive, as RFC 5280 asks. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

async function toPair(certificate: x509.X509Certificate, privateKey: CryptoKey): Promise<KeyPair> {
  return { cert: `${certificate.toString('pem')}\n`, key: pem('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', privateKey)) }
}

/** A self-signed authority. Times are milliseconds since the epoch. */
export async function makeAuthority(options: { commonName: string; notBefore: number; notAfter: number }): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: new x509.Name([{ CN: [options.commonName] }]).toString(),
    notBefore: new Date(options.notBefore),
    notAfter: new Date(options.notAfter),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return await toPair(certificate, keys.privateKey)
}

async function importPrivateKey(key: string): Promise<CryptoKey> {
  const der = Buffer.from(key.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  return await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign'])
}

export async function issueCertificate(
  authority: KeyPair,
  wanted: {
    commonName: string
    organizations: readonly string[]
    usage: 'client' | 'server'
    dnsNames: readonly string[]
    addresses: readonly string[]
    notBefore: number
    notAfter: number
  },
): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const issuer = new x509.X509Certificate(authority.cert)
  const subject = [...wanted.organizations.map((organization) => ({ O: [organization] })), { CN: [wanted.commonName] }]
  const names = [
    ...wanted.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...wanted.addresses.map((value) => ({ type: 'ip' as const, value })),
  ]
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: new x509.Name(subject).toString(),
    issuer: issuer.subject,
    notBefore: new Date(wanted.notBefore),
    notAfter: new Date(wanted.notAfter),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: await importPrivateKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension(wanted.usage === 'server' ? [serverAuth] : [clientAuth]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(names.length ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  })
  return await toPair(certificate, keys.privateKey)
}

/** What the API calls the usages of a key, as X.509's flags. */
const keyUsages: Readonly<Record<string, number>> = {
  signing: x509.KeyUsageFlags.digitalSignature,
  'digital signature': x509.KeyUsageFlags.digitalSignature,
  'content commitment': x509.KeyUsageFlags.nonRepudiation,
  'key encipherment': x509.KeyUsageFlags.keyEncipherment,
  'key agreement': x509.KeyUsageFlags.keyAgreement,
  'data encipherment': x509.KeyUsageFlags.dataEncipherment,
  'cert sign': x509.KeyUsageFlags.keyCertSign,
  'crl sign': x509.KeyUsageFlags.cRLSign,
  'encipher only': x509.KeyUsageFlags.encipherOnly,
  'decipher only': x509.KeyUsageFlags.decipherOnly,
}
/** The others, which are extended key usages. */
const purposes: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': serverAuth,
  'client auth': clientAuth,
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1',
}

/** PEM of a certificate with the subject, names and key of a PEM request; undefined where that isn't signed by its own key. */
export async function signRequest(
  authority: KeyPair,
  wanted: { request: string; usages: readonly string[]; notBefore: number; notAfter: number },
): Promise<string | undefined> {
  const request = new x509.Pkcs10CertificateRequest(wanted.request)
  if (!(await request.verify())) return undefined
  const issuer = new x509.X509Certificate(authority.cert)
  if (issuer.notAfter.getTime() <= wanted.notBefore) throw new Error(`the authority has expired: ${issuer.notAfter.toISOString()}`)
  const flags = wanted.usages.reduce((sum, usage) => sum | (keyUsages[usage] ?? 0), 0)
  const extended = [...new Set(wanted.usages.flatMap((usage) => purposes[usage] ?? []))]
  const names = request.getExtension('2.5.29.17')
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: request.subjectName,
    issuer: issuer.subject,
    notBefore: new Date(wanted.notBefore),
    notAfter: new Date(Math.min(wanted.notAfter, issuer.notAfter.getTime())),
    signingAlgorithm: algorithm,
    publicKey: request.publicKey,
    signingKey: await importPrivateKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...(flags ? [new x509.KeyUsagesExtension(flags, true)] : []),
      ...(extended.length ? [new x509.ExtendedKeyUsageExtension(extended)] : []),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(names ? [names] : []),
    ],
  })
  return `${certificate.toString('pem')}\n`
}
