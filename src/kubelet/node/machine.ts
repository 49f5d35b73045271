import { readFile } from 'node:fs/promises'
import { arch, availableParallelism, release, totalmem } from 'node:os'

/** What the node is made of. */
export interface Machine {
  readonly cpuCores: number
  readonly memoryBytes: number
  readonly machineId: string
  readonly systemUuid: string
  readonly bootId: string
  readonly kernelVersion: string
  readonly osImage: string
  /** Go's name: amd64, arm64. */
  readonly architecture: string
}

async function textOf(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).trim() // not every machine says this of itself
}

export async function readMachine(): Promise<Machine> {
  const [machineId, uuid, bootId, osRelease] = await Promise.all([
    textOf('/etc/machine-id'),
    textOf('/sys/class/dmi/id/product_uuid'),
    textOf('/proc/sys/kernel/random/boot_id'),
    textOf('/etc/os-release'),
  ])
  const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }
  return {
    cpuCores: availableParallelism(),
    memoryBytes: totalmem(),
    machineId,
    systemUuid: uuid || machineId,
    bootId,
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?(.*?)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    architecture: names[arch()] ?? arch(),
  }
}
