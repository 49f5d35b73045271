import { existsSync } from 'node:fs'
import { backUpCluster, restoreCluster } from '../cluster/backup.ts'
import { defaultDataDir, runDirOf } from '../cluster/config.ts'
import { exclusively } from '../cluster/locks.ts'
import { paint } from './colors.ts'
import { CommandError, requireRoot } from './failure.ts'
import { existingCluster, type NamedOptions, nameFlag, operatorDeps, sayOnStderr } from './operator.ts'

export async function backupCommand(file: string, options: NamedOptions & { overwrite?: boolean }): Promise<void> {
  requireRoot('backup')
  const config = await existingCluster(options)
  if (existsSync(file) && !options.overwrite) throw new CommandError(`${file} is there already: use another name, or say --overwrite`)
  const { keys, bytes } = await backUpCluster(config, file, operatorDeps())
  process.stdout.write(`${paint('green', `Saved ${keys} objects of cluster ${config.name}`)} in ${file}, ${bytes} bytes.\n`)
}

export async function restoreCommand(file: string, options: NamedOptions & { overwrite?: boolean; force?: boolean }): Promise<void> {
  requireRoot('restore')
  if (!existsSync(file)) throw new CommandError(`there is no file ${file}`)
  const { name, dataDir = defaultDataDir(name) } = options
  const deps = operatorDeps()
  const cluster = { dataDir, runDir: runDirOf(name) }
  const { keys } = await exclusively(name, deps, sayOnStderr, () =>
    restoreCluster(cluster, file, { overwrite: options.overwrite === true, force: options.force === true }, deps),
  )
  process.stdout.write(`${paint('green', `Restored ${keys} objects.`)} Boot the cluster with them: sudo ./ownkube up${nameFlag(name)}\n`)
}
