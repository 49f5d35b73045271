import type { ClusterConfig } from '../cluster/config.ts'
import { buildAndImport, buildImageArchive, importImageArchive, listNodeImages } from '../cluster/images.ts'
import { containerdPidFile } from '../cluster/paths.ts'
import { runningProcess } from '../host/processes.ts'
import { exitCodes } from './exit-codes.ts'
import { CommandError, requireRoot } from './failure.ts'
import { existingCluster, type NamedOptions, nameFlag, operatorDeps } from './operator.ts'
import { table } from './table.ts'

/** Images go into the cluster's containerd, which must run. */
async function runningCluster(options: NamedOptions, command: string): Promise<ClusterConfig> {
  requireRoot(`image ${command}`)
  const config = await existingCluster(options)
  if (!(await runningProcess(containerdPidFile(config)))) {
    throw new CommandError(
      `cluster ${config.name} is not running: 'sudo ./ownkube up${nameFlag(config.name)}' starts it`,
      exitCodes.notRunning,
    )
  }
  return config
}

export async function buildCommand(folder: string, options: NamedOptions & { tag: string; output?: string }): Promise<void> {
  const deps = operatorDeps()
  if (options.output !== undefined) {
    const name = await buildImageArchive({ folder, name: options.tag, output: options.output }, deps)
    process.stdout.write(`${name} is in ${options.output}\n`)
    return
  }
  const name = await buildAndImport(await runningCluster(options, 'build'), { folder, name: options.tag }, deps)
  process.stdout.write(`${name} is in cluster ${options.name}\n`)
}

export async function importCommand(archive: string, options: NamedOptions): Promise<void> {
  const names = await importImageArchive(await runningCluster(options, 'import'), archive, operatorDeps())
  process.stdout.write(names.map((name) => `${name} is in cluster ${options.name}\n`).join(''))
}

export async function listCommand(options: NamedOptions): Promise<void> {
  const images = await listNodeImages(await runningCluster(options, 'list'), operatorDeps())
  const rows = images.flatMap((image) =>
    (image.tags.length > 0 ? image.tags : ['<none>']).map((tag) => [
      tag,
      image.id.replace('sha256:', '').slice(0, 12),
      sizeText(image.sizeBytes),
    ]),
  )
  process.stdout.write(
    table(
      ['IMAGE', 'ID', 'SIZE'],
      rows.sort(([a = ''], [b = '']) => a.localeCompare(b)),
    ),
  )
}

function sizeText(bytes: number): string {
  return bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${Math.max(1, Math.round(bytes / 1024))} KiB`
}
