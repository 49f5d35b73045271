import { timestamp } from '../../host/clock.ts'
import { namespaceOf } from '../labels.ts'
import type { PodDeps } from '../pod-deps.ts'
import type { PodManager } from '../pod-manager.ts'

interface ContainerSummary {
  name: string
  startTime: string
  cpu: { time: string; usageCoreNanoSeconds: number }
  memory: { time: string; workingSetBytes: number }
}

/** /stats/summary: what running containers use, as the runtime counts it. Containers that ended meanwhile are left out. */
export async function statsSummary(manager: PodManager, { runtime, nodeName }: PodDeps): Promise<object> {
  const pods = await Promise.all(
    manager.list().map(async ({ pod, observed }) => {
      const running = observed.containers.filter(({ state }) => state === 'running')
      const containers = await Promise.all(
        running.map(async ({ id, name, startedAt }): Promise<ContainerSummary[]> => {
          const stats = await runtime.containerStats(id).catch(() => undefined)
          if (!stats) return []
          const time = timestamp(stats.timestamp)
          const cpu = { time, usageCoreNanoSeconds: stats.cpuNanoseconds }
          return [{ name, startTime: timestamp(startedAt), cpu, memory: { time, workingSetBytes: stats.memoryWorkingSetBytes } }]
        }),
      )
      const podRef = { name: pod.metadata.name, namespace: namespaceOf(pod), uid: pod.metadata.uid }
      return { podRef, startTime: pod.status?.startTime ?? '', containers: containers.flat() }
    }),
  )
  return { node: { nodeName }, pods }
}
