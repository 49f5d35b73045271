import { X509Certificate } from 'node:crypto'

/** One block of a PEM text (RFC 7468, and with the headers that RFC 1421 allows). */
export interface PemBlock {
  readonly label: string
  readonly hasHeaders: boolean
  readonly text: string
}

/** The blocks in order; whatever stands between them is passed over. */
export function pemBlocks(text: string): PemBlock[] {
  return [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----\s*([\s\S]+?)-----END \1-----/g)].map(([block, label = '', content = '']) => ({
    label,
    hasHeaders: content.includes(':'),
    text: block,
  }))
}

/** Undefined: the block holds no X.509 certificate. */
export function certificateIn({ text }: PemBlock): X509Certificate | undefined {
  try {
    return new X509Certificate(text)
  } catch (error) {
    // OpenSSL and Node each have their own kinds of errors for what they cannot read.
    if (error instanceof Error) return undefined
    throw error
  }
}
