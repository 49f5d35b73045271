import type { Exec } from '../host/exec.ts'
import { ExecError, mustRun } from '../host/exec.ts'
import type { Transaction } from './difference.ts'
import { parseSaved, type SavedRules } from './parse.ts'
import { type Hook, ruleText } from './rules.ts'

export interface IptablesOptions {
  exec: Exec
  /** Default: IPv4. */
  family?: 'IPv4' | 'IPv6'
  /** Which of the two kinds of iptables; without it whichever the machine has made its default. */
  variant?: 'nft' | 'legacy'
}

/** The kernel's rules of one family through the iptables (ip6tables) programs. Their lock is waited for (10 s), never grabbed. */
export interface Iptables {
  /** Applies all of it or, for each table, nothing. */
  apply(transaction: Transaction): Promise<void>
  /** Everything that is there, ours or not: for start, repair and removal. */
  read(): Promise<SavedRules>
  removeHooks(hooks: readonly Hook[]): Promise<void>
}

const lockWaitSeconds = 10
/** 30,000 chains take some seconds in the nft variant, more on a busy machine. */
const timeoutMs = 120_000

export function iptables(options: IptablesOptions): Iptables {
  const { exec, variant } = options
  const name = options.family === 'IPv6' ? 'ip6tables' : 'iptables'
  const program = (verb: 'restore' | 'save'): string => (variant ? `${name}-${variant}-${verb}` : `${name}-${verb}`)
  const restore = async (input: string): Promise<void> => {
    const args = ['--noflush', '--wait', String(lockWaitSeconds)]
    const result = await exec.run(program('restore'), args, { input, timeoutMs })
    if (result.code === 0) return
    throw new ExecError(`${program('restore')} refused a change: ${result.stderr.trim()}${refusedLine(result.stderr, input)}`, { result })
  }
  return {
    apply: (transaction) => restore(transaction.text),
    async read() {
      return parseSaved(await mustRun(exec, program('save'), [], { timeoutMs }))
    },
    async removeHooks(hooks) {
      if (hooks.length === 0) return
      const parts = hooks.map((hook) => `*${hook.table}\n-D ${hook.chain} ${ruleText(hook.rule)}\nCOMMIT\n`)
      await restore(parts.join(''))
    },
  }
}

/** iptables-restore names the line that it stopped at only by number. */
function refusedLine(stderr: string, input: string): string {
  const number = /line:? (\d+)/i.exec(stderr)?.[1]
  const line = number === undefined ? undefined : input.split('\n')[Number(number) - 1]
  return line && line !== 'COMMIT' ? ` (${line})` : ''
}
