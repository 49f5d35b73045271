import type { Step } from '../cluster/steps.ts'
import { paint } from './colors.ts'

const out = process.stderr

/** A terminal without a size, as some recorders and serial lines give, would wrap every character of a live display. */
export function canShowLive(terminal: { isTTY?: boolean; columns?: number }, term: string | undefined): boolean {
  return terminal.isTTY === true && (terminal.columns ?? 0) >= 40 && term !== 'dumb'
}

/** Runs steps in order and shows them: live on a terminal, a line each when piped. Throws what a step throws. */
export async function showSteps(steps: readonly Step[]): Promise<void> {
  if (canShowLive(out, process.env.TERM)) await showLive(steps)
  else await showLines(steps)
}

async function showLines(steps: readonly Step[]): Promise<void> {
  const width = Math.max(...steps.map(({ title }) => title.length))
  for (const { title, run } of steps) {
    const started = performance.now()
    const answer = await run((text) => out.write(`${title.padEnd(width)}  ${text}\n`))
    out.write(`${title.padEnd(width)}  ${answer ?? 'done'} (${elapsed(started)})\n`)
  }
}

async function showLive(steps: readonly Step[]): Promise<void> {
  const { Listr } = await import('listr2')
  const tasks = steps.map(({ title, run }) => ({
    title,
    task: async (_: unknown, task: { title?: string; output?: string }): Promise<void> => {
      const started = performance.now()
      const answer = await run((text) => {
        task.output = text
      })
      task.title = `${title}${answer ? `: ${answer}` : ''} ${paint('dim', elapsed(started), out)}`
    },
  }))
  await new Listr(tasks, { rendererOptions: { collapseErrors: false } }).run()
}

function elapsed(started: number): string {
  const ms = performance.now() - started
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
