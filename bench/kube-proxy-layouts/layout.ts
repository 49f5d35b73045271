import { createHash } from 'node:crypto'
import type { EndpointSlice, Service } from '../../src/api/generated/types.ts'
import type { Exec } from '../../src/host/exec.ts'

/** As much of a Service as the layouts here need: one port, TCP, ready endpoints on other nodes. */
export interface LayoutService {
  readonly name: string
  readonly clusterIp: string
  readonly port: number
  /** `address:port`, in order. */
  readonly endpoints: readonly string[]
}

export interface LayoutNode {
  readonly podCidr: string
  readonly serviceCidr: string
  readonly nodeAddress: string
}

/** One of kube-proxy's ways of laying out and applying its rules: https://kubernetes.io/docs/reference/networking/virtual-ips/ */
export interface Layout {
  /** Everything at once, as kube-proxy does when it starts. */
  load(services: readonly LayoutService[], timeoutMs: number): Promise<void>
  /** The same state by a road that costs less than the square of the number of Services. kube-proxy does not go it. */
  loadInParts(services: readonly LayoutService[]): Promise<void>
  /** What one sync does for these Services, with `all` of them there after it. */
  sync(
    changed: readonly { before: LayoutService | undefined; after: LayoutService }[],
    all: ReadonlyMap<string, LayoutService>,
  ): Promise<void>
}

export interface LayoutDeps {
  readonly exec: Exec
  readonly node: LayoutNode
}

export function layoutService(service: Service, slices: readonly EndpointSlice[]): LayoutService {
  const { namespace, name } = service.metadata
  const endpoints = slices.flatMap((slice) =>
    (slice.endpoints ?? []).flatMap(({ addresses }) => addresses.map((address) => `${address}:${slice.ports?.[0]?.port}`)),
  )
  return {
    name: `${namespace}/${name}`,
    clusterIp: service.spec?.clusterIP as string,
    port: service.spec?.ports?.[0]?.port as number,
    endpoints: endpoints.sort(),
  }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The first letters of the base32 form of a SHA-256, out of which kube-proxy makes chain names. */
export function shortHash(text: string, length: number): string {
  const bytes = createHash('sha256').update(text).digest()
  let letters = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff
    bits += 8
    while (bits >= 5 && letters.length < length) {
      bits -= 5
      letters += alphabet[(held >> bits) & 31]
    }
  }
  return letters
}
