import { type ListedService, servicesNow } from '../cluster/ask/services.ts'
import { systemClock } from '../host/clock.ts'
import { systemExec } from '../host/exec.ts'
import { type AskedOptions, askedCluster } from './asked-options.ts'
import { existing, requireRoot } from './failure.ts'
import { table } from './table.ts'

export interface ServicesOptions extends AskedOptions {
  watch?: boolean
  output: 'text' | 'json'
}

const refreshMs = 1_000

export async function servicesCommand(name: string | undefined, options: ServicesOptions): Promise<void> {
  requireRoot('services')
  const cluster = await askedCluster(options)
  const look = async (): Promise<void> => {
    const listed = await existing(servicesNow(cluster, { exec: systemExec, clock: systemClock }, name))
    const text = options.output === 'json' ? `${JSON.stringify(listed, null, 2)}\n` : servicesText(listed)
    // A person's screen is written over; a program gets one listing after the other.
    process.stdout.write(options.watch && process.stdout.isTTY ? `\x1b[H\x1b[2J${text}` : text)
  }
  await look()
  while (options.watch) {
    await systemClock.sleep(refreshMs)
    await look()
  }
}

export function servicesText(listed: readonly ListedService[]): string {
  if (listed.length === 0) return 'No Services found.\n'
  const withSockets = listed.some(({ bySockets }) => bySockets !== undefined)
  const rows = listed.flatMap(
    ({ name, type, frontend, externalAddresses, nodePort, connections, packets, bySockets, dropsHere, endpoints }) => [
      [
        name,
        type,
        frontend ?? '-',
        externalAddresses.join(',') || '-',
        nodePort === undefined ? '-' : String(nodePort),
        endpointSummary({ endpoints, dropsHere }),
        counted(connections),
        counted(packets),
        ...(withSockets ? [counted(bySockets)] : []),
      ],
      ...endpoints.map((endpoint) => [
        '',
        '',
        `  ${endpoint.used ? '→' : ' '} ${endpoint.address}`,
        '',
        '',
        `${endpoint.state}${endpoint.node ? ` on ${endpoint.node}` : ''}`,
        counted(endpoint.connections),
        counted(endpoint.packets),
        ...(withSockets ? [''] : []),
      ]),
    ],
  )
  const uncounted = listed.some(({ connections, packets }) => connections !== undefined && packets === undefined)
  const hint = uncounted ? "\nPackets are not counted: 'sysctl net.netfilter.nf_conntrack_acct=1' turns it on for new connections.\n" : ''
  const heads = [
    'SERVICE',
    'TYPE',
    'CLUSTER-IP',
    'EXTERNAL-IP',
    'NODE PORT',
    'ENDPOINTS',
    'CONNECTIONS',
    'PACKETS',
    ...(withSockets ? ['BY SOCKETS'] : []),
  ]
  return table(heads, rows) + hint
}

/** `2 of 3 ready`, and whom that does not help: under a Local policy only endpoints on this node count. */
export function endpointSummary({ endpoints, dropsHere }: Pick<ListedService, 'endpoints' | 'dropsHere'>): string {
  if (endpoints.length === 0) return 'none'
  const ready = endpoints.filter(({ state }) => state === 'ready').length
  const everybody = dropsHere.length > 1
  const lack = dropsHere.length === 0 ? '' : `, none on this node${everybody ? '' : ` for clients ${dropsHere[0]}`}`
  return `${ready} of ${endpoints.length} ready${lack}`
}

const counted = (count: number | undefined): string => (count === undefined ? '-' : String(count))
