import { duplicate, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { type Faults, portNameFaults, portNumberFaults } from '../field-checks.ts'
import type { Container, ContainerPort, PodSpec } from '../generated/types.ts'

export const protocols = ['SCTP', 'TCP', 'UDP']

export function* protocolFaults(path: string, protocol: string | undefined): Faults {
  if (!protocol) yield required(path)
  else if (!protocols.includes(protocol)) yield notSupported(path, protocol, protocols)
}

export function* containerPortFaults(path: string, ports: readonly ContainerPort[]): Faults {
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const at = `${path}[${index}]`
    if (port.name) {
      const faults = portNameFaults(`${at}.name`, port.name)
      yield* faults
      if (faults.length === 0 && names.has(port.name)) yield duplicate(`${at}.name`, port.name)
      names.add(port.name)
    }
    if (!port.containerPort) yield required(`${at}.containerPort`)
    else yield* portNumberFaults(`${at}.containerPort`, port.containerPort)
    if (port.hostPort) yield* portNumberFaults(`${at}.hostPort`, port.hostPort)
    yield* protocolFaults(`${at}.protocol`, port.protocol)
  }
}

/** Two containers of a pod cannot have the same port of the host. */
export function* hostPortConflicts(path: string, containers: readonly Container[]): Faults {
  const taken = new Set<string>()
  for (const [index, container] of containers.entries()) {
    for (const [position, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`
      if (taken.has(key)) yield duplicate(`${path}[${index}].ports[${position}].hostPort`, key)
      taken.add(key)
    }
  }
}

/** In the host's network a container's port is the host's port; templates may leave it to be filled in per pod. */
export function* hostNetworkFaults(path: string, spec: PodSpec, isPod: boolean): Faults {
  if (!spec.hostNetwork) return
  for (const [index, container] of spec.containers.entries()) {
    for (const [position, { hostPort = 0, containerPort }] of (container.ports ?? []).entries()) {
      if ((!isPod && hostPort === 0) || hostPort === containerPort) continue
      const field = `${path}.containers[${index}].ports[${position}].hostPort`
      yield invalidValue(field, hostPort, 'must match `containerPort` when `hostNetwork` is true')
    }
  }
}
