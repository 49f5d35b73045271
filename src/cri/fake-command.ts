/**
 * What a fake container's process does: a very small shell, enough for tests to speak with the same commands to the fake and to a
 * real busybox. It knows `echo`, `true`, `false`, `exit N`, `sleep N`, `trap '' TERM`, `trap 'exit N' TERM`, and `sh -c` with those
 * joined by `;`, also `>&2`. Everything else runs until it is stopped.
 */
export interface FakeProgram {
  /** In the order printed. */
  readonly output: readonly { readonly stream: 'stdout' | 'stderr'; readonly text: string }[]
  /** Ends by itself after this many milliseconds; undefined: runs until it is stopped. */
  readonly endsAfterMs: number | undefined
  readonly exitCode: number
  /** How it answers SIGTERM: the exit code, or undefined when it takes no notice. */
  readonly onTerm: number | undefined
}

const unquote = (text: string): string => text.replace(/^(['"])(.*)\1$/s, '$2')

/** The program that these arguments start; undefined where there is no such program (a name that begins with `/no/` or `nope`). */
export function fakeProgram(command: readonly string[]): FakeProgram | undefined {
  const [program = '', ...rest] = command
  if (/^(\/no\/|nope)/.test(program)) return undefined
  if ((program === 'sh' || program === '/bin/sh') && rest[0] === '-c') return script((rest[1] ?? '').split(/\s*;\s*|\s*\n\s*/))
  return script([[program.replace(/^.*\//, ''), ...rest].join(' ')])
}

function script(lines: readonly string[]): FakeProgram {
  const output: { stream: 'stdout' | 'stderr'; text: string }[] = []
  let endsAfterMs = 0,
    exitCode = 0,
    onTerm: number | undefined = 143
  for (const line of lines) {
    const [word = '', ...rest] = line.trim().split(/\s+/)
    if (word === '' || word === 'true' || word === ':') exitCode = 0
    else if (word === 'false') exitCode = 1
    else if (word === 'exit') return { output, endsAfterMs, exitCode: rest[0] === undefined ? exitCode : Number(rest[0]), onTerm }
    else if (word === 'sleep') endsAfterMs += Number(rest[0]) * 1000
    else if (word === 'echo') {
      const toStderr = rest.at(-1) === '>&2'
      output.push({ stream: toStderr ? 'stderr' : 'stdout', text: `${unquote((toStderr ? rest.slice(0, -1) : rest).join(' '))}\n` })
      exitCode = 0
    } else if (word === 'trap') {
      const handler = /^trap\s+(''|""|'[^']*'|"[^"]*")\s/.exec(line.trim())?.[1] ?? "''"
      const code = /exit\s*(\d*)/.exec(unquote(handler))
      onTerm = code ? Number(code[1] || 0) : undefined
    } else return { output, endsAfterMs: undefined, exitCode: 0, onTerm }
  }
  return { output, endsAfterMs, exitCode, onTerm }
}
