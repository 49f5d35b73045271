import { stat } from 'node:fs/promises'
import type { Node } from '../api/generated/types.ts'
import { nodes } from '../api/registry.ts'
import type { Client } from '../client/client.ts'
import { runningProcess } from '../host/processes.ts'
import { adminClient } from './admin-client.ts'
import type { ClusterConfig } from './config.ts'
import { containerdPidFile } from './paths.ts'
import { pidFileOf } from './up.ts'

type Component = 'server' | 'agent' | 'containerd'

export interface ComponentStatus {
  component: Component
  pid: number | undefined
  /** Milliseconds since the epoch. */
  since: number | undefined
}

export interface ClusterStatus {
  config: ClusterConfig
  components: ComponentStatus[]
  /** The answer of /readyz, or why there was none. */
  api: string
  nodes: readonly Node[]
}

/** All components run and the API answers. */
export function isUp(status: ClusterStatus): boolean {
  return status.api === 'ok' && status.components.every(({ pid }) => pid !== undefined)
}

export async function clusterStatus(config: ClusterConfig): Promise<ClusterStatus> {
  const nodeFiles: [Component, string][] = [
    ['agent', pidFileOf(config, 'agent')],
    ['containerd', containerdPidFile(config)],
  ]
  const files: [Component, string][] = [['server', pidFileOf(config, 'server')], ...(config.serverOnly ? [] : nodeFiles)]
  const components = await Promise.all(
    files.map(async ([component, file]) => {
      const mark = await runningProcess(file)
      return { component, pid: mark?.pid, since: mark ? (await stat(file)).mtimeMs : undefined }
    }),
  )
  if (components[0]?.pid === undefined) return { config, components, api: 'not running', nodes: [] }
  let client: Client | undefined
  try {
    client = await adminClient(config)
    const api = await client.raw('/readyz', { signal: AbortSignal.timeout(5_000) })
    const { items } = await client.resource<Node>(nodes).list()
    return { config, components, api, nodes: items }
  } catch (error) {
    return { config, components, api: (error as Error).message, nodes: [] }
  } finally {
    await client?.close()
  }
}
