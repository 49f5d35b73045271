import { X509Certificate } from 'node:crypto'

/** One block of a PEM text (RFC 7468, and with the headers that RFC 1421 allows). */
export interface PemBlock {
  readonly label: string
  readonly hasHeaders: boolean
  /** Without the lines around it. */
  readonly content: string
  readonly text: string
}

const dashes = '-----'

/** The blocks in order; whatever stands between them is passed over. Takes time in proportion to the text, whatever it is. */
export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  for (let at = 0; ; ) {
    const begin = text.indexOf(`${dashes}BEGIN `, at)
    if (begin < 0) return blocks
    const labelAt = begin + dashes.length + 'BEGIN '.length
    const labelEnd = text.indexOf(dashes, labelAt)
    if (labelEnd < 0) return blocks
    const label = text.slice(labelAt, labelEnd)
    const contentAt = labelEnd + dashes.length
    // What is coded holds no dashes: the next ones end the block, or it is none.
    const contentEnd = text.indexOf(dashes, contentAt)
    const end = `${dashes}END ${label}${dashes}`
    if (contentEnd < 0) return blocks
    at = contentEnd
    if (label.includes('\n') || !text.startsWith(end, contentEnd)) continue
    at = contentEnd + end.length
    const content = text.slice(contentAt, contentEnd)
    blocks.push({ label, hasHeaders: content.includes(':'), content, text: text.slice(begin, at) })
  }
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
