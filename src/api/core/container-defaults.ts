import type { Container, HTTPGetAction, LifecycleHandler, ObjectFieldSelector, Probe, ResourceRequirements } from '../generated/types.ts'

/**
 * Whether an image reference means "the newest": it has the tag `latest`, or neither tag nor digest.
 * A colon before the last slash belongs to the registry's port.
 */
function isLatestImage(image: string): boolean {
  if (image.includes('@')) return false
  const lastPart = image.slice(image.lastIndexOf('/') + 1)
  const colon = lastPart.indexOf(':')
  return colon < 0 || lastPart.slice(colon + 1) === 'latest'
}

/** What pull policy an image gets that names none. */
export function defaultPullPolicy(image: string): 'Always' | 'IfNotPresent' {
  return image && isLatestImage(image) ? 'Always' : 'IfNotPresent'
}

export function setFieldRefDefaults(fieldRef: ObjectFieldSelector | undefined): void {
  if (fieldRef) fieldRef.apiVersion ||= 'v1'
}

function setHttpGetDefaults(httpGet: HTTPGetAction | undefined): void {
  if (!httpGet) return
  httpGet.path ||= '/'
  httpGet.scheme ||= 'HTTP'
}

function setProbeDefaults(probe: Probe | undefined): void {
  if (!probe) return
  probe.timeoutSeconds ||= 1
  probe.periodSeconds ||= 10
  probe.successThreshold ||= 1
  probe.failureThreshold ||= 3
  setHttpGetDefaults(probe.httpGet)
  if (probe.grpc) probe.grpc.service ??= ''
}

function setHandlerDefaults(handler: LifecycleHandler | undefined): void {
  setHttpGetDefaults(handler?.httpGet)
}

/** What has a limit but no request asks for as much as its limit. */
export function setRequestDefaults(resources: ResourceRequirements | undefined): void {
  if (resources?.limits && Object.keys(resources.limits).length > 0) resources.requests = { ...resources.limits, ...resources.requests }
}

/** Defaults that a container gets in pods and pod templates alike. Ephemeral containers are shaped the same. */
export function setContainerDefaults(container: Container): void {
  container.imagePullPolicy ||= defaultPullPolicy(container.image ?? '')
  container.terminationMessagePath ||= '/dev/termination-log'
  container.terminationMessagePolicy ||= 'File'
  container.resources ??= {}
  for (const port of container.ports ?? []) port.protocol ||= 'TCP'
  for (const variable of container.env ?? []) setFieldRefDefaults(variable.valueFrom?.fieldRef)
  setProbeDefaults(container.livenessProbe)
  setProbeDefaults(container.readinessProbe)
  setProbeDefaults(container.startupProbe)
  setHandlerDefaults(container.lifecycle?.postStart)
  setHandlerDefaults(container.lifecycle?.preStop)
}
