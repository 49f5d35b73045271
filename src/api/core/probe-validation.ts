import { forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { type Faults, nonNegativeFaults, portFaults } from '../field-checks.ts'
import type {
  Container,
  ExecAction,
  GRPCAction,
  HTTPGetAction,
  Lifecycle,
  Probe,
  SleepAction,
  TCPSocketAction,
} from '../generated/types.ts'

interface Handler {
  exec?: ExecAction
  httpGet?: HTTPGetAction
  tcpSocket?: TCPSocketAction
  grpc?: GRPCAction
  sleep?: SleepAction
}

const headerName = /^[-A-Za-z0-9]+$/

function* httpGetFaults(path: string, action: HTTPGetAction): Faults {
  if (!action.path) yield required(`${path}.path`)
  yield* portFaults(`${path}.port`, action.port)
  if (action.scheme !== 'HTTP' && action.scheme !== 'HTTPS') yield notSupported(`${path}.scheme`, action.scheme ?? '', ['HTTP', 'HTTPS'])
  for (const { name } of action.httpHeaders ?? []) {
    if (headerName.test(name)) continue
    yield invalidValue(
      `${path}.httpHeaders`,
      name,
      "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
    )
  }
}

function* sleepFaults(path: string, { seconds }: SleepAction, graceSeconds: number | undefined): Faults {
  if (graceSeconds === undefined || (seconds >= 0 && seconds <= graceSeconds)) return
  yield invalidValue(path, seconds, `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`)
}

function* handlerFaults(path: string, handler: Handler, graceSeconds: number | undefined): Faults {
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler
  const checks: Record<string, (() => Faults) | undefined> = {
    exec: exec && (() => (exec.command?.length ? [] : [required(`${path}.exec.command`)])),
    httpGet: httpGet && (() => httpGetFaults(`${path}.httpGet`, httpGet)),
    tcpSocket: tcpSocket && (() => portFaults(`${path}.tcpSocket.port`, tcpSocket.port)),
    grpc: grpc && (() => portFaults(`${path}.grpc.port`, grpc.port)),
    sleep: sleep && (() => sleepFaults(`${path}.sleep`, sleep, graceSeconds)),
  }
  const given = Object.entries(checks).filter(([, check]) => check)
  if (given.length === 0) yield required(path, 'must specify a handler type')
  for (const [position, [name, check]] of given.entries()) {
    if (position > 0) yield forbiddenField(`${path}.${name}`, 'may not specify more than 1 handler type')
    else if (check) yield* check()
  }
}

function* probeFaults(path: string, probe: Probe): Faults {
  yield* handlerFaults(path, probe, undefined)
  for (const field of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const) {
    yield* nonNegativeFaults(`${path}.${field}`, probe[field])
  }
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined && grace <= 0) yield invalidValue(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0')
}

function* killingProbeFaults(path: string, probe: Probe | undefined): Faults {
  if (!probe) return
  yield* probeFaults(path, probe)
  if (probe.successThreshold !== 1) yield invalidValue(`${path}.successThreshold`, probe.successThreshold, 'must be 1')
}

function* readinessProbeFaults(path: string, probe: Probe | undefined): Faults {
  if (!probe) return
  yield* probeFaults(path, probe)
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined) yield invalidValue(`${path}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes')
}

function* lifecycleFaults(path: string, { postStart, preStop }: Lifecycle, graceSeconds: number | undefined): Faults {
  if (postStart) yield* handlerFaults(`${path}.postStart`, postStart, graceSeconds)
  if (preStop) yield* handlerFaults(`${path}.preStop`, preStop, graceSeconds)
}

/** Hooks and probes of a container that keeps running. */
export function* healthFaults(path: string, container: Container, graceSeconds: number | undefined): Faults {
  if (container.lifecycle) yield* lifecycleFaults(`${path}.lifecycle`, container.lifecycle, graceSeconds)
  yield* killingProbeFaults(`${path}.livenessProbe`, container.livenessProbe)
  yield* readinessProbeFaults(`${path}.readinessProbe`, container.readinessProbe)
  yield* killingProbeFaults(`${path}.startupProbe`, container.startupProbe)
}

const healthFields = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const

/** Containers that run to their end have nothing to probe. */
export function* noHealthFaults(path: string, container: Container, why: string): Faults {
  for (const field of healthFields) if (container[field]) yield forbiddenField(`${path}.${field}`, why)
}
