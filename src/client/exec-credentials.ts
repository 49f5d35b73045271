import type { Clock } from '../host/clock.ts'
import { type Exec, ExecError } from '../host/exec.ts'
import type { Credential, Credentials } from './credentials.ts'

/** A program that a kubeconfig names to get credentials by: client.authentication.k8s.io, v1 or v1beta1. */
export interface ExecPlugin {
  readonly apiVersion: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Told to the program where the kubeconfig says so: `spec.cluster` of its input. */
  readonly cluster: object | undefined
  readonly installHint: string | undefined
}

interface ExecCredential {
  apiVersion?: string
  kind?: string
  status?: { token?: string; clientCertificateData?: string; clientKeyData?: string; expirationTimestamp?: string }
}

/** A credential is renewed this long before it ends, so that no call is under way with one that has ended. */
const renewBeforeMs = 10_000

/** Runs the program when a credential is first needed, when the last one ends, and after the server refused it. */
export function execCredentials(plugin: ExecPlugin, deps: { exec: Exec; clock: Clock }): Credentials {
  let held: { credential: Credential; untilMs: number } | undefined
  let asking: Promise<Credential> | undefined
  const ask = async (): Promise<Credential> => {
    const status = await runPlugin(plugin, deps.exec)
    const until = Date.parse(status.expirationTimestamp ?? '')
    const credential = credentialOf(status)
    held = { credential, untilMs: Number.isNaN(until) ? Number.POSITIVE_INFINITY : until - renewBeforeMs }
    return credential
  }
  return {
    async current() {
      if (held && deps.clock.now() < held.untilMs) return held.credential
      asking ??= ask().finally(() => {
        asking = undefined
      })
      return await asking
    },
    refused() {
      held = undefined
    },
  }
}

async function runPlugin(plugin: ExecPlugin, exec: Exec): Promise<NonNullable<ExecCredential['status']>> {
  const { apiVersion, command, args, env, cluster } = plugin
  const spec = { interactive: false, ...(cluster ? { cluster } : {}) }
  const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec })
  const failed = (why: string, cause?: unknown): ExecError =>
    new ExecError(`the credential plugin ${command} ${why}${plugin.installHint ? `\n${plugin.installHint}` : ''}`, { cause })
  let result: Awaited<ReturnType<Exec['run']>>
  try {
    result = await exec.run(command, args, { env: { ...env, KUBERNETES_EXEC_INFO: info }, timeoutMs: 60_000 })
  } catch (cause) {
    if (!(cause instanceof ExecError)) throw cause
    throw failed(`could not be run: ${cause.message}`, cause)
  }
  if (result.code !== 0) throw failed(`ended with ${result.code}: ${result.stderr.trim().slice(0, 1024)}`)
  const answer = parsed(result.stdout)
  if (answer?.kind !== 'ExecCredential') throw failed('printed no ExecCredential')
  if (answer.apiVersion !== apiVersion) throw failed(`answered in ${answer.apiVersion}, not in ${apiVersion}`)
  const { status } = answer
  const hasPair = status?.clientCertificateData !== undefined && status.clientKeyData !== undefined
  if (!status || !(status.token || hasPair)) throw failed('gave neither a token nor a certificate with its key')
  return status
}

function credentialOf({ token, clientCertificateData: cert, clientKeyData: key }: NonNullable<ExecCredential['status']>): Credential {
  return { ...(token ? { token } : {}), ...(cert && key ? { cert, key } : {}) }
}

function parsed(text: string): ExecCredential | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
