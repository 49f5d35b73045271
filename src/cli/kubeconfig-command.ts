import { readFile } from 'node:fs/promises'
import { pathsOf } from '../cluster/paths.ts'
import { exitCodes } from './exit-codes.ts'
import { CommandError } from './failure.ts'
import { existingCluster, type NamedOptions } from './operator.ts'

export async function kubeconfigCommand(options: NamedOptions): Promise<void> {
  const { adminKubeconfig } = pathsOf(await existingCluster(options))
  try {
    process.stdout.write(await readFile(adminKubeconfig, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    throw new CommandError(`${adminKubeconfig} gives full rights and may only be read by root: run this with sudo`, exitCodes.notPermitted)
  }
}
