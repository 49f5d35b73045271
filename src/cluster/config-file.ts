import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { lstat, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import type { Clock } from '../host/clock.ts'
import { timestamp } from '../host/clock.ts'
import { readIfThere } from '../host/files.ts'
import {
  type ClusterConfig,
  type ClusterOptions,
  defaultDataDir,
  defaultName,
  nodePodCidrOf,
  runDirOf,
  slotCount,
  slotDefaults,
  tagOf,
} from './config.ts'
import { pathsOf } from './paths.ts'

const defaultEventTtlSeconds = 3600
/** docs/adr/0009-socket-balancing.md tells why. */
const defaultSocketLb = false
const defaultProxyMode = 'nftables'

/** An option that cannot be used; the message says what to change. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

export async function readConfigIfThere(dataDir: string): Promise<ClusterConfig | undefined> {
  const path = join(dataDir, 'cluster.json')
  const text = await readIfThere(path)
  if (text === undefined) return undefined
  const damaged = (why: string): ConfigError =>
    new ConfigError(`${path} is damaged (${why}): put it right, or remove ${dataDir} to start anew`)
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch (cause) {
    throw damaged((cause as Error).message)
  }
  if (!isClusterConfig(config)) throw damaged('it is not a cluster’s configuration')
  return config
}

/** Written by us alone: what tells it from a file that is cut off, or something else of that name. */
function isClusterConfig(value: unknown): value is ClusterConfig {
  const config = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<keyof ClusterConfig, unknown>>
  const texts = (['name', 'dataDir', 'runDir', 'nodeName', 'podCidr', 'serviceCidr', 'chainTag'] as const).map((key) => config[key])
  return texts.every((text) => typeof text === 'string') && typeof config.apiPort === 'number'
}

/**
 * The configuration in the data folder, or, where that has been damaged or removed under a cluster that is up, the copy of its run-time
 * folder: enough to take it down by.
 */
export async function readConfigOrCopy(name: string, dataDir: string): Promise<ClusterConfig | undefined> {
  const copy = async (): Promise<ClusterConfig | undefined> => {
    const found = await readConfigIfThere(runDirOf(name))
    return found?.dataDir === dataDir ? found : undefined
  }
  try {
    return (await readConfigIfThere(dataDir)) ?? (await copy())
  } catch (error) {
    const found = error instanceof ConfigError ? await copy() : undefined
    if (found) return found
    throw error
  }
}

export async function readConfig(dataDir: string): Promise<ClusterConfig> {
  const config = await readConfigIfThere(dataDir)
  if (!config) throw new ConfigError(`there is no cluster in ${dataDir}: 'ownkube up' makes one`)
  return config
}

export async function writeConfig(config: ClusterConfig): Promise<void> {
  await linkDataFolder(config)
  const text = `${JSON.stringify(config, null, 2)}\n`
  const paths = pathsOf(config)
  for (const [directory, path] of [
    [config.dataDir, paths.config],
    [config.runDir, paths.runConfig],
  ] as const) {
    await mkdir(directory, { recursive: true, mode: 0o711 })
    await writeFile(`${path}.new`, text, { mode: 0o644 })
    await rename(`${path}.new`, path)
  }
}

/**
 * A data folder elsewhere gets a link where data folders usually are: so that other clusters don't choose the ports and addresses of this
 * one while it is down. Links whose folder is gone lead nowhere and mean nothing.
 */
async function linkDataFolder({ name, dataDir }: ClusterConfig): Promise<void> {
  const usual = defaultDataDir(name)
  if (dataDir !== usual && existsSync(usual) && !(await isLink(usual))) return
  await removeDataLink(name)
  if (dataDir === usual) return
  await mkdir(dirname(usual), { recursive: true, mode: 0o711 })
  await symlink(dataDir, usual)
}

/** After the data itself has been removed. */
export async function removeDataLink(name: string): Promise<void> {
  if (await isLink(defaultDataDir(name))) await rm(defaultDataDir(name))
}

async function isLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Clusters of this machine that have a run-time or default data folder, running or not. */
async function knownClusters(): Promise<ClusterConfig[]> {
  const found = [...(await clustersIn('/run/ownkube')), ...(await clustersIn('/var/lib/ownkube'))]
  return [...new Map(found.map((config) => [config.name, config])).values()]
}

async function clustersIn(root: string): Promise<ClusterConfig[]> {
  let names: string[]
  try {
    names = await readdir(root)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  // Names of clusters begin with a letter or digit; locks, with a dot.
  const configs = names
    .filter((name) => !name.startsWith('.'))
    .map(async (name) => {
      try {
        return await readConfigIfThere(join(root, name))
      } catch (error) {
        if (error instanceof ConfigError) return undefined // nothing to learn from it: whoever uses that cluster hears of it
        throw error
      }
    })
  return (await Promise.all(configs)).filter((config) => config !== undefined)
}

/**
 * Throws where a cluster that is up has the addresses of this one: it may have chosen them while this one was down, in a data folder
 * that it couldn't know of.
 */
export async function refuseSharedAddresses(config: ClusterConfig): Promise<void> {
  // A server without a node uses no addresses of its machine.
  const others = (await clustersIn('/run/ownkube')).filter(({ name, serverOnly }) => name !== config.name && !serverOnly)
  for (const [key, flag] of [
    ['podCidr', '--pod-cidr'],
    ['serviceCidr', '--service-cidr'],
  ] as const) {
    const other = others.find((candidate) => candidate[key] === config[key])
    if (!other) continue
    throw new ConfigError(
      `cluster ${other.name} has the addresses ${config[key]} of cluster ${config.name}: take it down first ('ownkube down --name ${other.name} --data-dir ${other.dataDir}'), or start ${config.name} anew with another ${flag} after 'ownkube down --delete'`,
    )
  }
}

/** Whether a TCP port can be listened on now, on all addresses. */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)))
    server.listen(port, '::', () => server.close(() => resolve(true)))
  })
}

/** The first set of ports and addresses that no other cluster of this machine uses; the default cluster has the first. */
async function chooseSlot(name: string): Promise<ReturnType<typeof slotDefaults>> {
  if (name === defaultName) return slotDefaults(0)
  const others = (await knownClusters()).filter((other) => other.name !== name)
  for (let slot = 1; slot < slotCount; slot++) {
    const chosen = slotDefaults(slot)
    const collides = others.some(
      (other) =>
        other.apiPort === chosen.apiPort ||
        other.kubeletPort === chosen.kubeletPort ||
        other.podCidr === chosen.podCidr ||
        other.serviceCidr === chosen.serviceCidr,
    )
    if (collides) continue
    const ports = [chosen.apiPort, chosen.kubeletPort, chosen.proxyHealthPort, chosen.proxyMetricsPort]
    if ((await Promise.all(ports.map(portIsFree))).every(Boolean)) return chosen
  }
  throw new ConfigError(`no free ports and addresses are left for cluster ${name}: give --api-port, --pod-cidr and --service-cidr`)
}

/**
 * The configuration to boot with: what is kept from the first boot, or a new one. What cannot change after the first
 * boot (addresses, node name) is refused when asked for anew.
 */
export async function resolveConfig(
  options: ClusterOptions,
  deps: { clock: Clock; nodeName: string; nodeAddress: string },
): Promise<ClusterConfig> {
  const dataDir = options.dataDir ?? defaultDataDir(options.name)
  const kept = await readConfigIfThere(dataDir)
  if (kept) {
    if (kept.name !== options.name)
      throw new ConfigError(`${dataDir} holds cluster ${kept.name}, not ${options.name}: use --name ${kept.name} or another --data-dir`)
    for (const key of ['podCidr', 'serviceCidr', 'nodeName'] as const) {
      if (options[key] !== undefined && options[key] !== kept[key]) {
        throw new ConfigError(
          `cluster ${kept.name} has ${key} ${kept[key]}, which cannot change: remove it with 'ownkube down --delete' to start anew`,
        )
      }
    }
    if (options.datastore && !kept.datastore) {
      throw new ConfigError(
        `cluster ${kept.name} keeps its objects in ${dataDir}, and they do not move by themselves: save them with 'ownkube backup FILE', remove the cluster with 'ownkube down --delete', boot it on etcd and take it down again, and bring them back with 'ownkube restore FILE --overwrite'`,
      )
    }
    return {
      ...kept,
      ...(options.datastore ? { datastore: options.datastore } : {}),
      ...inflightOf(options),
      ...(options.policies ? { policies: { ...kept.policies, ...options.policies } } : {}),
      runDir: runDirOf(options.name),
      nodeAddress: deps.nodeAddress,
      apiPort: options.apiPort ?? kept.apiPort,
      nodePortRange: options.nodePortRange ?? kept.nodePortRange,
      // Files of before this was an option have none.
      eventTtlSeconds: options.eventTtlSeconds ?? kept.eventTtlSeconds ?? defaultEventTtlSeconds,
      proxyMode: options.proxyMode ?? kept.proxyMode ?? defaultProxyMode,
      socketLb: options.socketLb ?? kept.socketLb ?? defaultSocketLb,
    }
  }
  const slot = await chooseSlot(options.name)
  const podCidr = options.podCidr ?? slot.podCidr
  const serviceCidr = options.serviceCidr ?? slot.serviceCidr
  if (podCidr.includes(':') !== serviceCidr.includes(':')) {
    throw new ConfigError(
      `pods and Services must have the same families, not ${podCidr} and ${serviceCidr}: give --pod-cidr and --service-cidr`,
    )
  }
  return {
    ...slot,
    name: options.name,
    dataDir,
    runDir: runDirOf(options.name),
    nodeName: options.nodeName ?? deps.nodeName,
    nodeAddress: deps.nodeAddress,
    apiPort: options.apiPort ?? slot.apiPort,
    podCidr,
    nodePodCidr: nodePodCidrOf(podCidr),
    serviceCidr,
    nodePortRange: options.nodePortRange ?? { from: 30000, to: 32767 },
    eventTtlSeconds: options.eventTtlSeconds ?? defaultEventTtlSeconds,
    proxyMode: options.proxyMode ?? defaultProxyMode,
    socketLb: options.socketLb ?? defaultSocketLb,
    chainTag: tagOf(options.name, (text) => createHash('sha256').update(text).digest('hex')),
    createdAt: timestamp(deps.clock.now()),
    ...inflightOf(options),
    ...(options.datastore ? { datastore: options.datastore } : {}),
    ...(options.serverOnly ? { serverOnly: true } : {}),
    ...(options.policies ? { policies: options.policies } : {}),
  }
}

/** Those that were asked for. */
function inflightOf({ maxRequestsInflight, maxMutatingRequestsInflight }: ClusterOptions): Partial<ClusterConfig> {
  return {
    ...(maxRequestsInflight === undefined ? {} : { maxRequestsInflight }),
    ...(maxMutatingRequestsInflight === undefined ? {} : { maxMutatingRequestsInflight }),
  }
}
