import { enableCompileCache } from 'node:module'

/** Argument to role. Long-running roles skip the command line's own modules: they would only hold memory. */
enableCompileCache()
const [role, ...rest] = process.argv.slice(2)
if (role === 'server' || role === 'agent') {
  const { runRole } = await import('./cluster/roles.ts')
  await runRole(role, rest)
} else if (role === 'proxy') {
  const { proxyCommand } = await import('./cli/proxy-command.ts')
  process.exitCode = await proxyCommand(rest)
} else {
  const { runCommandLine } = await import('./cli/command-line.ts')
  process.exitCode = await runCommandLine(process.argv)
}
