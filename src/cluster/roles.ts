import { readConfig } from './config-file.ts'
import { runProcess } from './process.ts'

/** `ownkube server DATA-DIR` and `ownkube agent DATA-DIR`: what `up` starts. Ends on SIGTERM or SIGINT. */
export async function runRole(role: 'server' | 'agent', args: readonly string[]): Promise<void> {
  const [dataDir] = args
  if (!dataDir || dataDir.startsWith('-')) {
    process.stderr.write(
      `usage: ownkube ${role} DATA-DIR\nRuns one part of a cluster that 'ownkube up' has configured; 'ownkube up' starts both parts.\n`,
    )
    process.exitCode = 2
    return
  }
  await runProcess(role, process.env.OWNKUBE_DEBUG ? 'debug' : 'info', async (deps) => {
    const config = await readConfig(dataDir)
    if (role === 'server') await (await import('./server.ts')).runServer(config, deps)
    else await (await import('./agent.ts')).runAgent(config, deps)
  })
}
