import { forbiddenField, invalidValue, notSupported, required } from '../../machinery/field-error.ts'
import { type Faults, nonNegativeFaults, optionalChoiceFaults, portFaults } from '../field-checks.ts'
import type {
  Container,
  ExecAction,
  GRPCAction,
  HTTPGetAction,
  Lifecycle,
  PodOS,
  PodSpec,
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
  yield* protocolFaults(path, action)
}

const protocols = ['HTTP1', 'HTTP2']

/** HTTP/2 is spoken in the clear, to the pod itself. */
function* protocolFaults(path: string, { protocol, scheme, host }: HTTPGetAction): Faults {
  if (protocol === undefined) return
  if (!protocols.includes(protocol)) yield notSupported(`${path}.protocol`, protocol, protocols)
  else if (protocol === 'HTTP2' && scheme !== 'HTTP') {
    yield invalidValue(`${path}.protocol`, protocol, 'is only supported with HTTP (H2C)')
  } else if (protocol === 'HTTP2' && host) yield invalidValue(`${path}.host`, host, 'must be empty when `protocol` is "HTTP2"')
}

function* grpcFaults(path: string, { port, mode }: GRPCAction): Faults {
  yield* portFaults(`${path}.port`, port)
  yield* optionalChoiceFaults(`${path}.mode`, mode, ['Plaintext', 'TLS'])
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
    grpc: grpc && (() => grpcFaults(`${path}.grpc`, grpc)),
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

/** The signals of Linux by their names, real-time ones included; of Windows there are two. */
const classicSignals =
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ'
const realTimeSignals = [
  'RTMIN',
  ...Array.from({ length: 15 }, (_, i) => `RTMIN+${i + 1}`),
  ...Array.from({ length: 14 }, (_, i) => `RTMAX-${14 - i}`),
  'RTMAX',
]
const signals: Readonly<Record<string, readonly string[]>> = {
  linux: [...classicSignals.split(' '), ...realTimeSignals].map((name) => `SIG${name}`).sort(),
  windows: ['SIGKILL', 'SIGTERM'],
}

function* stopSignalFaults(path: string, signal: string, os: PodOS | undefined): Faults {
  if (!os) return yield forbiddenField(path, 'may not be set for containers with empty `spec.os.name`')
  const known = signals[os.name]
  if (known && !known.includes(signal)) yield notSupported(path, signal, known)
}

function* lifecycleFaults(
  path: string,
  { postStart, preStop, stopSignal }: Lifecycle,
  { os, terminationGracePeriodSeconds }: PodSpec,
): Faults {
  if (postStart) yield* handlerFaults(`${path}.postStart`, postStart, terminationGracePeriodSeconds)
  if (preStop) yield* handlerFaults(`${path}.preStop`, preStop, terminationGracePeriodSeconds)
  if (stopSignal !== undefined) yield* stopSignalFaults(`${path}.stopSignal`, stopSignal, os)
}

/** Hooks and probes of a container that keeps running. */
export function* healthFaults(path: string, container: Container, spec: PodSpec): Faults {
  if (container.lifecycle) yield* lifecycleFaults(`${path}.lifecycle`, container.lifecycle, spec)
  yield* killingProbeFaults(`${path}.livenessProbe`, container.livenessProbe)
  yield* readinessProbeFaults(`${path}.readinessProbe`, container.readinessProbe)
  yield* killingProbeFaults(`${path}.startupProbe`, container.startupProbe)
}

const healthFields = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const

/** Containers that run to their end have nothing to probe. */
export function* noHealthFaults(path: string, container: Container, why: string): Faults {
  for (const field of healthFields) if (container[field]) yield forbiddenField(`${path}.${field}`, why)
}
