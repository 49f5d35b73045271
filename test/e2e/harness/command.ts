import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Outcome {
  code: number
  stdout: string
  stderr: string
}

export const repository = join(dirname(fileURLToPath(import.meta.url)), '../../..')

/** Runs a program to its end, whatever its exit code; a program past its time is killed and answers 124. */
export function run(
  program: string,
  args: readonly string[],
  options: { input?: string; env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: repository,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, options.timeoutMs ?? 90_000)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code: late ? 124 : (code ?? 137), stdout, stderr })
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input)
  })
}

/** The launcher, as a user calls it. */
export const ownkube = (args: readonly string[], options?: Parameters<typeof run>[2]): Promise<Outcome> =>
  run(join(repository, 'ownkube'), args, options)

/** What `work` answers once it no longer throws: for what the cluster does in its own time. Fails with the last error. */
export async function eventually<T>(work: () => Promise<T>, timeoutMs = 60_000, everyMs = 150): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
