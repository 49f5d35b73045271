/** An IPv4 network: its first address and how many there are. */
export interface Network {
  readonly text: string
  readonly first: number
  readonly size: number
}

export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0
  for (const part of parts) {
    // A leading zero is octal to some readers, so nobody may write it.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = value * 256 + Number(part)
  }
  return value
}

export function ipv4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}

/** Throws on anything but an IPv4 network in CIDR form. */
export function parseNetwork(text: string): Network {
  const [address = '', bits = ''] = text.split('/')
  const value = parseIpv4(address)
  const length = /^\d{1,2}$/.test(bits) ? Number(bits) : 99
  if (value === undefined || length > 30) throw new Error(`not an IPv4 network with room for Services: ${text}`)
  const size = 2 ** (32 - length)
  const first = value - (value % size)
  return { text: `${ipv4Text(first)}/${length}`, first, size }
}
