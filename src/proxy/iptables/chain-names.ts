import { createHash } from 'node:crypto'
import type { TransportProtocol } from '../../netfilter/rules.ts'

/**
 * The chain names of kube-proxy's iptables layout, which every tutorial and tool knows. A tag of up to three letters
 * or digits keeps several clusters on one host apart: `KUBE-SERVICES`, `KUBEa1f-SERVICES`. The kernel takes 28 characters.
 */
export interface ChainNames {
  readonly services: string
  readonly externalServices: string
  readonly nodePorts: string
  readonly markMasquerade: string
  readonly postrouting: string
  readonly forward: string
  /** Keeps the network out of 127.0.0.0/8, which localhost node ports open for routing. */
  readonly localnetGuard: string
  readonly sourceRangeGuard: string
  /** All ready endpoints of a Service port. */
  service(portName: string, protocol: TransportProtocol): string
  /** Those on this node. */
  localService(portName: string, protocol: TransportProtocol): string
  /** What comes from outside: masquerade or policy, then one of the two above. */
  external(portName: string, protocol: TransportProtocol): string
  /** Lets only the allowed source ranges on to `external`. */
  sourceRanges(portName: string, protocol: TransportProtocol): string
  endpoint(portName: string, protocol: TransportProtocol, address: string): string
  /** Whether a chain has one of these names, under this tag and no other. */
  owns(chain: string): boolean
}

const base32Letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** Whose localnet guard this chain is: the tag, '' for none; undefined for other chains. */
export const tagOfGuardChain = (chain: string): string | undefined => /^KUBE([a-z0-9]{0,3})-FIREWALL$/.exec(chain)?.[1]

/** RFC 4648 base32 of the first 10 bytes of SHA-256: 16 characters, no padding. */
export function chainHash(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 10)
  let bits = 0n
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte)
  return Array.from({ length: 16 }, (_, i) => base32Letters[Number((bits >> BigInt(75 - i * 5)) & 31n)]).join('')
}

/** Throws RangeError for a tag that is not up to three lower-case letters or digits. */
export function chainNames(tag: string): ChainNames {
  if (!/^[a-z0-9]{0,3}$/.test(tag)) throw new RangeError(`chain tag "${tag}": must be at most three lower-case letters or digits`)
  const prefix = `KUBE${tag}-`
  const fixed = {
    services: `${prefix}SERVICES`,
    externalServices: `${prefix}EXTERNAL-SERVICES`,
    nodePorts: `${prefix}NODEPORTS`,
    markMasquerade: `${prefix}MARK-MASQ`,
    postrouting: `${prefix}POSTROUTING`,
    forward: `${prefix}FORWARD`,
    localnetGuard: `${prefix}FIREWALL`,
    sourceRangeGuard: `${prefix}PROXY-FIREWALL`,
  }
  const fixedNames = new Set(Object.values(fixed))
  const hashed = new RegExp(`^${prefix}(SVC|SVL|EXT|FW|SEP)-[A-Z2-7]{16}$`)
  const named = (kind: string) => (portName: string, protocol: TransportProtocol) => `${prefix}${kind}-${chainHash(portName + protocol)}`
  return {
    ...fixed,
    service: named('SVC'),
    localService: named('SVL'),
    external: named('EXT'),
    sourceRanges: named('FW'),
    endpoint: (portName, protocol, address) => `${prefix}SEP-${chainHash(portName + protocol + address)}`,
    owns: (chain) => fixedNames.has(chain) || hashed.test(chain),
  }
}
