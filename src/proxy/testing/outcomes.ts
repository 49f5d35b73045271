import { expect } from 'vitest'
import type { Packet } from '../../netfilter/trace.ts'
import { world6 } from './ipv6-scenes.ts'
import { type Case, type PodName, world } from './scenes.ts'

type Scene = Pick<typeof world6, 'nodeAddress' | 'outside' | 'podCidr' | 'serviceCidr' | 'pods'>
export const sceneOf = { IPv4: world as Scene, IPv6: world6 }

/** What either fake kernel's tracer tells. */
interface Traced {
  readonly probability: number
  readonly verdict: 'arrives' | 'rejected' | 'dropped'
  readonly to: string
  readonly masqueraded: boolean
}

/** A case's outcome as the tracer sees it, in the case's own words. */
export function tracedOutcome(
  trace: (packet: Packet) => readonly Traced[],
  { from, to, protocol = 'tcp' }: Case,
): Pick<Case, 'arrives' | 'source'> {
  const [, destination, port] = /^\[?(.*?)\]?:(\d+)$/.exec(to) as unknown as [string, string, string]
  const scene = sceneOf[destination.includes(':') ? 'IPv6' : 'IPv4']
  const source =
    from === 'host'
      ? destination === '127.0.0.1'
        ? '127.0.0.1'
        : scene.nodeAddress
      : from === 'outside'
        ? scene.outside
        : scene.pods[from]
  const outcomes = trace({ from: from === 'host' ? 'host' : 'network', protocol, source, destination, port: Number(port) })
  const arrives: Partial<Record<PodName, number>> = {}
  const sources = new Set<'own' | 'masqueraded'>()
  for (const outcome of outcomes) {
    if (outcome.verdict !== 'arrives') return { arrives: outcome.verdict }
    const pod = (Object.keys(world.pods) as PodName[]).find((name) =>
      outcome.to.replaceAll(/[[\]]/g, '').startsWith(`${scene.pods[name]}:`),
    )
    if (!pod) return { arrives: 'nowhere' }
    arrives[pod] = (arrives[pod] ?? 0) + outcome.probability
    sources.add(outcome.masqueraded ? 'masqueraded' : 'own')
  }
  expect(sources.size).toBe(1)
  return { arrives, source: [...sources][0] as 'own' | 'masqueraded' }
}

export function expectShares(actual: Case['arrives'], expected: Case['arrives']): void {
  if (typeof expected === 'string' || typeof actual === 'string') {
    expect(actual).toEqual(expected)
    return
  }
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort())
  for (const [pod, share] of Object.entries(expected)) expect(actual[pod as PodName]).toBeCloseTo(share, 8)
}
