import { CoreV1Api, KubeConfig, type V1Container, type V1ObjectMeta, type V1Pod, type V1PodSpec } from '@kubernetes/client-node'
import type { TestCluster } from './cluster.ts'
import { eventually } from './command.ts'

export type Main = Partial<V1Container>
type Rest = Partial<Omit<V1PodSpec, 'containers'>> & { metadata?: Partial<V1ObjectMeta> }

const over = new Set(['Succeeded', 'Failed'])

/** Pods through the unchanged JavaScript client: made, waited for, and asked what they said. */
export class PodOutcomes {
  readonly core: CoreV1Api
  readonly image: string
  readonly namespace = 'default'

  constructor(cluster: TestCluster, image: string) {
    const config = new KubeConfig()
    config.loadFromFile(cluster.kubeconfig)
    this.core = config.makeApiClient(CoreV1Api)
    this.image = image
  }

  /** A pod of one container, that is run once. */
  async create(name: string, main: Main, { metadata, ...spec }: Rest = {}): Promise<V1Pod> {
    return await this.core.createNamespacedPod({
      namespace: this.namespace,
      body: {
        metadata: { name, labels: { name }, ...metadata },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 1,
          ...spec,
          containers: [{ name: 'main', image: this.image, ...main }],
        },
      },
    })
  }

  async until(name: string, wanted: (pod: V1Pod) => unknown, what = 'as wanted'): Promise<V1Pod> {
    return await eventually(async () => {
      const pod = await this.core.readNamespacedPod({ namespace: this.namespace, name })
      if (!wanted(pod)) throw new Error(`${name} is not ${what}: ${JSON.stringify(pod.status, null, 1)}`)
      return pod
    }, 60_000)
  }

  ready(name: string): Promise<V1Pod> {
    return this.until(name, ({ status }) => status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'), 'ready')
  }

  /** What a pod wrote that ran to its end, and how it ended. */
  async outcome(name: string, main: Main, rest?: Rest): Promise<{ log: string; pod: V1Pod }> {
    await this.create(name, main, rest)
    const pod = await this.until(name, ({ status }) => over.has(status?.phase ?? ''), 'over')
    return { pod, log: await this.core.readNamespacedPodLog({ namespace: this.namespace, name }) }
  }

  /** The log of a pod that must succeed. */
  async says(name: string, main: Main, rest?: Rest): Promise<string> {
    const { pod, log } = await this.outcome(name, main, rest)
    if (pod.status?.phase !== 'Succeeded') throw new Error(`${name} did not succeed: ${JSON.stringify(pod.status, null, 1)}\n${log}`)
    return log
  }
}

export const sh = (script: string, more: Main = {}): Main => ({ command: ['sh', '-c', script], ...more })
