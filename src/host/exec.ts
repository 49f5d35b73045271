import { spawn } from 'node:child_process'

export interface ExecResult {
  code: number
  stdout: string
  stderr: string
}

export interface ExecOptions {
  /** Written to the program's standard input, which is then closed. */
  input?: string | Uint8Array
  /** The program is killed after this long; default 30 s. */
  timeoutMs?: number
  env?: Record<string, string>
  cwd?: string
  /** Hears the standard output as it comes, which then is no part of the result: for more of it than memory should hold. */
  onStdout?: (text: string) => void
}

/** Runs a program to its end. The one seam to child processes that rule programming, links and mounts go through. */
export interface Exec {
  /** Answers whatever the exit code; throws {@link ExecError} only where the program could not be run or was killed. */
  run(program: string, args: readonly string[], options?: ExecOptions): Promise<ExecResult>
}

export class ExecError extends Error {
  readonly result: ExecResult | undefined
  constructor(message: string, options: { result?: ExecResult; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ExecError'
    this.result = options.result
  }
}

/** Runs a program that must succeed, and answers what it printed. */
export async function mustRun(exec: Exec, program: string, args: readonly string[], options?: ExecOptions): Promise<string> {
  const result = await exec.run(program, args, options)
  if (result.code !== 0) {
    throw new ExecError(`${program} ${args.join(' ')} ended with ${result.code}: ${(result.stderr || result.stdout).trim()}`, { result })
  }
  return result.stdout
}

/** Programs live in /usr/sbin too, which a user's PATH often lacks. */
const searchPath = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin`

export const systemExec: Exec = {
  run(program, args, options = {}) {
    return new Promise((resolve, reject) => {
      const child = spawn(program, args, {
        env: { ...process.env, ...options.env, PATH: searchPath },
        cwd: options.cwd,
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      let stdout = '',
        stderr = '',
        late = false
      const timer = setTimeout(() => {
        late = true
        child.kill('SIGKILL')
      }, options.timeoutMs ?? 30_000)
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        if (options.onStdout) options.onStdout(text)
        else stdout += text
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text
      })
      child.on('error', (cause: NodeJS.ErrnoException) => {
        clearTimeout(timer)
        reject(
          new ExecError(cause.code === 'ENOENT' ? `${program}: not found; is it installed?` : `${program}: ${cause.message}`, { cause }),
        )
      })
      child.on('close', (code, signal) => {
        clearTimeout(timer)
        if (late) reject(new ExecError(`${program} ${args.join(' ')} did not end within ${options.timeoutMs ?? 30_000} ms`))
        else if (code === null) reject(new ExecError(`${program} ${args.join(' ')} was killed by ${signal}`))
        else resolve({ code, stdout, stderr })
      })
      child.stdin.on('error', () => undefined) // a program that ends without reading its input is judged by its exit code
      child.stdin.end(options.input)
    })
  },
}
