import { createHash } from 'node:crypto'
import type { Container, Pod } from '../api/generated/types.ts'

/** The labels by which every Kubernetes tool (crictl included) finds a pod's sandboxes and containers again. */
const podNameLabel = 'io.kubernetes.pod.name'
const podNamespaceLabel = 'io.kubernetes.pod.namespace'
export const podUidLabel = 'io.kubernetes.pod.uid'
const containerNameLabel = 'io.kubernetes.container.name'

/** Annotations of our containers: what a restarted kubelet must know and the runtime doesn't keep. */
export const containerHashAnnotation = 'io.kubernetes.container.hash'
export const restartCountAnnotation = 'io.kubernetes.container.restartCount'
export const terminationMessagePathAnnotation = 'io.kubernetes.container.terminationMessagePath'
export const terminationMessagePolicyAnnotation = 'io.kubernetes.container.terminationMessagePolicy'
/** Host path of the file behind the termination message path. */
export const terminationMessageFileAnnotation = 'ownkube.io/termination-message-file'

export function podLabels(pod: Pod): Record<string, string> {
  return {
    ...pod.metadata.labels,
    [podNameLabel]: pod.metadata.name,
    [podNamespaceLabel]: namespaceOf(pod),
    [podUidLabel]: pod.metadata.uid,
  }
}

export function containerLabels(pod: Pod, name: string): Record<string, string> {
  return {
    [containerNameLabel]: name,
    [podNameLabel]: pod.metadata.name,
    [podNamespaceLabel]: namespaceOf(pod),
    [podUidLabel]: pod.metadata.uid,
  }
}

export function namespaceOf(pod: Pod): string {
  return pod.metadata.namespace ?? 'default'
}

/** A container whose hash differs from its specification's is replaced: of all fields only the image may change. */
export function containerHash(container: Container): string {
  return createHash('sha256')
    .update(`${container.name}\n${container.image ?? ''}`)
    .digest('hex')
    .slice(0, 8)
}

/** `web_default(1234-…)`: how messages name a pod. */
export function podDescription(pod: Pod): string {
  return `${pod.metadata.name}_${namespaceOf(pod)}(${pod.metadata.uid})`
}

/** `default_web_1234-…`: the folder of a pod's logs. */
export function podLogFolder(pod: { metadata: { name: string; namespace?: string; uid: string } }): string {
  return `${pod.metadata.namespace ?? 'default'}_${pod.metadata.name}_${pod.metadata.uid}`
}
