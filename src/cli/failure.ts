import { NoSuchPlaceError } from '../cluster/ask/places.ts'
import { ConfigError } from '../cluster/config-file.ts'
import { MissingProgramsError } from '../cluster/requirements.ts'
import { exitCodes } from './exit-codes.ts'

/** The command was right, but cannot be done as things stand; the message says what to do. */
export class CommandError extends Error {
  readonly exitCode: number
  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message)
    this.name = 'CommandError'
    this.exitCode = exitCode
  }
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode
  if (error instanceof MissingProgramsError) return exitCodes.missingPrograms
  return exitCodes.failed
}

/** What a person needs: the message and its causes; the stack only where the fault is ours to find. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? `\n  because: ${error.cause.message}` : ''
  const expected = error instanceof CommandError || error instanceof ConfigError || error instanceof MissingProgramsError
  const stack = !expected && process.env.OWNKUBE_DEBUG ? `\n${error.stack}` : ''
  return `${error.message}${cause}${stack}`
}

/** What was asked about; a name of nothing is wrong usage. */
export async function existing<Answer>(asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof NoSuchPlaceError) throw new CommandError(error.message, exitCodes.usage)
    throw error
  }
}

export function requireRoot(command: string): void {
  if (process.getuid?.() === 0) return
  throw new CommandError(
    `'ownkube ${command}' sets up namespaces, links and rules, and needs root: run 'sudo ./ownkube ${command}'`,
    exitCodes.notPermitted,
  )
}
