import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Exec, mustRun } from '../host/exec.ts'
import { readIfThere } from '../host/files.ts'
import type { Log } from '../host/log.ts'
import { rangesByFamily } from '../machinery/ip-address.ts'
import { renderCniConfig } from './cni-config.ts'
import { prepareKernel } from './kernel-settings.ts'
import { bridgeName, chainNames, networkName } from './names.ts'
import { outwardInterface } from './node-address.ts'
import { type Family, type Jump, jumps, type PodRuleOptions, renderPodRules, renderPortmapRemoval } from './pod-rules.ts'

export interface PodNetworkOptions extends PodRuleOptions {
  /** Read by containerd. */
  cniConfDir: string
  /** Which addresses are taken. */
  dataDir: string
}

interface PodNetworkDeps {
  exec: Exec
  log: Log
}

const configFile = '10-ownkube.conflist'
/**
 * Makes the node ready to give pods addresses: kernel settings, rules, and at last the CNI configuration, upon which containerd reports its
 * network ready. May be called again at any time: what is there stays, what is missing comes back.
 */
export async function ensurePodNetwork(options: PodNetworkOptions, { exec, log }: PodNetworkDeps): Promise<void> {
  const families = familiesOf(options)
  await prepareKernel(exec, families)
  for (const family of families) {
    const missing: Jump[] = []
    for (const jump of jumps(options)) if (!(await hasJump(exec, family, jump))) missing.push(jump)
    await mustRun(exec, `${programOf[family]}-restore`, ['-w', '5', '--noflush'], { input: renderPodRules(options, family, missing) })
  }
  await mkdir(join(options.dataDir, 'addresses'), { recursive: true, mode: 0o711 })
  await mkdir(options.cniConfDir, { recursive: true, mode: 0o711 })
  const { cluster, nodePodCidr, dataDir } = options
  const path = join(options.cniConfDir, configFile)
  await writeChanged(path, renderCniConfig({ cluster, nodePodCidr, dataDir, mtu: await outwardMtu(exec) }))
  log.debug('the pod network is configured', { bridge: bridgeName(cluster), addresses: nodePodCidr })
}

/** Takes everything away that {@link ensurePodNetwork} and the CNI plugins made; pods must be gone. Nothing there is fine. */
export async function removePodNetwork(options: PodNetworkOptions, { exec }: PodNetworkDeps): Promise<void> {
  await rm(join(options.cniConfDir, configFile), { force: true })
  await removeLinks(exec, bridgeName(options.cluster))
  for (const family of familiesOf(options)) await removeRules(exec, family, options)
  await rm(options.dataDir, { recursive: true, force: true })
}

const programOf = { IPv4: 'iptables', IPv6: 'ip6tables' } as const

function familiesOf({ podCidr }: PodNetworkOptions): Family[] {
  const ranges = rangesByFamily(podCidr)
  return (['IPv4', 'IPv6'] as const).filter((family) => ranges[family] !== undefined)
}

async function hasJump(exec: Exec, family: Family, { table, rule }: Jump): Promise<boolean> {
  return (await exec.run(programOf[family], ['-w', '5', '-t', table, '-C', ...rule])).code === 0
}

async function removeRules(exec: Exec, family: Family, options: PodNetworkOptions): Promise<void> {
  const program = programOf[family]
  for (const jump of jumps(options)) {
    // More than one, where somebody else restored a dump of ours.
    for (let i = 0; i < 10 && (await hasJump(exec, family, jump)); i++) {
      await mustRun(exec, program, ['-w', '5', '-t', jump.table, '-D', ...jump.rule])
    }
  }
  const { masquerade, forward } = chainNames(options.chainTag)
  for (const [table, chain] of [
    ['nat', masquerade],
    ['filter', forward],
  ] as const) {
    const { code } = await exec.run(program, ['-w', '5', '-t', table, '-F', chain])
    if (code === 0) await mustRun(exec, program, ['-w', '5', '-t', table, '-X', chain])
  }
  const portmap = renderPortmapRemoval(await mustRun(exec, `${program}-save`, ['-t', 'nat']), networkName(options.cluster))
  if (portmap !== undefined) await mustRun(exec, `${program}-restore`, ['-w', '5', '--noflush'], { input: portmap })
}

/** The bridge, and the pairs still plugged into it. */
async function removeLinks(exec: Exec, bridge: string): Promise<void> {
  const ports = await exec.run('ip', ['-json', 'link', 'show', 'master', bridge])
  if (ports.code !== 0) return // no such bridge
  const names = (JSON.parse(ports.stdout.trim() || '[]') as { ifname?: string }[]).flatMap(({ ifname }) => ifname ?? [])
  // A pair vanishes with its pod's namespace: whoever is faster.
  for (const name of names) await exec.run('ip', ['link', 'delete', name])
  await mustRun(exec, 'ip', ['link', 'delete', bridge])
}

/** Pods' packets should fit where they leave the machine. */
async function outwardMtu(exec: Exec): Promise<number | undefined> {
  const name = await outwardInterface(exec)
  if (name === undefined) return undefined
  const mtu = Number((await readFile(`/sys/class/net/${name}/mtu`, 'utf8')).trim())
  return mtu >= 576 && mtu < 1500 ? mtu : undefined
}

/** Replaces the file at once and only if it differs: containerd reloads at every write. */
async function writeChanged(path: string, text: string): Promise<void> {
  if ((await readIfThere(path)) === text) return
  await writeFile(`${path}.new`, text, { mode: 0o644 })
  await rename(`${path}.new`, path)
}
