import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Deployment, Event, Pod, Service } from '../../api/generated/types.ts'
import { deployments, events, kindNamed, pods, services } from '../../api/registry.ts'
import type { Client } from '../../client/client.ts'
import { connectContainerd } from '../../cri/containerd.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { isAlreadyExists } from '../../machinery/status.ts'
import { containerdSocket } from '../agent.ts'
import type { ClusterConfig } from '../config.ts'
import { buildAndImport } from '../images.ts'
import type { OperatorDeps, Step } from '../steps.ts'
import { ask, tally } from './ask.ts'
import { exampleFile } from './example-files.ts'
import { OutsideHost } from './outside-host.ts'

const namespace = 'default'
const deploymentName = 'whats-my-ip'
const nodePortService = 'whats-my-ip-nodeport'
const imageName = 'ownkube.local/whats-my-ip:1'
const readyTimeoutMs = 120_000

/** What one place that requests came from got back. */
export interface DemoRound {
  from: string
  to: string
  answers: string[]
  byPod: Map<string, number>
}

export interface DemoResult {
  pods: { name: string; ip: string }[]
  rounds: DemoRound[]
}

/** The scene that the "build own Kubernetes" articles end with, on a cluster that is up. */
export function demoSteps(
  cluster: () => { config: ClusterConfig; client: Client },
  options: { requests: number },
  deps: OperatorDeps,
): { steps: Step[]; result: () => DemoResult } {
  const found: DemoResult = { pods: [], rounds: [] }
  let clusterAddress = ''
  let nodePort = 0
  const add = (from: string, to: string, answers: string[]): string => {
    found.rounds.push({ from, to, answers, byPod: tally(answers) })
    return `${answers.length} answers`
  }
  const steps: Step[] = [
    {
      title: 'Image',
      run: async () => await buildAndImport(cluster().config, { folder: exampleFile('whats-my-ip'), name: imageName }, deps),
    },
    {
      title: 'Manifests',
      run: async () => (await applyFile(cluster().client, exampleFile('whats-my-ip.yaml'))).join(', '),
    },
    {
      title: 'Pods',
      async run(report) {
        const { client } = cluster()
        await waitForDeployment(client, report)
        const { items } = await client.resource<Pod>(pods, namespace).list({ labelSelector: `app=${deploymentName}` })
        found.pods = items
          .filter(({ metadata }) => !metadata.deletionTimestamp)
          .map(({ metadata, status }) => ({ name: metadata.name, ip: status?.podIP ?? '' }))
        return `${found.pods.length} ready`
      },
    },
    {
      title: 'First answer',
      async run() {
        const { client } = cluster()
        clusterAddress = (await client.resource<Service>(services, namespace).get(deploymentName)).spec.clusterIP ?? ''
        nodePort = (await client.resource<Service>(services, namespace).get(nodePortService)).spec.ports?.[0]?.nodePort ?? 0
        return await firstAnswer(clusterAddress, deps)
      },
    },
    {
      title: 'Node to ClusterIP',
      async run() {
        const answers: string[] = []
        for (let i = 0; i < options.requests; i++) answers.push(await ask(clusterAddress, 3001, 5_000))
        return add('the node', `${clusterAddress}:3001`, answers)
      },
    },
    {
      title: 'Pod to ClusterIP',
      async run() {
        const pod = found.pods[0]?.name ?? ''
        return add(
          `pod ${pod}`,
          `${clusterAddress}:3001`,
          await askFromPod(cluster().config, pod, `${clusterAddress}:3001`, options.requests, deps),
        )
      },
    },
    {
      title: 'Outside to NodePort',
      async run() {
        const { config } = cluster()
        const outside = new OutsideHost(deps.exec, createHash('sha256').update(config.name).digest('hex').slice(0, 8))
        try {
          await outside.create()
          return add(
            'an outside host',
            `${config.nodeAddress}:${nodePort}`,
            await outside.ask(config.nodeAddress, nodePort, options.requests),
          )
        } finally {
          await outside.remove()
        }
      },
    },
  ]
  return { steps, result: () => found }
}

/** Creates what the file describes, or merges it into what is there. */
async function applyFile(client: Client, path: string): Promise<string[]> {
  const { parseAllDocuments } = await import('yaml')
  const done: string[] = []
  for (const document of parseAllDocuments(await readFile(path, 'utf8'), { version: '1.1' })) {
    const object = document.toJS() as KubeObject
    const kind = kindNamed(object.apiVersion, object.kind)
    if (!kind) throw new Error(`${path}: ${object.kind} of ${object.apiVersion} is no kind of this cluster`)
    const resource = client.resource(kind, namespace)
    try {
      await resource.create(object)
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      await resource.patch(object.metadata.name, { type: 'merge', body: object })
    }
    done.push(`${kind.singular}/${object.metadata.name}`)
  }
  return done
}

const isRolledOut = ({ metadata, spec, status }: Deployment): boolean =>
  status?.observedGeneration === metadata.generation &&
  status?.updatedReplicas === spec.replicas &&
  status?.availableReplicas === spec.replicas &&
  status?.replicas === spec.replicas

async function waitForDeployment(client: Client, report: (text: string) => void): Promise<void> {
  const resource = client.resource<Deployment>(deployments, namespace)
  const fieldSelector = `metadata.name=${deploymentName}`
  const list = await resource.list({ fieldSelector })
  if (list.items.some(isRolledOut)) return
  const resourceVersion = list.metadata.resourceVersion ?? ''
  const end = new AbortController()
  const signal = AbortSignal.any([AbortSignal.timeout(readyTimeoutMs), end.signal])
  // A connection that breaks ends both watches: the other one's error is the one to throw.
  const failures = Promise.allSettled([reportFailures(client, resourceVersion, signal, report)])
  try {
    for await (const { object } of resource.watch({ fieldSelector, resourceVersion, signal })) {
      report(`${object.status?.availableReplicas ?? 0} of ${object.spec.replicas} ready`)
      if (isRolledOut(object)) return
    }
  } finally {
    end.abort()
    await failures
  }
  throw new Error(`the pods were not ready within ${readyTimeoutMs / 1000} s: 'kubectl describe pods -l app=${deploymentName}' says why`)
}

/** Says at once what keeps pods from starting, each kind of trouble once: the kubelet tries again, so that nothing else would show for long. */
async function reportFailures(client: Client, resourceVersion: string, signal: AbortSignal, report: (text: string) => void): Promise<void> {
  const seen = new Set<string>()
  const fieldSelector = 'type=Warning,involvedObject.kind=Pod'
  for await (const { object } of client.resource<Event>(events, namespace).watch({ fieldSelector, resourceVersion, signal })) {
    const { reason = '', message = '' } = object
    if (!reason.startsWith('Failed') || seen.has(reason)) continue
    seen.add(reason)
    report(`${reason}: ${message}`)
  }
}

/** The rules follow the endpoints within milliseconds; until then the Service refuses. */
async function firstAnswer(address: string, { clock }: OperatorDeps): Promise<string> {
  const deadline = clock.monotonic() + 15_000
  for (;;) {
    try {
      const answer = await ask(address, 3001, 1_000)
      tally([answer])
      return answer
    } catch (error) {
      if (clock.monotonic() > deadline) throw error
      await clock.sleep(10)
    }
  }
}

async function askFromPod(config: ClusterConfig, podName: string, target: string, times: number, deps: OperatorDeps): Promise<string[]> {
  const runtime = connectContainerd({ socket: containerdSocket(config), clock: deps.clock, log: deps.log })
  try {
    const containers = await runtime.listContainers()
    const container = containers.find(({ labels, state }) => labels['io.kubernetes.pod.name'] === podName && state === 'running')
    if (!container) throw new Error(`pod ${podName} has no running container`)
    const script = `for i in $(seq ${times}); do timeout 5 wget -qO- http://${target}/ || exit 1; done`
    const { exitCode, stdout, stderr } = await runtime.execSync(container.id, ['sh', '-c', script], 60)
    if (exitCode !== 0) throw new Error(`wget in pod ${podName} ended with ${exitCode}: ${new TextDecoder().decode(stderr)}`)
    return new TextDecoder().decode(stdout).trim().split('\n')
  } finally {
    runtime.close()
  }
}
