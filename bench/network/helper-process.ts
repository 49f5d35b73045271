import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Bundles a script as the product is bundled, so that its memory is what users would see. Answers the bundle's path. */
export async function bundled(script: string): Promise<string> {
  const folder = join(root, 'dist/bench') // below the repository, where native packages are found
  mkdirSync(folder, { recursive: true })
  const outfile = join(folder, `${basename(script, '.ts')}.mjs`)
  await build({
    entryPoints: [script],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external: ['koffi'],
    alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') },
    logLevel: 'warning',
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  })
  return outfile
}

/** A process of the bench's own that is talked to by messages. What it is asked is answered in order, one at a time. */
export class HelperProcess {
  readonly #child: ChildProcess
  readonly #waiting: ((message: unknown) => void)[] = []
  readonly #unread: unknown[] = []
  #ended: Error | undefined
  readonly #fail: ((error: Error) => void)[] = []

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (message) => {
      const next = this.#waiting.shift()
      this.#fail.shift()
      if (next) next(message)
      else this.#unread.push(message)
    })
    child.on('error', (error) => this.#end(error))
    child.on('exit', (code, signal) => this.#end(new Error(`a process of the bench ended with ${code ?? signal}`)))
  }

  /** `namespace`: a path such as /run/netns/x; without it the process shares ours. */
  static start(
    script: string,
    options: unknown,
    { namespace, nodeFlags = [] }: { namespace?: string; nodeFlags?: readonly string[] } = {},
  ): HelperProcess {
    const words = [...(namespace ? ['nsenter', `--net=${namespace}`] : []), process.execPath, ...nodeFlags, script, JSON.stringify(options)]
    return new HelperProcess(spawn(words[0] as string, words.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
  }

  get pid(): number {
    return this.#child.pid as number
  }

  send(message: object): void {
    if (this.#ended) throw this.#ended
    this.#child.send(message)
  }

  /** The next message; rejects when the process ends, or nothing came for `timeoutMs`. */
  next<T>(timeoutMs: number): Promise<T> {
    if (this.#unread.length > 0) return Promise.resolve(this.#unread.shift() as T)
    if (this.#ended) return Promise.reject(this.#ended)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail(new Error(`a process of the bench said nothing for ${timeoutMs} ms`)), timeoutMs)
      const taken = (message: unknown): void => {
        clearTimeout(timer)
        resolve(message as T)
      }
      const fail = (error: Error): void => {
        clearTimeout(timer)
        const at = this.#waiting.indexOf(taken)
        if (at >= 0) {
          this.#waiting.splice(at, 1)
          this.#fail.splice(at, 1)
        }
        reject(error)
      }
      this.#waiting.push(taken)
      this.#fail.push(fail)
    })
  }

  /** What was said and not read. */
  forget(): void {
    this.#unread.length = 0
  }

  async stop(): Promise<void> {
    if (this.#ended) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const fail of this.#fail.splice(0)) fail(error)
    this.#waiting.length = 0
  }
}
