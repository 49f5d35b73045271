import type { Client } from '../client/client.ts'
import type { ContainerRuntime } from '../cri/runtime.ts'
import type { Clock } from '../host/clock.ts'
import type { Exec } from '../host/exec.ts'
import type { Log } from '../host/log.ts'
import type { Random } from '../host/random.ts'

export interface KubeletOptions {
  client: Client
  runtime: ContainerRuntime
  clock: Clock
  random: Random
  log: Log
  exec: Exec
  signal: AbortSignal
  nodeName: string
  /** InternalIP. */
  nodeAddress: string
  /** Of the other family, in a cluster of both. */
  secondNodeAddress?: string | undefined
  podCidr: string
  /** Volumes and pods: `<data>/kubelet`. */
  rootDir: string
  /** Pod logs: `<data>/pod-logs`. */
  logDir: string
  /** The kubelet's own HTTPS endpoint; clients must show a certificate of the CA. PEM texts. */
  server: { host: string; port: number; ca: string; cert: string; key: string }
  /** Below each hierarchy's root, such as `/ownkube-default`. */
  cgroupRoot: string
  clusterDns: string[]
  clusterDomain: string
  versions: { kubelet: string }
  /** Default 110. */
  maxPods?: number
  labels?: Record<string, string>
  /** Default true. */
  registerNode?: boolean
}

export interface Kubelet {
  /** Where the server listens: the port asked for, or the one it got for 0. */
  readonly port: number
  /** Resolves when the signal has ended it. Pods run on: the next kubelet finds them. */
  readonly stopped: Promise<void>
}
