import type { Container, LifecycleHandler } from '../api/generated/types.ts'
import type { ContainerRuntime } from '../cri/runtime.ts'
import type { Clock } from '../host/clock.ts'
import { httpGet } from './probes/http-get.ts'

/** Runs a postStart or preStop handler to its end, at most `timeoutMs`. Throws where it fails. */
export async function runHook(
  handler: LifecycleHandler,
  target: { container: Container; containerId: string; podIp: string },
  timeoutMs: number,
  deps: { runtime: ContainerRuntime; clock: Clock; signal: AbortSignal },
): Promise<void> {
  if (handler.exec) {
    const { command = [] } = handler.exec
    const { exitCode, stdout, stderr } = await deps.runtime.execSync(target.containerId, command, Math.ceil(timeoutMs / 1000))
    if (exitCode === 0) return
    const output = Buffer.concat([stdout, stderr]).toString()
    throw new Error(`command '${command.join(' ')}' exited with ${exitCode}: ${output}`)
  }
  if (handler.sleep) return deps.clock.sleep(Math.min(handler.sleep.seconds * 1000, timeoutMs), deps.signal)
  if (handler.httpGet) {
    const late = new AbortController()
    const cancel = deps.clock.after(timeoutMs, () => late.abort(new Error(`no answer within ${timeoutMs} ms`)))
    try {
      const { status } = await httpGet(handler.httpGet, target.container, target.podIp, late.signal)
      if (status < 200 || status >= 400) throw new Error(`HTTP hook answered with status code ${status}`)
    } finally {
      cancel()
    }
    return
  }
  throw new Error('a hook needs exec, httpGet or sleep')
}
