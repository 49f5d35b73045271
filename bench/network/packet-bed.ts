import { spawn } from 'node:child_process'
import { mustRun, systemExec } from '../../src/host/exec.ts'

/**
 * A node and what is around it, each a network namespace of its own: `client` is a pod of the node, `server` stands for all other pods
 * of the cluster and answers for every address of theirs.
 */
export interface PacketBed {
  path(place: Place): string
  dismantle(): Promise<void>
}

export type Place = 'node' | 'client' | 'server'

/** The addresses of the bed. */
export const plan = {
  nodeAddress: '192.0.2.1',
  podCidr: '10.128.0.0/9',
  serviceCidr: '10.96.0.0/13',
  client: '10.250.0.2',
  /** All of these are the server's. */
  servers: '10.128.0.0/10',
} as const

const links = { client: '169.254.1', server: '169.254.2' } as const

/** `tag` keeps several beds of one process apart. */
export async function buildPacketBed(tag = ''): Promise<PacketBed> {
  const nameOf = (place: Place): string => `okb${process.pid}${tag}-${place}`
  const places: readonly Place[] = ['node', 'client', 'server']
  const dismantle = async (): Promise<void> => {
    for (const place of places) await systemExec.run('ip', ['netns', 'del', nameOf(place)])
  }
  const inside = (place: Place, batch: readonly string[]): Promise<string> =>
    mustRun(systemExec, 'ip', ['-netns', nameOf(place), '-batch', '-'], { input: `${batch.join('\n')}\n` })
  const setting = (place: Place, text: string): Promise<string> =>
    mustRun(systemExec, 'ip', ['netns', 'exec', nameOf(place), 'sh', '-c', text])
  try {
    for (const place of places) await mustRun(systemExec, 'ip', ['netns', 'add', nameOf(place)])
    await inside('node', ['link set lo up', `addr add ${plan.nodeAddress}/32 dev lo`])
    await setting(
      'node',
      'echo 1 > /proc/sys/net/ipv4/ip_forward; for each in all default; do echo 0 > /proc/sys/net/ipv4/conf/$each/send_redirects; done',
    )
    for (const place of ['client', 'server'] as const) {
      const link = links[place]
      await inside('node', [
        `link add v-${place} type veth peer name eth0 netns ${nameOf(place)}`,
        `addr add ${link}.1/30 dev v-${place}`,
        `link set v-${place} up`,
      ])
      await inside(place, ['link set lo up', `addr add ${link}.2/30 dev eth0`, 'link set eth0 up'])
    }
    await inside('client', [`addr add ${plan.client}/32 dev eth0`, `route add default via ${links.client}.1 src ${plan.client}`])
    await inside('server', [`route add local ${plan.servers} dev lo`, `route add default via ${links.server}.1`])
    await inside('node', [`route add ${plan.client}/32 via ${links.client}.2`, `route add ${plan.servers} via ${links.server}.2`])
  } catch (error) {
    await dismantle()
    throw error
  }
  return { path: (place) => `/run/netns/${nameOf(place)}`, dismantle }
}

/** Runs a script of ours with the node's network, the screen ours; throws where it fails. The bed goes whatever happens. */
export async function measureInBed(script: string, args: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('this bench makes network namespaces and needs root')
  const bed = await buildPacketBed()
  const hold = (): void => undefined // an interrupt ends the script, which is in the same group, and then the bed goes
  process.on('SIGINT', hold)
  try {
    const bedPaths = JSON.stringify({ node: bed.path('node'), client: bed.path('client'), server: bed.path('server') })
    const child = spawn('nsenter', [`--net=${bed.path('node')}`, process.execPath, script, bedPaths, ...args], { stdio: 'inherit' })
    const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve))
    if (code !== 0) throw new Error(`${script} ended with ${code}`)
  } finally {
    process.off('SIGINT', hold)
    await bed.dismantle()
  }
}
