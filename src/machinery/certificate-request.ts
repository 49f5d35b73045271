import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { pemBlocks } from './pem.ts'

/** What a PKCS #10 certificate request (RFC 2986) asks for, as far as anybody here decides by it. */
export interface CertificateRequest {
  readonly commonName: string
  readonly organizations: readonly string[]
  readonly dnsNames: readonly string[]
  readonly emails: readonly string[]
  /** How many addresses and URIs there are; what they are is the signer's to copy. */
  readonly addressCount: number
  readonly uriCount: number
}

interface Element {
  readonly tag: number
  readonly content: Uint8Array
  /** Its tag and length too. */
  readonly whole: Uint8Array
}

const sequence = 0x30
const set = 0x31
const objectIdentifier = 0x06
const octetString = 0x04
const bitString = 0x03
/** `[0]` of the request: its attributes. */
const attributesTag = 0xa0

const commonNameId = '550403'
const organizationId = '55040a'
/** 1.2.840.113549.1.9.14: the attribute that holds the extensions asked for. */
const extensionRequestId = '2a864886f70d01090e'
const subjectAlternativeNameId = '551d11'

class MalformedDerError extends Error {}

/** One element of DER and what is behind it. */
function readElement(bytes: Uint8Array): { element: Element; rest: Uint8Array } {
  const [tag, first] = bytes
  if (tag === undefined || first === undefined) throw new MalformedDerError('an element is cut off')
  let length = first
  let header = 2
  if (first >= 0x80) {
    const count = first & 0x7f
    if (count === 0 || count > 4 || bytes.length < 2 + count) throw new MalformedDerError('a length is none of DER')
    length = bytes.subarray(2, 2 + count).reduce((sum, byte) => sum * 256 + byte, 0)
    header += count
  }
  const end = header + length
  if (end > bytes.length) throw new MalformedDerError('an element is cut off')
  return { element: { tag, content: bytes.subarray(header, end), whole: bytes.subarray(0, end) }, rest: bytes.subarray(end) }
}

function childrenOf(bytes: Uint8Array): Element[] {
  const children: Element[] = []
  for (let rest = bytes; rest.length > 0; ) {
    const next = readElement(rest)
    children.push(next.element)
    rest = next.rest
  }
  return children
}

function mustBe(element: Element | undefined, tag: number, what: string): Element {
  if (element?.tag !== tag) throw new MalformedDerError(`${what} is missing`)
  return element
}

const idOf = (element: Element | undefined): string =>
  Buffer.from(mustBe(element, objectIdentifier, 'an object identifier').content).toString('hex')

/** Values of a name's attribute, in order. BMPString (0x1e) is UTF-16; the other string types are read as UTF-8. */
function namePart(name: Element, id: string): string[] {
  return childrenOf(name.content)
    .flatMap((relative) => childrenOf(mustBe(relative, set, 'a part of the subject').content))
    .map((pair) => childrenOf(mustBe(pair, sequence, 'a part of the subject').content))
    .filter(([type]) => idOf(type) === id)
    .map(([, value]) => {
      if (!value) throw new MalformedDerError('a part of the subject has no value')
      return value.tag === 0x1e ? Buffer.from(value.content).swap16().toString('utf16le') : Buffer.from(value.content).toString()
    })
}

function alternativeNames(attributes: Element | undefined): Element[] {
  for (const attribute of attributes ? childrenOf(attributes.content) : []) {
    const [type, values] = childrenOf(attribute.content)
    if (idOf(type) !== extensionRequestId) continue
    for (const extension of childrenOf(mustBe(values, set, 'an attribute').content).flatMap(({ content }) => childrenOf(content))) {
      const [id, ...rest] = childrenOf(extension.content)
      if (idOf(id) !== subjectAlternativeNameId) continue
      const { element } = readElement(mustBe(rest.at(-1), octetString, 'an extension').content)
      return childrenOf(mustBe(element, sequence, 'the alternative names').content)
    }
  }
  return []
}

/** The bytes of the first PEM block, or undefined where that is no certificate request. */
function derOf(pem: string): Uint8Array | undefined {
  const [block] = pemBlocks(pem)
  return block?.label === 'CERTIFICATE REQUEST' ? Buffer.from(block.content, 'base64') : undefined
}

interface Parts {
  /** What is signed. */
  readonly info: Element
  readonly algorithm: string
  readonly signature: Uint8Array
}

function partsOf(der: Uint8Array): Parts {
  const { element, rest } = readElement(der)
  if (rest.length > 0) throw new MalformedDerError('there is something behind the request')
  const [info, algorithm, signature, ...more] = childrenOf(mustBe(element, sequence, 'the request').content)
  if (more.length > 0) throw new MalformedDerError('the request has more than three parts')
  const [id] = childrenOf(mustBe(algorithm, sequence, 'the algorithm of the signature').content)
  const bits = mustBe(signature, bitString, 'the signature').content
  if (bits[0] !== 0) throw new MalformedDerError('the signature is no whole number of bytes')
  return { info: mustBe(info, sequence, 'what is asked for'), algorithm: idOf(id), signature: bits.subarray(1) }
}

interface Info {
  readonly subject: Element
  readonly key: Element
  readonly attributes: Element | undefined
}

function infoOf({ content }: Element): Info {
  const [, subject, key, attributes] = childrenOf(content)
  return {
    subject: mustBe(subject, sequence, 'the subject'),
    key: mustBe(key, sequence, 'the public key'),
    attributes: attributes?.tag === attributesTag ? attributes : undefined,
  }
}

function askedIn({ subject, attributes }: Info): CertificateRequest {
  const names = alternativeNames(attributes)
  const texts = (tag: number): string[] => names.filter((one) => one.tag === tag).map(({ content }) => Buffer.from(content).toString())
  return {
    // As Go reads it: the last one counts.
    commonName: namePart(subject, commonNameId).at(-1) ?? '',
    organizations: namePart(subject, organizationId),
    emails: texts(0x81),
    dnsNames: texts(0x82),
    uriCount: texts(0x86).length,
    addressCount: texts(0x87).length,
  }
}

/** Undefined: this is no certificate request. Whether it is signed by its key, {@link certificateRequestFault} tells. */
export function parseCertificateRequest(pem: string): CertificateRequest | undefined {
  const der = derOf(pem)
  return der && unlessMalformed(() => askedIn(infoOf(partsOf(der).info)))
}

function unlessMalformed<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof MalformedDerError || error instanceof RangeError) return undefined
    throw error
  }
}

/** Digests by the identifier of the algorithm that signs with them; undefined: the algorithm has its own. */
const signatureDigests: ReadonlyMap<string, string | undefined> = new Map([
  ['2a864886f70d010105', 'sha1'],
  ['2a864886f70d01010b', 'sha256'],
  ['2a864886f70d01010c', 'sha384'],
  ['2a864886f70d01010d', 'sha512'],
  ['2a8648ce3d0401', 'sha1'],
  ['2a8648ce3d040302', 'sha256'],
  ['2a8648ce3d040303', 'sha384'],
  ['2a8648ce3d040304', 'sha512'],
  ['2b6570', undefined],
])

const verificationFailures: Readonly<Record<string, string>> = {
  rsa: 'crypto/rsa: verification error',
  ec: 'x509: ECDSA verification failure',
  ed25519: 'x509: Ed25519 verification failure',
}
const curves = ['prime256v1', 'secp384r1', 'secp521r1']

/**
 * Why nothing is signed for this: no request, or one that isn't signed by the key that it is for, so that nobody gets a
 * certificate for somebody else's key. Worded as Go words it, where it does.
 */
export function certificateRequestFault(pem: string): string | undefined {
  const der = derOf(pem)
  if (!der) return 'PEM block type must be CERTIFICATE REQUEST'
  const read = unlessMalformed(() => {
    const parts = partsOf(der)
    const info = infoOf(parts.info)
    askedIn(info)
    return { ...parts, key: info.key }
  })
  const key = read && publicKeyOf(read.key)
  if (!key) return 'asn1: structure error: malformed certificate request'
  const { algorithm, info, signature } = read
  const failure = verificationFailures[key.asymmetricKeyType ?? '']
  if (!failure || !signatureDigests.has(algorithm)) return 'x509: cannot verify signature: algorithm unimplemented'
  const curve = key.asymmetricKeyDetails?.namedCurve
  if (key.asymmetricKeyType === 'ec' && !curves.includes(curve ?? '')) return 'x509: unsupported elliptic curve'
  return isSigned(info.whole, key, signatureDigests.get(algorithm), signature) ? undefined : failure
}

function isSigned(bytes: Uint8Array, key: KeyObject, digest: string | undefined, signature: Uint8Array): boolean {
  return unlessUnusable(() => verify(digest, bytes, key, signature)) === true
}

function publicKeyOf({ whole }: Element): KeyObject | undefined {
  return unlessUnusable(() => createPublicKey({ key: Buffer.from(whole), format: 'der', type: 'spki' }))
}

/** A key of another kind than the algorithm takes, one that is beyond all measure, one that is none. */
function unlessUnusable<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    // OpenSSL and Node each have their own kinds of errors for what they cannot read.
    if (error instanceof Error) return undefined
    throw error
  }
}
