/** One line of structured log a call. `fields` are values that a reader would filter by; an Error goes under `error`. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
  /** The same log, each line marked with this component. */
  named(component: string): Log
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

function shown(value: unknown): string {
  if (value instanceof Error)
    return JSON.stringify(value.cause instanceof Error ? `${value.message}: ${value.cause.message}` : value.message)
  if (typeof value === 'string') return /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value)
  return JSON.stringify(value) ?? 'undefined'
}

/** Writes `2026-01-02T03:04:05.678Z INFO kubelet: message key=value` lines to `write`. */
export function lineLog(write: (line: string) => void, options: { level: LogLevel; now: () => number; component?: string }): Log {
  const put = (level: LogLevel, message: string, fields: Record<string, unknown> = {}): void => {
    if (levels.indexOf(level) < levels.indexOf(options.level)) return
    const pairs = Object.entries(fields)
      .map(([key, value]) => ` ${key}=${shown(value)}`)
      .join('')
    const component = options.component ? `${options.component}: ` : ''
    write(`${new Date(options.now()).toISOString()} ${level.toUpperCase().padEnd(5)} ${component}${message}${pairs}\n`)
  }
  return {
    debug: (message, fields) => put('debug', message, fields),
    info: (message, fields) => put('info', message, fields),
    warn: (message, fields) => put('warn', message, fields),
    error: (message, fields) => put('error', message, fields),
    named: (component) => lineLog(write, { ...options, component }),
  }
}

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  named: () => silentLog,
}
