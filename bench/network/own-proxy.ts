import type { Client } from '../../src/client/client.ts'
import { systemClock } from '../../src/host/clock.ts'
import { systemExec } from '../../src/host/exec.ts'
import type { Log } from '../../src/host/log.ts'
import { giveBackMemory } from '../../src/host/memory.ts'
import { systemRandom } from '../../src/host/random.ts'
import { openConntrack } from '../../src/netfilter/conntrack/open-conntrack.ts'
import { openNftables } from '../../src/netfilter/nftables/open-nftables.ts'
import { startProxy } from '../../src/proxy/proxy.ts'
import type { BackEnd } from './back-ends.ts'
import { plan } from './packet-bed.ts'

interface OwnProxyDeps {
  readonly client: Client
  readonly log: Log
  /** Whose processes are pods, where sockets are balanced. */
  readonly cgroupPath: string | undefined
}

/** Our proxy, as a bench wants it: nothing but its rules. */
export async function startOwnProxy({ mode, variant }: BackEnd, { client, log, cgroupPath }: OwnProxyDeps): Promise<void> {
  await startProxy({
    client,
    clock: systemClock,
    random: systemRandom,
    log,
    exec: systemExec,
    signal: new AbortController().signal,
    nodeName: 'bench',
    mode,
    openNftables: openNftables({ exec: systemExec, clock: systemClock }),
    conntrack: openConntrack({ exec: systemExec, clock: systemClock }),
    families: [
      {
        family: 'IPv4',
        nodePortAddresses: [plan.nodeAddress],
        podTraffic: { by: 'source', cidr: plan.podCidr },
        serviceCidr: plan.serviceCidr,
      },
    ],
    chainTag: '',
    checkIntervalMs: 3_600_000, // looking for drift is another matter
    giveBackMemory,
    ...(variant ? { variant } : {}),
    ...(cgroupPath ? { socketBalancing: { cgroupPath } } : {}),
  })
}
