import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Node } from '../api/generated/types.ts'
import { nodes } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { requireControllers } from '../cri/cgroup-controllers.ts'
import { isAlive, type ProcessMark, runningProcess, startDetached, stopProcess } from '../host/processes.ts'
import { nodeAddress } from '../podnet/node-address.ts'
import { adminClient } from './admin-client.ts'
import { ensureCertificates } from './certificates.ts'
import { type ClusterConfig, type ClusterOptions, firstAddress } from './config.ts'
import { ConfigError, portIsFree, readConfigIfThere, refuseSharedAddresses, resolveConfig, writeConfig } from './config-file.ts'
import { writeAdminKubeconfig } from './kubeconfig-files.ts'
import { whileChoosing } from './locks.ts'
import { containerdPidFile, pathsOf } from './paths.ts'
import { ensureRequirements } from './requirements.ts'
import { readServerPolicies } from './server-policies.ts'
import type { OperatorDeps, Step } from './steps.ts'
import { stopStrayProcesses } from './stray-processes.ts'

export interface UpOptions extends ClusterOptions {
  /** May install missing Debian packages. */
  install: boolean
  /** Also needs what the demo's image is made of. */
  extraRequirements?: Parameters<typeof ensureRequirements>[0]['extra']
}

/** Filled in by the steps, complete when all have run. */
export interface UpResult {
  config: ClusterConfig
  client: Client
  /** False when everything was running already. */
  started: boolean
}

/** What an `up` has done so far that a failure must undo. */
export interface Begun {
  config: ClusterConfig
  /** Nothing of the cluster ran before. */
  wasDown: boolean
  started: readonly ProcessMark[]
}

type Role = 'server' | 'agent'

/** What runs of a cluster on this machine. */
const rolesOf = ({ serverOnly }: ClusterConfig): readonly Role[] => (serverOnly ? ['server'] : ['server', 'agent'])
const readyTimeoutMs = 120_000
/** What a role gets to end by itself. */
export const roleGraceMs = 10_000
/**
 * What Node runs a role with. An agent allocates in bursts, when it lists what there is, and then hardly at all: with Node's own size of the
 * young generation it would keep 100 MiB for good after a list of 10,000 Services, and with Node's own growth of the old one 15 MiB more.
 * The launcher has the same flags for `ownkube proxy`.
 */
const nodeFlags: Record<Role, readonly string[]> = { server: [], agent: ['--max-semi-space-size=2', '--heap-growing-percent=50'] }
const logRotateBytes = 10 * 1024 * 1024

/** Boots the cluster, or finds it running and starts what is missing of it. To be run while no other command works on it (locks.ts). */
export function upSteps(options: UpOptions, deps: OperatorDeps): { steps: Step[]; result: () => UpResult; begun: () => Begun } {
  let config: ClusterConfig
  let client: Client
  const startedNow: ProcessMark[] = []
  let wasDown = false
  const running = new Map<Role, ProcessMark>()
  const steps: Step[] = [
    {
      title: 'Programs',
      async run(report) {
        if (options.serverOnly) return 'Node.js alone'
        await requireControllers()
        await ensureRequirements({
          exec: deps.exec,
          say: report,
          install: options.install,
          ...(options.extraRequirements ? { extra: options.extraRequirements } : {}),
        })
        return undefined
      },
    },
    {
      title: 'Configuration',
      async run() {
        const address = await nodeAddress(deps.exec)
        await whileChoosing(deps, async () => {
          await readServerPolicies(options.policies ?? {})
          config = await resolveConfig(options, { clock: deps.clock, nodeName: hostname().toLowerCase(), nodeAddress: address })
          await stopStrayProcesses(config, deps)
          await stopAgentOfOtherProxy(config, deps)
          const { running: already, missing } = await findRunning(config)
          if (already.size > 0) await refuseOtherData(config)
          // Found out before anything is written: what cannot boot leaves nothing behind.
          if (missing.includes('agent')) await refuseSharedAddresses(config)
          if (missing.includes('server')) await refuseTakenPort(config, deps)
          if (missing.includes('agent')) config = { ...config, ...(await freeAgentPorts(config)) }
          if (missing.length > 0) await writeConfig(config)
        })
        return `node ${config.nodeName} at ${config.nodeAddress}`
      },
    },
    {
      title: 'Certificates',
      async run() {
        const certificates = await ensureCertificates(
          pathsOf(config).pki,
          { nodeName: config.nodeName, nodeAddress: config.nodeAddress, serviceAddress: firstAddress(config.serviceCidr) },
          deps.clock.now(),
        )
        await writeAdminKubeconfig(config, certificates)
        return undefined
      },
    },
    {
      title: 'Processes',
      async run() {
        const { running: found, missing } = await findRunning(config)
        for (const [role, mark] of found) running.set(role, mark)
        wasDown = found.size === 0 && !(await runningProcess(containerdPidFile(config)))
        await Promise.all(
          missing.map(async (role) => {
            const mark = await startRole(config, role, deps)
            running.set(role, mark)
            startedNow.push(mark)
          }),
        )
        client = await adminClient(config)
        return missing.length > 0 ? `started ${missing.join(' and ')}` : 'already running'
      },
    },
    {
      title: 'API server',
      async run() {
        const waited = deps.clock.monotonic()
        await waitForApi(client, config, running, deps)
        return startedNow.length > 0 ? `ready after ${Math.round(deps.clock.monotonic() - waited)} ms` : undefined
      },
    },
    {
      title: 'Node',
      async run() {
        if (config.serverOnly) return 'none here'
        await waitForNode(client, config, running, deps)
        return 'Ready'
      },
    },
  ]
  return {
    steps,
    result: () => ({ config, client, started: startedNow.length > 0 }),
    begun: () => ({ config, wasDown, started: startedNow }),
  }
}

/** An agent that serves Services otherwise than is asked for now ends, and is missing then: pods and connections live on. */
async function stopAgentOfOtherProxy(config: ClusterConfig, { clock }: OperatorDeps): Promise<void> {
  const kept = await readConfigIfThere(config.dataDir)
  if (!kept || (kept.proxyMode === config.proxyMode && kept.socketLb === config.socketLb)) return
  const agent = await runningProcess(pidFileOf(config, 'agent'))
  if (agent) await stopProcess(agent, roleGraceMs, clock)
}

/** What runs under this name must have its data where this command looks for it. */
async function refuseOtherData(config: ClusterConfig): Promise<void> {
  if (await readConfigIfThere(config.dataDir)) return
  const dataDir = (await readConfigIfThere(config.runDir))?.dataDir ?? config.dataDir
  const why = dataDir === config.dataDir ? `, but its data in ${dataDir} has been removed` : ` with its data in ${dataDir}`
  throw new ConfigError(
    `cluster ${config.name} is running${why}: take it down first ('ownkube down --name ${config.name} --data-dir ${dataDir}')`,
  )
}

export function pidFileOf(config: ClusterConfig, role: Role): string {
  const paths = pathsOf(config)
  return role === 'server' ? paths.serverPid : paths.agentPid
}

export function logFileOf(config: ClusterConfig, role: Role | 'containerd'): string {
  return join(pathsOf(config).logs, `${role}.log`)
}

async function findRunning(config: ClusterConfig): Promise<{ running: Map<Role, ProcessMark>; missing: Role[] }> {
  const running = new Map<Role, ProcessMark>()
  for (const role of rolesOf(config)) {
    const found = await runningProcess(pidFileOf(config, role))
    if (found) running.set(role, found)
  }
  return { running, missing: rolesOf(config).filter((role) => !running.has(role)) }
}

async function startRole(config: ClusterConfig, role: Role, deps: OperatorDeps): Promise<ProcessMark> {
  await mkdir(pathsOf(config).logs, { recursive: true, mode: 0o750 })
  const logFile = logFileOf(config, role)
  await rotate(logFile)
  return await startDetached({
    program: deps.self.program,
    args: [...nodeFlags[role], ...deps.self.args, role, config.dataDir],
    env: {},
    logFile,
    pidFile: pidFileOf(config, role),
  })
}

/** One older file is kept. */
async function rotate(logFile: string): Promise<void> {
  if (existsSync(logFile) && (await stat(logFile)).size > logRotateBytes) await rename(logFile, `${logFile}.1`)
}

/** Clients know the API server's port: when it is taken, that is said plainly, before anything starts. */
async function refuseTakenPort({ apiPort }: ClusterConfig, deps: OperatorDeps): Promise<void> {
  if (await portIsFree(apiPort)) return
  const { stdout } = await deps.exec.run('ss', ['-Hltnp', `sport = :${apiPort}`])
  const holder = /users:\(\("([^"]+)",pid=(\d+)/.exec(stdout)
  const by = holder ? ` by ${holder[1]} (process ${holder[2]})` : ''
  throw new ConfigError(`port ${apiPort} is in use${by}: choose another for the API server with --api-port, or stop what uses it`)
}

/** The kubelet's and the proxy's ports are found through the API or by who runs the node: where one is taken, the next free one serves. */
async function freeAgentPorts(config: ClusterConfig): Promise<Pick<ClusterConfig, 'kubeletPort' | 'proxyHealthPort' | 'proxyMetricsPort'>> {
  const free = async (wanted: number): Promise<number> => {
    for (let port = wanted; port < 65_000; port += 100) if (await portIsFree(port)) return port
    throw new ConfigError(`no port from ${wanted} on, in steps of 100, is free`)
  }
  const [kubeletPort, proxyHealthPort, proxyMetricsPort] = await Promise.all(
    [config.kubeletPort, config.proxyHealthPort, config.proxyMetricsPort].map(free),
  )
  return { kubeletPort, proxyHealthPort, proxyMetricsPort } as Pick<ClusterConfig, 'kubeletPort' | 'proxyHealthPort' | 'proxyMetricsPort'>
}

async function refuseDead(config: ClusterConfig, running: ReadonlyMap<Role, ProcessMark>): Promise<void> {
  for (const [role, mark] of running) {
    if (isAlive(mark)) continue
    const lines = (await readFile(logFileOf(config, role), 'utf8')).trimEnd().split('\n').slice(-8)
    throw new Error(
      `the ${role} has ended; the last lines of its log (ownkube logs ${role}):\n${lines.map((line) => `  ${line}`).join('\n')}`,
    )
  }
}

async function waitForApi(
  client: Client,
  config: ClusterConfig,
  running: ReadonlyMap<Role, ProcessMark>,
  deps: OperatorDeps,
): Promise<void> {
  const deadline = deps.clock.monotonic() + readyTimeoutMs
  for (;;) {
    const outcome = await client.raw('/readyz').catch((error: unknown) => error as Error)
    if (outcome === 'ok') return
    await refuseDead(config, running)
    if (deps.clock.monotonic() > deadline) {
      throw new Error(`the API server was not ready within ${readyTimeoutMs / 1000} s; see 'ownkube logs server'`, { cause: outcome })
    }
    await deps.clock.sleep(20)
  }
}

/** `sinceMs`: what an earlier agent reported before doesn't count; heartbeats have whole seconds. */
export function isReady(node: Node, sinceMs = 0): boolean {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')
  if (ready?.status !== 'True') return false
  return sinceMs === 0 || Date.parse(ready.lastHeartbeatTime ?? '') >= Math.floor(sinceMs / 1000) * 1000
}

/** Waits for the node's Ready condition as the running agent reports it. */
async function waitForNode(
  client: Client,
  config: ClusterConfig,
  running: ReadonlyMap<Role, ProcessMark>,
  deps: OperatorDeps,
): Promise<void> {
  const fieldSelector = `metadata.name=${config.nodeName}`
  const agentSince = (await stat(pidFileOf(config, 'agent'))).mtimeMs
  const signal = AbortSignal.timeout(readyTimeoutMs)
  const dead = new AbortController()
  const watchdog = (async () => {
    while (!dead.signal.aborted) {
      await refuseDead(config, running)
      await deps.clock.sleep(100)
    }
  })()
  const ready = (async () => {
    const either = AbortSignal.any([signal, dead.signal])
    // A watch may end before its time: what it missed is listed.
    for (; !either.aborted; await deps.clock.sleep(100)) {
      const list = await client.resource<Node>(nodes).list({ fieldSelector })
      if (list.items.some((node) => isReady(node, agentSince))) return
      const resourceVersion = list.metadata.resourceVersion ?? ''
      const watch = client.resource<Node>(nodes).watch({ fieldSelector, resourceVersion, signal: either })
      for await (const { object } of watch) if (isReady(object, agentSince)) return
    }
    throw new Error(`node ${config.nodeName} was not Ready within ${readyTimeoutMs / 1000} s; see 'ownkube logs agent'`)
  })()
  try {
    await Promise.race([ready, watchdog])
  } finally {
    dead.abort()
    await Promise.allSettled([ready, watchdog])
  }
}
