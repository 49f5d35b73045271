import { TestCluster } from './cluster.ts'
import { eventually } from './command.ts'
import { deployment, pod, service } from './manifests.ts'
import { lastTally, OutsideClient, steadyClient, steadyServer, type Tally } from './steady-client.ts'

const image = 'ownkube.test/node:1'
const replicas = 10

interface Pods {
  items: { metadata: { uid: string } }[]
}

/** A Deployment of ten pods that answer HTTP, with readiness and preStop as its users should have them, behind three ways in. */
export class RolloutScene {
  readonly cluster: TestCluster
  readonly #ratePerWay: number
  readonly #ways: { pod: string[]; outside: string[] }

  private constructor(cluster: TestCluster, ratePerWay: number, ways: { pod: string[]; outside: string[] }) {
    this.cluster = cluster
    this.#ratePerWay = ratePerWay
    this.#ways = ways
  }

  /** `ratePerWay`: requests a second to each of ClusterIP, NodePort and a NodePort of externalTrafficPolicy Local. */
  static async start(ratePerWay: number, flags: readonly string[] = []): Promise<RolloutScene> {
    const cluster = await TestCluster.start('rollout', flags)
    try {
      await cluster.importNode(image)
      const server = {
        image,
        command: ['node', '-e', steadyServer],
        readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
        // While it lasts the word that this pod goes reaches every node.
        lifecycle: { preStop: { sleep: { seconds: 2 } } },
      }
      await cluster.apply(deployment('web', replicas, server, { podSpec: { terminationGracePeriodSeconds: 10 } }))
      const port = { port: 80, targetPort: 8080 }
      await cluster.apply(service('web', { app: 'web' }, [{ ...port, nodePort: 30801 }], { type: 'NodePort' }))
      const local = { type: 'NodePort', externalTrafficPolicy: 'Local' }
      await cluster.apply(service('local', { app: 'web' }, [{ ...port, nodePort: 30802 }], local))
      await cluster.must(['rollout', 'status', 'deployment/web', '--timeout=90s'])
      const clusterIp = await cluster.must(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])
      const node = await cluster.must(['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'])
      return new RolloutScene(cluster, ratePerWay, { pod: [`${clusterIp}:80`], outside: [`${node}:30801`, `${node}:30802`] })
    } catch (error) {
      await cluster.remove()
      throw error
    }
  }

  /** Every pod gives way to a new one. `inTheMiddle` runs once some have. */
  async rollOut(inTheMiddle?: () => Promise<void>): Promise<void> {
    const before = new Set(await this.#podUids())
    const replaced = async (): Promise<number> => (await this.#podUids()).filter((uid) => !before.has(uid)).length
    await this.cluster.must(['rollout', 'restart', 'deployment/web'])
    if (inTheMiddle) {
      await eventually(async () => must((await replaced()) > 2, 'no pod is replaced'))
      await inTheMiddle()
    }
    await this.cluster.must(['rollout', 'status', 'deployment/web', '--timeout=60s'])
    await eventually(async () => {
      must((await replaced()) === replicas, 'not all pods are replaced')
      must((await this.#podUids()).length === replicas, 'old pods are still there')
    })
  }

  /** Clients in a pod and outside of the cluster ask all the while that `work` runs. Answers what each has seen. */
  async underLoad(work: () => Promise<void>): Promise<Tally[]> {
    const { cluster } = this
    const rate = this.#ratePerWay
    const outside = await OutsideClient.start('roll', this.#ways.outside, rate)
    const inPod = async (): Promise<Tally | undefined> => lastTally(await cluster.must(['logs', 'client']))
    const sentInPod = async (least: number): Promise<void> => {
      await eventually(async () => must(((await inPod())?.sent ?? 0) > least, 'the client in the pod sends nothing'))
    }
    try {
      const command = ['node', '-e', steadyClient, ...this.#ways.pod, String(rate)]
      await cluster.apply(pod('client', [{ image, command }], { restartPolicy: 'Never', terminationGracePeriodSeconds: 10 }))
      await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=60s'])
      await sentInPod(rate)
      await eventually(async () => must((outside.tally()?.answered ?? 0) > rate, 'nobody answers outside'))
      await work()
      // What came last has been answered too.
      await sentInPod(((await inPod())?.sent as number) + rate)
      return [(await inPod()) as Tally, await outside.end()]
    } finally {
      await outside.remove()
      await cluster.kubectl(['delete', 'pod', 'client', '--grace-period=1'])
    }
  }

  remove(): Promise<void> {
    return this.cluster.remove()
  }

  async #podUids(): Promise<string[]> {
    const { items } = await this.cluster.json<Pods>(['get', 'pods', '-l', 'app=web'])
    return items.map(({ metadata }) => metadata.uid)
  }
}

function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}
